//! Opening a connection to a destination: resolve, TCP, perhaps a proxy, perhaps TLS, then HTTP/1.1 on top.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::uri::Scheme;
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::client::TransportError;
use super::endpoint::{Endpoint, TargetForm};
use super::proxy::{Proxy, ProxyError};
use super::resolve::Resolver;
use super::tls::{self, Tls, TlsError};
use super::{Surroundings, tunnel};

/// Connecting takes a few round trips; waiting longer than this only delays the next attempt.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Opens connections to one endpoint.
#[derive(Debug)]
pub(super) struct Connector {
    pub(super) endpoint: Endpoint,
    resolver: Resolver,
    proxy: Option<Proxy>,
    tls: Tls,
}

/// The settings of a connection's TLS; none for plain HTTP.
pub(super) type Security = Option<Arc<ClientConfig>>;

pub(super) struct Connection {
    pub(super) sender: SendRequest<Full<Bytes>>,
    /// Moves the bytes; ends with the connection and is ended with it.
    driver: JoinHandle<()>,
    pub(super) security: Security,
    pub(super) idle_since: Instant,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Connector {
    pub(super) fn new(
        endpoint: Endpoint,
        destination: &pipeline::Destination,
        around: &Surroundings,
    ) -> Result<Self, ProxyError> {
        Ok(Self {
            proxy: around.proxies.choose(destination.proxy.as_deref(), &endpoint)?,
            tls: Tls::new(
                destination.tls.as_ref(),
                around.certificates.clone(),
                around.references.clone(),
            ),
            resolver: Resolver::default(),
            endpoint,
        })
    }

    /// A proxy that only passes requests on wants to know where to.
    pub(super) fn target_form(&self) -> TargetForm {
        if self.proxy.is_some() && self.endpoint.scheme() == Scheme::HTTP {
            TargetForm::Absolute
        } else {
            TargetForm::Origin
        }
    }

    /// What new connections are secured with; another pointer when a file it comes from has changed.
    pub(super) fn security(&self) -> Result<Security, TlsError> {
        let needs_tls = self.endpoint.tls.is_some();
        needs_tls.then(|| self.tls.config()).transpose()
    }

    pub(super) async fn connect(&self) -> Result<Connection, TransportError> {
        let security = self.security()?;
        let expired = |_| TransportError::ConnectTimeout {
            address: self.endpoint.address(),
            after: CONNECT_TIMEOUT,
        };
        timeout(CONNECT_TIMEOUT, self.connect_with(security))
            .await
            .map_err(expired)?
    }

    async fn connect_with(&self, security: Security) -> Result<Connection, TransportError> {
        let stream = self.reach().await?;
        match (&security, &self.endpoint.tls) {
            (Some(config), Some(name)) => {
                let connector = TlsConnector::from(Arc::clone(config));
                let stream = connector.connect(name.clone(), stream).await;
                let stream = stream.map_err(|source| self.untrusted(source))?;
                self.handshake(stream, security).await
            }
            _ => self.handshake(stream, security).await,
        }
    }

    /// The server itself, or a proxy that passes on what it gets.
    async fn reach(&self) -> Result<TcpStream, TransportError> {
        let Some(proxy) = &self.proxy else {
            return self.dial(&self.endpoint.host, self.endpoint.port).await;
        };
        let stream = self.dial(&proxy.host, proxy.port).await?;
        if self.target_form() == TargetForm::Absolute {
            return Ok(stream);
        }
        let address = self.endpoint.address();
        tunnel::open(stream, &address)
            .await
            .map_err(|source| TransportError::Proxy {
                proxy: address_of(&proxy.host, proxy.port),
                address,
                source,
            })
    }

    async fn dial(&self, host: &str, port: u16) -> Result<TcpStream, TransportError> {
        let addresses = self.resolver.resolve(host, port).await;
        let addresses = addresses.map_err(|source| TransportError::Resolve {
            host: host.to_owned(),
            source,
        })?;
        connect_first(&addresses)
            .await
            .map_err(|source| TransportError::Connect {
                address: address_of(host, port),
                source,
            })
    }

    async fn handshake<S>(&self, stream: S, security: Security) -> Result<Connection, TransportError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let broken = |source| TransportError::exchange(self.endpoint.address(), source);
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let driver = tokio::spawn(async move {
            // Whoever waits for an answer gets the error too.
            let _ = connection.await;
        });
        Ok(Connection {
            sender,
            driver,
            security,
            idle_since: Instant::now(),
        })
    }

    /// A broken connection is no matter of trust, a refused certificate is.
    fn untrusted(&self, source: io::Error) -> TransportError {
        let address = self.endpoint.address();
        match source.downcast::<rustls::Error>() {
            Ok(error) => TransportError::Tls {
                address,
                why: tls::explain(&error),
            },
            Err(source) => TransportError::Connect { address, source },
        }
    }
}

/// `host:port`, for messages and for a proxy.
pub(super) fn address_of(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

async fn connect_first(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // A request is written in one go; waiting for more would only cost time.
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}
