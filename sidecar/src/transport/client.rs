//! One destination's connections.

use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::endpoint::Endpoint;
use super::resolve::Resolver;
use super::response::{self, Response};
use super::tls::{self, TlsError};

/// Connecting takes a few round trips; waiting longer than this only delays the next attempt.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Servers close idle connections after a minute or more; a request that runs into that would fail for nothing.
const IDLE_LIMIT: Duration = Duration::from_secs(30);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransportError {
    #[error("{host} can't be resolved")]
    Resolve { host: String, source: io::Error },
    #[error("no connection to {address}")]
    Connect { address: String, source: io::Error },
    #[error("no TLS connection to {address}")]
    Tls { address: String, source: rustls::Error },
    #[error("no answer from {address}")]
    Exchange { address: String, source: hyper::Error },
    #[error("no connection to {address} within {after:?}")]
    ConnectTimeout { address: String, after: Duration },
    #[error("no answer from {address} within {after:?}")]
    Timeout { address: String, after: Duration },
}

/// Sends requests to one endpoint, any number at once, each on a connection of its own.
pub(crate) struct Client {
    endpoint: Endpoint,
    timeout: Duration,
    resolver: Resolver,
    tls: Option<TlsConnector>,
    /// Open connections without a request. Never more than were under way at once.
    idle: Mutex<Vec<Connection>>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("address", &self.endpoint.address())
            .finish_non_exhaustive()
    }
}

struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// Moves the bytes; ends with the connection and is ended with it.
    driver: JoinHandle<()>,
    idle_since: Instant,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Connection {
    fn is_usable(&self) -> bool {
        !self.sender.is_closed() && self.idle_since.elapsed() < IDLE_LIMIT
    }
}

impl Client {
    /// `timeout` bounds a whole exchange, connecting included.
    pub(crate) fn new(endpoint: Endpoint, timeout: Duration) -> Result<Self, TlsError> {
        let tls = endpoint.tls.as_ref().map(|_| tls::connector()).transpose()?;
        Ok(Self::with_tls(endpoint, timeout, tls))
    }

    fn with_tls(endpoint: Endpoint, timeout: Duration, tls: Option<TlsConnector>) -> Self {
        Self {
            endpoint,
            timeout,
            resolver: Resolver::default(),
            tls,
            idle: Mutex::default(),
        }
    }

    /// Sends one request and reads its answer.
    ///
    /// # Errors
    /// When there is no complete answer; the server may have got the request all the same.
    pub(crate) async fn post(&self, body: Bytes) -> Result<Response, TransportError> {
        let expired = |_| TransportError::Timeout {
            address: self.endpoint.address(),
            after: self.timeout,
        };
        timeout(self.timeout, self.exchange(body)).await.map_err(expired)?
    }

    /// A kept connection may have been closed by the server meanwhile. That is no failure of the server, so the request
    /// goes out once more on a new one; at worst it arrives twice.
    async fn exchange(&self, body: Bytes) -> Result<Response, TransportError> {
        if let Some(kept) = self.take_idle() {
            match self.exchange_on(kept, body.clone()).await {
                Err(TransportError::Exchange { source, .. })
                    if source.is_closed() || source.is_canceled() || source.is_incomplete_message() => {}
                result => return result,
            }
        }
        self.exchange_on(self.connect().await?, body).await
    }

    async fn exchange_on(&self, mut connection: Connection, body: Bytes) -> Result<Response, TransportError> {
        let broken = |source| TransportError::Exchange {
            address: self.endpoint.address(),
            source,
        };
        // A kept connection wants its next request only once its driver has seen the end of the last answer.
        connection.sender.ready().await.map_err(broken)?;
        let request = self.endpoint.request(Full::new(body));
        let answer = connection.sender.send_request(request).await.map_err(broken)?;
        let (head, body) = answer.into_parts();
        let (body, rest) = read_bounded(body).await.map_err(broken)?;
        if rest == Rest::None {
            connection.idle_since = Instant::now();
            self.idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(connection);
        }
        Ok(Response {
            status: head.status,
            retry_after: response::retry_after(&head.headers, SystemTime::now()),
            body,
        })
    }

    /// The one used last, for it is the likeliest to be alive; the others age and are closed.
    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(Connection::is_usable);
        idle.pop()
    }

    async fn connect(&self) -> Result<Connection, TransportError> {
        let expired = |_| TransportError::ConnectTimeout {
            address: self.endpoint.address(),
            after: CONNECT_TIMEOUT,
        };
        timeout(CONNECT_TIMEOUT, self.connect_any()).await.map_err(expired)?
    }

    async fn connect_any(&self) -> Result<Connection, TransportError> {
        let unresolved = |source| TransportError::Resolve {
            host: self.endpoint.host.clone(),
            source,
        };
        let addresses = self
            .resolver
            .resolve(&self.endpoint.host, self.endpoint.port)
            .await
            .map_err(unresolved)?;
        let stream = connect_first(&addresses)
            .await
            .map_err(|source| self.unconnected(source))?;
        match (&self.tls, &self.endpoint.tls) {
            (Some(connector), Some(name)) => {
                let stream = connector.connect(name.clone(), stream).await;
                self.handshake(stream.map_err(|source| self.untrusted(source))?).await
            }
            _ => self.handshake(stream).await,
        }
    }

    async fn handshake<S>(&self, stream: S) -> Result<Connection, TransportError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let broken = |source| TransportError::Exchange {
            address: self.endpoint.address(),
            source,
        };
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let driver = tokio::spawn(async move {
            // Whoever waits for an answer gets the error too.
            let _ = connection.await;
        });
        Ok(Connection {
            sender,
            driver,
            idle_since: Instant::now(),
        })
    }

    fn unconnected(&self, source: io::Error) -> TransportError {
        TransportError::Connect {
            address: self.endpoint.address(),
            source,
        }
    }

    /// A broken connection is no matter of trust, a refused certificate is.
    fn untrusted(&self, source: io::Error) -> TransportError {
        match source.downcast::<rustls::Error>() {
            Ok(source) => TransportError::Tls {
                address: self.endpoint.address(),
                source,
            },
            Err(source) => self.unconnected(source),
        }
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

/// Whether there is more of an answer than was read.
#[derive(PartialEq, Eq)]
enum Rest {
    None,
    Unread,
}

async fn read_bounded(mut body: Incoming) -> Result<(Bytes, Rest), hyper::Error> {
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            let room = response::MAX_BODY - read.len();
            read.extend_from_slice(&data[..data.len().min(room)]);
            if data.len() > room {
                return Ok((read.into(), Rest::Unread));
            }
        }
    }
    Ok((read.into(), Rest::None))
}

#[cfg(test)]
mod tests;
