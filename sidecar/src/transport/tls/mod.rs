//! TLS: whom a destination trusts, and how the sidecar proves who it is.
//!
//! The public authorities are in the binary, for the image is empty; `SSL_CERT_FILE` replaces them for all
//! destinations, `tls.ca` for one. What comes from files is made anew when their content changes: the next connection
//! uses it, and kept ones are closed (see `client`).

mod failure;
mod trust;
mod unverified;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

pub(crate) use failure::explain;

use crate::references::{Derived, Mounted, ReferenceError, References, Secret, read_file};

/// The usual variable for a file of other authorities, in the PEM form.
pub(super) const CERTIFICATE_FILE: &str = "SSL_CERT_FILE";
/// The keys of a Secret of type `kubernetes.io/tls`.
const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";

/// TLS can't be set up. Nothing here quotes a file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    #[error("{what} holds no usable certificate in the PEM form")]
    NoCertificate { what: String },
    #[error("{KEY} of Secret {secret:?} holds no private key in the PEM form")]
    NoKey { secret: String },
    #[error("{CERTIFICATE} and {KEY} of Secret {secret:?} can't be used together")]
    Unusable { secret: String, source: rustls::Error },
    #[error(transparent)]
    Versions(#[from] rustls::Error),
}

/// The TLS settings of one destination.
#[derive(Debug)]
pub(super) struct Tls {
    trust: Trust,
    identity: Option<Mounted>,
    references: References,
    config: Derived<ClientConfig>,
}

/// Whose certificates are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Trust {
    Public,
    File(PathBuf),
    Reference(Mounted, String),
    Anyone,
}

impl Tls {
    /// `file` replaces the public authorities where the settings name no others.
    pub(super) fn new(
        settings: Option<&pipeline::destination::Tls>,
        file: Option<PathBuf>,
        references: References,
    ) -> Self {
        let own = settings.and_then(|settings| settings.ca.as_ref());
        let config_map = own.and_then(|ca| ca.config_map_key_ref.as_ref());
        let secret = own.and_then(|ca| ca.secret_key_ref.as_ref());
        let trust = match (config_map, secret, file) {
            _ if settings.is_some_and(|settings| settings.insecure_skip_verify) => Trust::Anyone,
            (Some(ca), _, _) => Trust::Reference(ca.into(), ca.key.clone()),
            (_, Some(ca), _) => Trust::Reference(ca.into(), ca.key.clone()),
            (None, None, Some(file)) => Trust::File(file),
            (None, None, None) => Trust::Public,
        };
        let identity = settings.and_then(|settings| settings.client_certificate.as_ref());
        Self {
            trust,
            identity: identity.map(|certificate| (&certificate.secret_ref).into()),
            references,
            config: Derived::default(),
        }
    }

    /// The present settings; another pointer than before when a file has changed.
    pub(super) fn config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        self.config
            .get(Instant::now(), || self.read(), |content| self.make(content))
    }

    /// Authorities first, then certificate and key, as far as they come from files.
    fn read(&self) -> Result<Vec<Secret>, TlsError> {
        let mut content = Vec::new();
        match &self.trust {
            Trust::Public | Trust::Anyone => {}
            Trust::File(path) => content.push(read_file(path, CERTIFICATE_FILE)?),
            Trust::Reference(mounted, key) => content.extend(self.references.read(mounted, [key.as_str()])?),
        }
        if let Some(identity) = &self.identity {
            content.extend(self.references.read(identity, [CERTIFICATE, KEY])?);
        }
        Ok(content)
    }

    fn make(&self, content: &[Secret]) -> Result<ClientConfig, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let mut content = content.iter();
        let builder =
            ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
        let builder = match &self.trust {
            Trust::Anyone => unverified::accept_anyone(builder, provider),
            trust => builder.with_root_certificates(trust::roots(trust, content.next())?),
        };
        match (&self.identity, content.next(), content.next()) {
            (Some(Mounted::Secret(secret)), Some(certificate), Some(key)) => {
                let (chain, key) = identity(secret, certificate, key)?;
                let unusable = |source| TlsError::Unusable {
                    secret: secret.clone(),
                    source,
                };
                builder.with_client_auth_cert(chain, key).map_err(unusable)
            }
            _ => Ok(builder.with_no_client_auth()),
        }
    }
}

/// Errors of the PEM parser quote lines, so they are not passed on.
fn identity(
    secret: &str,
    certificate: &Secret,
    key: &Secret,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let none = || TlsError::NoCertificate {
        what: format!("{CERTIFICATE} of Secret {secret:?}"),
    };
    let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate.bytes())
        .collect::<Result<_, _>>()
        .map_err(|_| none())?;
    if chain.is_empty() {
        return Err(none());
    }
    let key = PrivateKeyDer::from_pem_slice(key.bytes()).map_err(|_| TlsError::NoKey {
        secret: secret.to_owned(),
    })?;
    Ok((chain, key))
}

#[cfg(test)]
mod tests;
