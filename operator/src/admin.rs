//! `GET /livez`, `/readyz` and `/metrics`. Read-only; the number of connections and the time for each are bounded.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::observe::Cluster;

const CONNECTIONS: usize = 64;
/// A connection that lives longer is closed; scrapers open another.
const CONNECTION: Duration = Duration::from_secs(60);
const HEAD: Duration = Duration::from_secs(5);

/// What is served.
#[derive(Clone, Debug)]
pub(crate) struct Admin {
    pub(crate) metrics: Metrics,
    /// Fires once the operator knows the cluster.
    pub(crate) ready: CancellationToken,
    pub(crate) cluster: Arc<Cluster>,
}

/// Binds, on IPv4 alone where the machine has no IPv6.
pub(crate) async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Err(_) if address.ip().is_unspecified() && address.is_ipv6() => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await
        }
        bound => bound,
    }
}

/// Serves until it is dropped.
pub(crate) async fn serve(listener: TcpListener, admin: Admin) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(slot) = slots.clone().acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let admin = admin.clone();
                tokio::spawn(async move {
                    answer(stream, admin).await;
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                // Out of file descriptors, most likely: trying again at once would spin.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn answer(stream: TcpStream, admin: Admin) {
    let service = service_fn(move |request: Request<Incoming>| {
        let response = respond(&admin, &request);
        async move { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), service);
    // A client that goes away is no concern of ours.
    let _ = tokio::time::timeout(CONNECTION, connection).await;
}

fn respond<B>(admin: &Admin, request: &Request<B>) -> Response<Full<Bytes>> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
    }
    match request.uri().path() {
        "/livez" => text(StatusCode::OK, "ok\n"),
        "/readyz" if admin.ready.is_cancelled() => text(StatusCode::OK, "ok\n"),
        "/readyz" => text(StatusCode::SERVICE_UNAVAILABLE, "still reading the cluster's objects\n"),
        "/metrics" => match render(admin) {
            Ok(metrics) => text(StatusCode::OK, metrics),
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        },
        _ => text(StatusCode::NOT_FOUND, "try /livez, /readyz or /metrics\n"),
    }
}

/// Targets are counted when somebody wants to know, so the gauge can't drift.
fn render(admin: &Admin) -> Result<Vec<u8>, prometheus::Error> {
    for (state, count) in admin.cluster.index().count_targets() {
        admin.metrics.set_targets(state, count);
    }
    admin.metrics.render()
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let kind = header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Switch;

    #[test]
    fn readiness_follows_the_stores_and_the_rest_does_not() -> Result<(), Box<dyn std::error::Error>> {
        let admin = Admin {
            metrics: Metrics::new()?,
            ready: CancellationToken::new(),
            cluster: Arc::new(Cluster::new(Switch::Off)),
        };
        let status = |path: &str, method: Method| {
            let request = Request::builder().method(method).uri(path).body(());
            request.map(|request| respond(&admin, &request).status().as_u16())
        };
        assert_eq!(
            (status("/livez", Method::GET)?, status("/readyz", Method::GET)?),
            (200, 503)
        );
        admin.ready.cancel();
        assert_eq!(
            (status("/readyz", Method::GET)?, status("/metrics", Method::GET)?),
            (200, 200)
        );
        assert_eq!((status("/", Method::GET)?, status("/livez", Method::POST)?), (404, 405));
        Ok(())
    }
}
