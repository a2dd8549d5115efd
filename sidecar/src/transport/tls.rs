//! TLS with the certificate authorities that are in the binary: the image is empty.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

/// The usual variable for a file of other authorities, in the PEM form.
const CERTIFICATE_FILE: &str = "SSL_CERT_FILE";

/// TLS can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("the certificates of {file} can't be read: {error}")]
    Certificates {
        file: String,
        error: rustls::pki_types::pem::Error,
    },
    #[error("{file} holds no usable certificate")]
    NoCertificate { file: String },
    #[error(transparent)]
    Versions(#[from] rustls::Error),
}

/// Trusts the file that the environment names, else the public authorities.
pub(super) fn connector() -> Result<TlsConnector, TlsError> {
    let roots = match std::env::var_os(CERTIFICATE_FILE) {
        Some(file) => read_roots(Path::new(&file))?,
        None => RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        },
    };
    connector_with(roots)
}

pub(super) fn connector_with(roots: RootCertStore) -> Result<TlsConnector, TlsError> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn read_roots(file: &Path) -> Result<RootCertStore, TlsError> {
    let name = || file.display().to_string();
    let unreadable = |error| TlsError::Certificates { file: name(), error };
    let certificates: Vec<_> = CertificateDer::pem_file_iter(file)
        .map_err(unreadable)?
        .collect::<Result<_, _>>()
        .map_err(unreadable)?;
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(certificates);
    if usable == 0 {
        return Err(TlsError::NoCertificate { file: name() });
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_authorities_is_used_or_said_to_be_unusable() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let good = crate::transport::script::certificate().cert.pem();
        assert_eq!(read_roots(&file("good", &good)).unwrap().len(), 1);
        let error = read_roots(&file("empty", "no certificate in here"))
            .unwrap_err()
            .to_string();
        assert!(error.ends_with("empty holds no usable certificate"), "{error}");
        let error = read_roots(&folder.path().join("missing")).unwrap_err().to_string();
        assert!(error.contains("missing can't be read: "), "{error}");
    }
}
