//! TLS with a certificate that is made on the spot.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Greets clients that trust its certificate, which is for 127.0.0.1.
#[derive(Debug)]
pub(super) struct Server(Arc<ServerConfig>);

impl Server {
    /// Writes the certificate to a file, in PEM.
    pub(super) fn new(authority: &Path) -> Result<Self> {
        let key = rcgen::KeyPair::generate()?;
        let certificate = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()])?.self_signed(&key)?;
        fs::write(authority, certificate.pem())?;
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)?;
        Ok(Self(Arc::new(config)))
    }

    /// The handshake happens at the first read.
    pub(super) fn greet(&self, stream: TcpStream) -> Result<StreamOwned<ServerConnection, TcpStream>> {
        Ok(StreamOwned::new(ServerConnection::new(Arc::clone(&self.0))?, stream))
    }
}
