//! From what users wrote to what the operator works with. Pure.

use crds::LogShipping;
use pipeline::validate::FieldError;

/// A LogShipping whose specification is usable.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted {
    pub namespace: String,
    pub name: String,
    /// `<name>-<hash of the effective spec>`.
    pub revision: String,
    pub spec: crds::LogShippingSpec,
}

impl Accepted {
    /// Name of its pipeline in the configuration.
    pub fn pipeline(&self) -> String {
        pipeline_name(&self.namespace, &self.name)
    }
}

/// Name of a LogShipping's pipeline in the configuration and in reports.
pub fn pipeline_name(namespace: &str, name: &str) -> String {
    format!("{namespace}/{name}")
}

/// Judges a LogShipping.
///
/// # Errors
/// Everything that is wrong with it, each with its path below the object, such as `spec.sources[0].paths[0]`.
pub fn validate(shipping: &LogShipping) -> Result<Accepted, Vec<FieldError>> {
    let _ = shipping;
    Err(vec![FieldError::new("spec", "being written")])
}
