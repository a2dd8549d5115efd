//! Certificate authorities.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::{CERTIFICATE_FILE, TlsError, Trust};
use crate::references::Secret;

/// The authorities of `file`, or the public ones where there is none. Certificates that can't be understood are left
/// out as long as one can: bundles of a system hold some very old ones.
pub(super) fn roots(trust: &Trust, file: Option<&Secret>) -> Result<RootCertStore, TlsError> {
    let Some(file) = file else {
        return Ok(RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        });
    };
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_slice_iter(file.bytes()).filter_map(Result::ok);
    let (usable, _) = roots.add_parsable_certificates(certificates);
    if usable == 0 {
        return Err(TlsError::NoCertificate { what: name(trust) });
    }
    Ok(roots)
}

fn name(trust: &Trust) -> String {
    match trust {
        Trust::Reference(mounted, key) => mounted.describe(key),
        Trust::File(path) => format!("{CERTIFICATE_FILE} ({})", path.display()),
        Trust::Public | Trust::Anyone => String::new(),
    }
}
