//! The client of the API server: every call ends within a bounded time.
//!
//! kube's own defaults wait for ever and repeat refused requests for minutes; here a request that isn't answered within
//! [`Bounds::answer`] has failed, and repeating is the business of the work queue, which knows what is still wanted. The
//! body of an answer is bounded as well: that of a plain call by the same time, that of a watch by
//! [`Bounds::silence`], since the API server says something at least every minute or so (bookmarks).

use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use http::{Request, Response, StatusCode, header};
use hyper::body::{Bytes, Frame};
use kube::client::{Body, ClientBuilder, DynBody};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::time::{Instant, Sleep, sleep, sleep_until, timeout_at};
use tower::layer::layer_fn;
use tower::layer::util::Identity;
use tower::util::BoxService;
use tower::{BoxError, Layer, Service};

const CONNECT: Duration = Duration::from_secs(5);
/// Watches end by themselves after this time: some load balancers forget a connection that is idle for 240 s.
pub(crate) const WATCH_SECONDS: u32 = 200;
/// What a server that asks to wait may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// How long a call may take.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// All of a plain call, and the head of the answer to a watch.
    pub answer: Duration,
    /// Between two events of a watch.
    pub silence: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            // An admission webhook alone has 30 s.
            answer: Duration::from_secs(35),
            silence: Duration::from_secs(100),
        }
    }
}

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

/// What carries requests to the API server.
pub type Wire = BoxService<Request<Body>, Response<Box<DynBody>>, BoxError>;

/// A client from a file, or from the service account of the pod.
pub async fn connect(kubeconfig: Option<&Path>) -> Result<Client, ClientError> {
    connect_through(kubeconfig, Bounds::default(), &Identity::new()).await
}

/// Like [`connect`], with something between the bounds and the wire.
pub async fn connect_through(
    kubeconfig: Option<&Path>,
    bounds: Bounds,
    between: &impl Layer<Wire, Service = Wire>,
) -> Result<Client, ClientError> {
    // Two providers may be compiled in by others; choosing one twice is harmless.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut config = match kubeconfig {
        Some(file) => {
            Config::from_custom_kubeconfig(Kubeconfig::read_from(file)?, &KubeConfigOptions::default()).await?
        }
        None => Config::incluster()?,
    };
    config.connect_timeout = Some(CONNECT);
    config.write_timeout = Some(bounds.answer);
    config.default_retry = false;
    let bounded = layer_fn(|inner| Bounded { inner, bounds });
    let builder = ClientBuilder::try_from(config)?;
    Ok(builder.with_layer(between).with_layer(&bounded).build())
}

/// Bounds calls, and lets a server that is too busy have its pause.
#[derive(Debug)]
struct Bounded<S> {
    inner: S,
    bounds: Bounds,
}

impl<S, B> Service<Request<Body>> for Bounded<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: Send + 'static,
{
    type Response = Response<BoundedBody<B>>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let deadline = Instant::now() + self.bounds.answer;
        let silence = is_watch(&request).then_some(self.bounds.silence);
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = timeout_at(deadline, answer).await?.map_err(Into::into)?;
            if let Some(pause) = asked_pause(&answer) {
                // Whoever tries again does so after this answer: held back, it is when the server can bear it.
                sleep(pause).await;
            }
            Ok(answer.map(|inner| BoundedBody::new(inner, deadline, silence)))
        })
    }
}

fn is_watch(request: &Request<Body>) -> bool {
    let query = request.uri().query().unwrap_or_default();
    query.split('&').any(|pair| matches!(pair, "watch=true" | "watch=1"))
}

/// How long a server that refuses for now asks to be left alone.
fn asked_pause<B>(answer: &Response<B>) -> Option<Duration> {
    if !matches!(
        answer.status(),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    ) {
        return None;
    }
    let seconds = answer.headers().get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(LONGEST_WAIT.min(Duration::from_secs(seconds)))
}

/// A body that ends with an error when its time is over.
#[derive(Debug)]
struct BoundedBody<B> {
    inner: B,
    over: Pin<Box<Sleep>>,
    /// Where it is about silence: with everything that comes the time begins anew.
    silence: Option<Duration>,
}

impl<B> BoundedBody<B> {
    fn new(inner: B, deadline: Instant, silence: Option<Duration>) -> Self {
        let deadline = silence.map_or(deadline, |silence| Instant::now() + silence);
        Self {
            inner,
            over: Box::pin(sleep_until(deadline)),
            silence,
        }
    }
}

impl<B> hyper::body::Body for BoundedBody<B>
where
    B: hyper::body::Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(context) {
            if let Some(silence) = self.silence {
                self.over.as_mut().reset(Instant::now() + silence);
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let over = self.over.as_mut().poll(context);
        over.map(|()| Some(Err("the API server has fallen silent".into())))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures::StreamExt;
    use http_body_util::{BodyExt, StreamBody};

    use super::*;

    const BOUNDS: Bounds = Bounds {
        answer: Duration::from_secs(3),
        silence: Duration::from_secs(2),
    };

    /// An answer whose body is a word each second, `words` of them, and then nothing more.
    fn words(words: u64) -> Response<impl hyper::body::Body<Data = Bytes, Error = Infallible> + Unpin> {
        let talk = futures::stream::unfold(0, move |said| async move {
            if said == words {
                std::future::pending::<()>().await;
            }
            sleep(Duration::from_secs(1)).await;
            Some((Ok(Frame::data(Bytes::from_static(b"word"))), said + 1))
        });
        Response::new(StreamBody::new(Box::pin(talk)))
    }

    /// For how many seconds a client listened to `answer`, and whether it heard an end.
    async fn listened<B>(uri: &str, answer: Response<B>) -> (u64, Result<usize, BoxError>)
    where
        B: hyper::body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BoxError>,
    {
        let began = Instant::now();
        let mut answer = Some(answer);
        let inner = tower::service_fn(move |_| {
            let answer = answer.take().ok_or("asked twice");
            async { answer }
        });
        let mut service = Bounded { inner, bounds: BOUNDS };
        let heard = async {
            let request = Request::get(uri).body(Body::empty())?;
            let mut body = service.call(request).await?.into_body().into_data_stream();
            let mut heard = 0;
            while let Some(word) = body.next().await {
                word?;
                heard += 1;
            }
            Ok(heard)
        };
        let heard = heard.await;
        (began.elapsed().as_secs(), heard)
    }

    #[tokio::test(start_paused = true)]
    async fn a_plain_call_ends_in_time_and_a_watch_once_it_falls_silent() {
        let (seconds, heard) = listened("/pods", words(9)).await;
        assert_eq!(seconds, 3);
        assert!(heard.is_err());
        let (seconds, heard) = listened("/pods?limit=1&watch=true", words(9)).await;
        assert_eq!(seconds, 9 + 2);
        assert!(heard.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_asks_for_a_pause_has_it() {
        for (asked, had) in [("2", 2), ("3600", 10), ("soon", 0)] {
            let busy = Response::builder().status(429).header(header::RETRY_AFTER, asked);
            let Ok(busy) = busy.body(http_body_util::Empty::<Bytes>::new()) else {
                unreachable!("it is well formed");
            };
            let (seconds, heard) = listened("/pods", busy).await;
            assert_eq!((seconds, heard.ok()), (had, Some(0)), "{asked}");
        }
    }
}
