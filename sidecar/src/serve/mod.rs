//! The status server: `GET /status`, `/metrics`, `/livez`, `/readyz`. Read-only, and never a reason to stop shipping: a
//! port that can't be bound is tried again for as long as the process lives.
//!
//! It shares the sending thread, so it is kept small: few connections, short ones, no request bodies.

mod answer;
mod listen;

use std::convert::Infallible;
use std::future::ready;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

pub use listen::bind;

use crate::metrics::Snapshot;

/// Makes a snapshot of the process when somebody asks. Must not block for long: it runs on the sending thread.
pub type Observe = Arc<dyn Fn() -> Snapshot + Send + Sync>;

/// Those who ask are the operator, a scraper and perhaps a person.
const MAX_CONNECTIONS: usize = 32;
/// For a request's head, and for the pause before the next request of a connection.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// A scraper that keeps its connection opens a new one now and then.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(300);
/// Between two attempts to get the port, and after a failed accept, which mostly means too many open files.
const RETRY: Duration = Duration::from_secs(5);

/// Serves for as long as the process lives.
pub async fn run(address: SocketAddr, observe: Observe) {
    loop {
        match bind(address) {
            Ok(listener) => serve(listener, observe.clone()).await,
            Err(error) => warn!(%address, %error, "the status port can't be bound, trying again"),
        }
        sleep(RETRY).await;
    }
}

/// Serves on a socket that listens. Ends only when the socket does.
pub async fn serve(listener: TcpListener, observe: Observe) {
    if let Ok(address) = listener.local_addr() {
        info!(%address, "the status is served");
    }
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    // The semaphore is never closed.
    while let Ok(permit) = Arc::clone(&connections).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let observe = observe.clone();
                tokio::spawn(async move {
                    converse(stream, observe).await;
                    drop(permit);
                });
            }
            Err(error) => {
                warn!(%error, "a connection to the status port can't be accepted");
                sleep(RETRY).await;
            }
        }
    }
}

async fn converse(stream: TcpStream, observe: Observe) {
    let service = service_fn(|request| ready(Ok::<_, Infallible>(answer::to(&request, &observe))));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(16 << 10)
        .serve_connection(TokioIo::new(stream), service);
    if let Ok(Err(error)) = timeout(CONNECTION_TIMEOUT, connection).await {
        debug!(%error, "a connection to the status port broke");
    }
}

#[cfg(test)]
mod tests;
