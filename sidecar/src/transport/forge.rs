//! For tests: a certificate authority, and the certificates of servers and clients that it signs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

static COUNT: AtomicUsize = AtomicUsize::new(1);

pub(crate) struct Authority {
    certificate: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, both as PEM.
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// Whom a server lets in.
#[derive(Clone, Copy)]
pub(crate) enum Admits {
    Anyone,
    /// Only with a certificate of the same authority.
    Own,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Each has a name of its own, as in life.
        let name = format!("authority {}", COUNT.fetch_add(1, Ordering::Relaxed));
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.self_signed(&key).unwrap();
        Self {
            certificate,
            issuer: Issuer::new(params, key),
        }
    }

    pub(crate) fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// A certificate for these names that ends in this year.
    pub(crate) fn identity(&self, names: &[&str], last_year: i32) -> Identity {
        let (certificate, key) = self.issue(names, last_year);
        Identity {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }

    fn issue(&self, names: &[&str], last_year: i32) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_after = rcgen::date_time_ymd(last_year, 12, 31);
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    pub(crate) fn server(&self, names: &[&str], last_year: i32, admits: Admits) -> ServerConfig {
        let (certificate, key) = self.issue(names, last_year);
        self.config(&certificate, &key, admits)
    }

    /// A server that shows the certificate of the authority itself, as `openssl req -x509` makes them.
    pub(crate) fn server_without_own_certificate(&self) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        self.config(&certificate, &key, Admits::Anyone)
    }

    fn config(&self, certificate: &rcgen::Certificate, key: &KeyPair, admits: Admits) -> ServerConfig {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match admits {
            Admits::Anyone => builder.with_no_client_auth(),
            Admits::Own => {
                let mut roots = RootCertStore::empty();
                roots.add(self.certificate.der().clone()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        builder
            .with_single_cert(vec![certificate.der().clone()], key.into())
            .unwrap()
    }
}

/// A directory of references, written as plain files.
pub(crate) struct Mounts(tempfile::TempDir);

impl Mounts {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// `path` is like `secrets/<name>/<key>`.
    pub(crate) fn put(&self, path: &str, content: &str) -> PathBuf {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn put_identity(&self, secret: &str, identity: &Identity) {
        self.put(&format!("secrets/{secret}/tls.crt"), &identity.certificate);
        self.put(&format!("secrets/{secret}/tls.key"), &identity.key);
    }
}
