//! What the process finds around it and all its connections share: mounted references, and the variables of its
//! environment that speak of connections. Read once, at the edge.

use std::path::PathBuf;

use super::proxy::Proxies;
use super::tls::CERTIFICATE_FILE;
use crate::references::References;

#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    pub(super) references: References,
    pub(super) proxies: Proxies,
    /// Replaces the public certificate authorities.
    pub(super) certificates: Option<PathBuf>,
}

impl Surroundings {
    /// With the variables of this process.
    pub fn of_process(references: References) -> Self {
        let variable = |name: &str| std::env::var(name).ok();
        Self::new(references, variable)
    }

    /// `lookup` gives the value of a variable.
    pub(crate) fn new(references: References, lookup: impl Fn(&str) -> Option<String>) -> Self {
        let certificates = lookup(CERTIFICATE_FILE).filter(|file| !file.is_empty());
        Self {
            references,
            proxies: Proxies::from(lookup),
            certificates: certificates.map(PathBuf::from),
        }
    }
}
