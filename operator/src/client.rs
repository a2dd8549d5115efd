//! The client of the API server: every call ends within a bounded time.
//!
//! kube's own defaults wait for ever and repeat refused requests for minutes; here a request that isn't answered within
//! [`ANSWER`] has failed, and repeating is the business of the work queue, which knows what is still wanted.

use std::path::Path;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Request;
use kube::client::{Body, ClientBuilder};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tower::{BoxError, Layer, Service};

/// How long the head of an answer may take: an admission webhook alone has 30 s. A watch's head comes at once, too.
const ANSWER: Duration = Duration::from_secs(35);
const CONNECT: Duration = Duration::from_secs(5);
/// Watches end by themselves after this time: some load balancers forget a connection that is idle for 240 s.
pub(crate) const WATCH_SECONDS: u32 = 200;
/// Silence within the body of an answer; longer than a quiet watch.
const SILENCE: Duration = Duration::from_secs(WATCH_SECONDS as u64 + 10);

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("cannot use the kubeconfig")]
    Kubeconfig(#[from] kube::config::KubeconfigError),
    #[error("not running in a pod: name a kubeconfig with --kubeconfig")]
    InCluster(#[from] kube::config::InClusterError),
    #[error("cannot make a client")]
    Client(#[from] kube::Error),
}

/// A client from a file, or from the service account of the pod.
pub async fn connect(kubeconfig: Option<&Path>) -> Result<Client, ClientError> {
    // Two providers may be compiled in by others; choosing one twice is harmless.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut config = match kubeconfig {
        Some(file) => {
            Config::from_custom_kubeconfig(Kubeconfig::read_from(file)?, &KubeConfigOptions::default()).await?
        }
        None => Config::incluster()?,
    };
    config.connect_timeout = Some(CONNECT);
    config.write_timeout = Some(ANSWER);
    config.read_timeout = Some(SILENCE);
    config.reset_reader_on_write = true;
    config.default_retry = false;
    Ok(ClientBuilder::try_from(config)?.with_layer(&Bounded).build())
}

/// Bounds the time until the head of the answer.
#[derive(Clone, Copy, Debug)]
struct Bounded;

impl<S> Layer<S> for Bounded {
    type Service = BoundedService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        BoundedService { inner }
    }
}

#[derive(Clone, Debug)]
struct BoundedService<S> {
    inner: S,
}

impl<S> Service<Request<Body>> for BoundedService<S>
where
    S: Service<Request<Body>>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = futures::future::BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let answer = self.inner.call(request);
        Box::pin(async move { tokio::time::timeout(ANSWER, answer).await?.map_err(Into::into) })
    }
}
