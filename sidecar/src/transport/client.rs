//! One destination's connections: kept between requests, and replaced when what secures them has changed.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tokio::time::timeout;

use super::authorization::Credential;
use super::connect::{Connection, Connector, Security};
use super::response::{self, Response};
use super::tls::{self, TlsError};
use super::tunnel::TunnelError;

/// Servers close idle connections after a minute or more; a request that runs into that would fail for nothing.
const IDLE_LIMIT: Duration = Duration::from_secs(30);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransportError {
    #[error("{host} can't be resolved")]
    Resolve { host: String, source: io::Error },
    #[error("no connection to {address}")]
    Connect { address: String, source: io::Error },
    #[error("the proxy {proxy} doesn't connect us to {address}")]
    Proxy {
        proxy: String,
        address: String,
        source: TunnelError,
    },
    #[error("no TLS connection to {address}: {why}")]
    Tls { address: String, why: String },
    #[error(transparent)]
    Setup(#[from] TlsError),
    #[error("no answer from {address}")]
    Exchange { address: String, source: hyper::Error },
    #[error("no connection to {address} within {after:?}")]
    ConnectTimeout { address: String, after: Duration },
    #[error("no answer from {address} within {after:?}")]
    Timeout { address: String, after: Duration },
}

impl TransportError {
    /// A server that refuses our certificate says so only after the handshake (RFC 8446 section 4.4.2.4).
    pub(super) fn exchange(address: String, source: hyper::Error) -> Self {
        match tls_error(&source).map(tls::explain) {
            Some(why) => Self::Tls { address, why },
            None => Self::Exchange { address, source },
        }
    }
}

fn tls_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = error.source();
    while let Some(source) = next {
        let inner = source.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(found) = inner.and_then(|inner| inner.downcast_ref()) {
            return Some(found);
        }
        next = source.source();
    }
    None
}

/// Sends requests to one endpoint, any number at once, each on a connection of its own.
#[derive(Debug)]
pub(crate) struct Client {
    connector: Connector,
    timeout: Duration,
    /// Open connections without a request. Never more than were under way at once.
    idle: Mutex<Vec<Connection>>,
    /// Bytes of answers that are being read.
    pub(super) answers: Arc<AtomicUsize>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl Connection {
    fn is_usable(&self, security: &Security) -> bool {
        let is_current = match (&self.security, security) {
            (Some(own), Some(current)) => Arc::ptr_eq(own, current),
            (own, current) => own.is_none() && current.is_none(),
        };
        is_current && !self.sender.is_closed() && self.idle_since.elapsed() < IDLE_LIMIT
    }
}

impl Client {
    /// `timeout` bounds a whole exchange, connecting included.
    pub(super) fn new(connector: Connector, timeout: Duration) -> Self {
        Self {
            connector,
            timeout,
            idle: Mutex::default(),
            answers: Arc::default(),
        }
    }

    pub(crate) fn address(&self) -> String {
        self.connector.endpoint.address()
    }

    /// Sends one request and reads its answer.
    ///
    /// # Errors
    /// When there is no complete answer; the server may have got the request all the same.
    pub(super) async fn post(&self, body: Bytes, credential: Option<&Credential>) -> Result<Response, TransportError> {
        self.bounded(self.exchange(body, credential)).await
    }

    /// Opens a connection and keeps it for the first request.
    pub(super) async fn connect(&self) -> Result<(), TransportError> {
        let connection = self.bounded(self.connector.connect()).await?;
        self.keep(connection);
        Ok(())
    }

    async fn bounded<T>(&self, work: impl Future<Output = Result<T, TransportError>>) -> Result<T, TransportError> {
        let expired = |_| TransportError::Timeout {
            address: self.address(),
            after: self.timeout,
        };
        timeout(self.timeout, work).await.map_err(expired)?
    }

    /// A kept connection may have been closed by the server meanwhile. That is no failure of the server, so the request
    /// goes out once more on a new one; at worst it arrives twice.
    async fn exchange(&self, body: Bytes, credential: Option<&Credential>) -> Result<Response, TransportError> {
        if let Some(kept) = self.take_idle()? {
            match self.exchange_on(kept, body.clone(), credential).await {
                Err(TransportError::Exchange { source, .. })
                    if source.is_closed() || source.is_canceled() || source.is_incomplete_message() => {}
                result => return result,
            }
        }
        self.exchange_on(self.connector.connect().await?, body, credential)
            .await
    }

    async fn exchange_on(
        &self,
        mut connection: Connection,
        body: Bytes,
        credential: Option<&Credential>,
    ) -> Result<Response, TransportError> {
        let broken = |source| TransportError::exchange(self.address(), source);
        // A kept connection wants its next request only once its driver has seen the end of the last answer.
        connection.sender.ready().await.map_err(broken)?;
        let form = self.connector.target_form();
        let mut request = self.connector.endpoint.request(Full::new(body), form);
        if let Some(credential) = credential {
            credential.sign(request.headers_mut());
        }
        let answer = connection.sender.send_request(request).await.map_err(broken)?;
        let (head, body) = answer.into_parts();
        let (body, rest) = read_bounded(body, &self.answers).await.map_err(broken)?;
        if rest == Rest::None {
            self.keep(connection);
        }
        Ok(Response {
            status: head.status,
            retry_after: response::retry_after(&head.headers, SystemTime::now()),
            body,
        })
    }

    fn keep(&self, mut connection: Connection) {
        connection.idle_since = Instant::now();
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(connection);
    }

    /// The one used last, for it is the likeliest to be alive; the others age and are closed.
    fn take_idle(&self) -> Result<Option<Connection>, TlsError> {
        let security = self.connector.security()?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|connection| connection.is_usable(&security));
        Ok(idle.pop())
    }
}

/// Whether there is more of an answer than was read.
#[derive(PartialEq, Eq)]
enum Rest {
    None,
    Unread,
}

/// What is held of an answer while it is read.
struct Reading<'a> {
    read: Vec<u8>,
    held: &'a AtomicUsize,
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.held.fetch_sub(self.read.len(), Ordering::Relaxed);
    }
}

async fn read_bounded(mut body: Incoming, held: &AtomicUsize) -> Result<(Bytes, Rest), hyper::Error> {
    let mut reading = Reading { read: Vec::new(), held };
    let mut rest = Rest::None;
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            let room = response::MAX_BODY - reading.read.len();
            let taken = &data[..data.len().min(room)];
            reading.read.extend_from_slice(taken);
            held.fetch_add(taken.len(), Ordering::Relaxed);
            if data.len() > room {
                rest = Rest::Unread;
                break;
            }
        }
    }
    // Judged and let go right away.
    Ok((Bytes::copy_from_slice(&reading.read), rest))
}

#[cfg(test)]
mod tests;
