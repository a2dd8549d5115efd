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

/// Finding the addresses takes a few round trips, and so does connecting; waiting longer than this for either only delays
/// the next attempt.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Opens connections to one endpoint.
#[derive(Debug)]
pub(super) struct Connector {
    pub(super) endpoint: Endpoint,
    /// Of the proxy's name where there is one.
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
        let proxy = around.proxies.choose(destination.proxy.as_deref(), &endpoint)?;
        let resolver = match &proxy {
            Some(proxy) => Resolver::new(&proxy.host, proxy.port),
            None => Resolver::new(&endpoint.host, endpoint.port),
        };
        Ok(Self {
            proxy,
            tls: Tls::new(
                destination.tls.as_ref(),
                around.certificates.clone(),
                around.references.clone(),
            ),
            resolver,
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
        let addresses = self.addresses().await?;
        let expired = |_| TransportError::ConnectTimeout {
            address: self.endpoint.address(),
            after: CONNECT_TIMEOUT,
        };
        timeout(CONNECT_TIMEOUT, self.connect_to(&addresses, security))
            .await
            .map_err(expired)?
    }

    async fn addresses(&self) -> Result<Vec<SocketAddr>, TransportError> {
        let late = |_| {
            let words = format!("no name server has answered within {CONNECT_TIMEOUT:?}");
            Err(io::Error::new(io::ErrorKind::TimedOut, words))
        };
        let addresses = timeout(CONNECT_TIMEOUT, self.resolver.resolve()).await;
        addresses
            .unwrap_or_else(late)
            .map_err(|source| TransportError::Resolve {
                host: self.resolver.host.clone(),
                source,
            })
    }

    async fn connect_to(&self, addresses: &[SocketAddr], security: Security) -> Result<Connection, TransportError> {
        let stream = self.reach(addresses).await?;
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
    async fn reach(&self, addresses: &[SocketAddr]) -> Result<TcpStream, TransportError> {
        let stream = connect_first(addresses).await;
        let stream = stream.map_err(|source| TransportError::Connect {
            address: self.resolver.address(),
            source,
        })?;
        if self.proxy.is_none() || self.target_form() == TargetForm::Absolute {
            return Ok(stream);
        }
        let address = self.endpoint.address();
        tunnel::open(stream, &address)
            .await
            .map_err(|source| TransportError::Proxy {
                proxy: self.resolver.address(),
                address,
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
