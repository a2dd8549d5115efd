//! Asks the sidecars of running pods how they do: `GET /status`, over and over.
//!
//! What answers is another team's pod, so it is not trusted: only pods whose owner chain leads to a target and that
//! declare our container and port are asked, redirects aren't followed, the time and the size of an answer are bounded,
//! and its strings are cut before anything else sees them ([`Sighting`]).

mod sighting;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use pipeline::report::Report;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

pub(crate) use self::sighting::{DestinationSeen, PipelineSeen, Sighting};
use crate::metrics::Metrics;
use crate::observe::{Cluster, PodKey, Wakes};
use crate::observed::Life;
use crate::queue::{Next, random};

const TIMEOUT: Duration = Duration::from_secs(1);
const MAX_ANSWER: usize = 256 * 1024;
/// How many sidecars are asked at once.
const CONCURRENCY: usize = 32;
/// How often a sidecar is asked that should load another configuration, and for how long; also one that is ending.
const HURRY: Duration = Duration::from_millis(400);
const HURRY_FOR: Duration = Duration::from_secs(60);

/// Why a sidecar didn't answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PollError {
    #[error("no answer within {} s", TIMEOUT.as_secs())]
    Timeout,
    #[error("cannot connect: {0}")]
    Connect(std::io::Error),
    #[error("the connection broke: {0}")]
    Http(#[from] hyper::Error),
    #[error("it answered {0}")]
    Status(StatusCode),
    #[error("the answer breaks off or is larger than {} KiB", MAX_ANSWER / 1024)]
    Body,
    #[error("the answer is no report of a sidecar")]
    Report(#[source] serde_json::Error),
    #[error("the answer is that of another pod")]
    OtherPod,
}

impl PollError {
    /// Bounded, for metrics.
    const fn reason(&self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Connect(_) => "connect",
            Self::Http(_) => "http",
            Self::Status(_) => "status",
            Self::Body => "body",
            Self::Report(_) => "report",
            Self::OtherPod => "other_pod",
        }
    }
}

/// Asks until `stop`.
pub(crate) async fn run(cluster: Arc<Cluster>, metrics: Metrics, interval: Duration, stop: CancellationToken) {
    let step = |key| {
        let (cluster, metrics) = (cluster.clone(), metrics.clone());
        async move { visit(&cluster, &metrics, interval, &key).await }
    };
    cluster.pods.work(CONCURRENCY, &stop, step).await;
}

async fn visit(cluster: &Cluster, metrics: &Metrics, interval: Duration, key: &PodKey) -> Next {
    let Some((address, uid)) = whom_to_ask(cluster, key) else {
        return Next::Wait;
    };
    let answer = ask(address, &uid).await;
    metrics.polled(answer.as_ref().err().map_or("ok", PollError::reason));
    let now = Timestamp::now();
    let mut hurried = false;
    cluster.change(|index| {
        let Some(pod) = index.pod(key) else {
            return Wakes::default();
        };
        let expected = index.expected(pod).map(|expected| expected.hash.as_str());
        let sighting = Sighting::after(index.sighting(pod), answer, expected, now);
        hurried = pod.view.life == Life::Ending || sighting.is_awaited(now, HURRY_FOR);
        index.set_sighting(key, &uid, sighting)
    });
    Next::After(if hurried {
        HURRY
    } else {
        interval.mul_f64(0.9 + random() / 5.0)
    })
}

/// Only pods that belong to a target: the chain of owners is checked by uid.
fn whom_to_ask(cluster: &Cluster, key: &PodKey) -> Option<(SocketAddr, String)> {
    let index = cluster.index();
    let pod = index.pod(key)?;
    index.target_of(pod)?;
    Some((pod.askable()?, pod.view.uid.clone()))
}

async fn ask(address: SocketAddr, uid: &str) -> Result<Report, PollError> {
    let answer = tokio::time::timeout(TIMEOUT, get(address));
    let body = answer.await.map_err(|_| PollError::Timeout)??;
    let report: Report = serde_json::from_slice(&body).map_err(PollError::Report)?;
    // An address may have gone to another pod since it was written down.
    if !report.pod_uid.is_empty() && report.pod_uid != uid {
        return Err(PollError::OtherPod);
    }
    Ok(report)
}

async fn get(address: SocketAddr) -> Result<Bytes, PollError> {
    let stream = TcpStream::connect(address).await.map_err(PollError::Connect)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get("/status")
        .header(header::HOST, address.to_string())
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new());
    let Ok(request) = request else {
        return Err(PollError::Body);
    };
    let exchange = async {
        let response = sender.send_request(request).await?;
        if response.status() != StatusCode::OK {
            return Err(PollError::Status(response.status()));
        }
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
        body.map(http_body_util::Collected::to_bytes)
            .map_err(|_| PollError::Body)
    };
    // Both are dropped together, so nothing of a connection outlives its answer.
    let mut exchange = std::pin::pin!(exchange);
    tokio::select! {
        answer = &mut exchange => answer,
        ended = connection => match ended {
            Ok(()) => exchange.await,
            Err(error) => Err(error.into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers one request with `response` and gives back what `ask` made of it.
    async fn asked(response: String) -> Result<Report, PollError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(PollError::Connect)?;
        let address = listener.local_addr().map_err(PollError::Connect)?;
        let server = async {
            let (mut stream, _) = listener.accept().await?;
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await?;
            // The client may hang up in the middle of what is too large for it.
            let _ = stream.write_all(response.as_bytes()).await;
            Ok::<_, std::io::Error>(())
        };
        let (answer, served) = tokio::join!(ask(address, "uid"), server);
        served.map_err(PollError::Connect)?;
        answer
    }

    fn response(status: &str, body: &str) -> String {
        format!(
            "HTTP/1.1 {status}\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    #[tokio::test]
    async fn a_report_is_read() -> Result<(), PollError> {
        let report = asked(response("200 OK", r#"{"podUid":"uid","configHash":"abc"}"#)).await?;
        assert_eq!(report.config_hash, "abc");
        Ok(())
    }

    #[tokio::test]
    async fn answers_that_are_none_are_told_apart() {
        let huge = format!("{{\"podUid\":\"{}\"}}", "x".repeat(MAX_ANSWER));
        for (response, reason) in [
            (response("302 Found", ""), "status"),
            (response("200 OK", r#"{"podUid":"another"}"#), "other_pod"),
            (response("200 OK", "<html>"), "report"),
            (response("200 OK", &huge), "body"),
            ("SSH-2.0-OpenSSH\r\n".to_owned(), "http"),
        ] {
            let answer = asked(response).await;
            assert_eq!(answer.as_ref().err().map(PollError::reason), Some(reason), "{answer:?}");
        }
    }
}
