//! A bad day of the API server, between a client and the wire: which call meets which fault is drawn from a seed.
//!
//! What is faithful: the form of each refusal, as the API server and its proxies write it. What isn't reproducible is
//! the order in which calls that run side by side draw, so a seed that fails is one to be run again a few times.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use futures::{StreamExt, stream};
use http::{Method, Request, Response, header};
use http_body_util::{BodyExt, BodyStream, Full, StreamBody};
use hyper::body::{Bytes, Frame};
use kube::client::{Body, DynBody};
use operator::client::Wire;
use serde_json::json;
use tower::util::BoxService;
use tower::{BoxError, Layer, Service};

use crate::random::Random;

/// Of so many calls one meets a fault.
const ONE_OF: u64 = 4;

type Answer = Response<Box<DynBody>>;

/// What may happen to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// 409: the object has changed.
    Conflict,
    /// 410: what was asked for is too long ago.
    Gone,
    /// 429, with the time to wait.
    TooManyRequests,
    /// 500, as a failing webhook or etcd gives it.
    InternalError,
    /// 503, as a proxy gives it, not in JSON.
    Unavailable,
    /// No answer, and nothing has happened.
    Hang,
    /// The answer breaks off.
    Torn,
    /// It has happened, but nobody learns of it.
    LostAnswer,
}

const FOR_READS: [Fault; 6] = [
    Fault::Gone,
    Fault::TooManyRequests,
    Fault::InternalError,
    Fault::Unavailable,
    Fault::Hang,
    Fault::Torn,
];
const FOR_WRITES: [Fault; 7] = [
    Fault::Conflict,
    Fault::TooManyRequests,
    Fault::InternalError,
    Fault::Unavailable,
    Fault::Hang,
    Fault::Torn,
    Fault::LostAnswer,
];

/// The schedule. Clones share it.
#[derive(Clone, Debug)]
pub struct Faults {
    day: Arc<Day>,
}

#[derive(Debug)]
struct Day {
    random: Random,
    is_bad: AtomicBool,
    met: Mutex<std::collections::BTreeMap<Fault, usize>>,
}

impl Faults {
    /// Faults from now on.
    pub fn of(seed: u64) -> Self {
        let day = Day {
            random: Random::of(seed),
            is_bad: AtomicBool::new(true),
            met: Mutex::default(),
        };
        Self { day: Arc::new(day) }
    }

    /// From now on everything works.
    pub fn end(&self) {
        self.day.is_bad.store(false, Ordering::SeqCst);
    }

    /// How often each fault was met.
    pub fn met(&self) -> std::collections::BTreeMap<Fault, usize> {
        self.day.met.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn draw(&self, request: &Request<Body>) -> Option<Fault> {
        let faults: &[Fault] = match *request.method() {
            Method::GET => &FOR_READS,
            _ => &FOR_WRITES,
        };
        let number = self.day.random.next();
        if !self.day.is_bad.load(Ordering::SeqCst) || !number.is_multiple_of(ONE_OF) {
            return None;
        }
        let which = usize::try_from((number >> 32) % faults.len() as u64).ok()?;
        let fault = *faults.get(which)?;
        let mut met = self.day.met.lock().unwrap_or_else(PoisonError::into_inner);
        *met.entry(fault).or_default() += 1;
        Some(fault)
    }
}

impl Layer<Wire> for Faults {
    type Service = Wire;

    fn layer(&self, inner: Wire) -> Wire {
        BoxService::new(Faulty {
            inner,
            faults: self.clone(),
        })
    }
}

struct Faulty {
    inner: Wire,
    faults: Faults,
}

impl Service<Request<Body>> for Faulty {
    type Response = Answer;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Answer, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Some(fault) = self.faults.draw(&request) else {
            return self.inner.call(request);
        };
        let is_watch = request.uri().query().is_some_and(|query| query.contains("watch=true"));
        match fault {
            Fault::Torn | Fault::LostAnswer => {
                let answer = self.inner.call(request);
                Box::pin(async move {
                    match (fault, is_watch) {
                        (Fault::LostAnswer, _) => {
                            answer.await?;
                            Err(reset())
                        }
                        (_, true) => Ok(torn_stream(answer.await?)),
                        (_, false) => torn(answer.await?).await,
                    }
                })
            }
            Fault::Hang => Box::pin(std::future::pending()),
            refusal => Box::pin(async move { refused(refusal) }),
        }
    }
}

fn reset() -> BoxError {
    std::io::Error::from(std::io::ErrorKind::ConnectionReset).into()
}

/// The first half of the answer.
async fn torn(answer: Answer) -> Result<Answer, BoxError> {
    let (head, body) = answer.into_parts();
    let all = body.collect().await?.to_bytes();
    let half = all.slice(..all.len() / 2);
    let body = StreamBody::new(stream::iter([Ok(Frame::data(half)), Err(reset())]));
    Ok(Response::from_parts(head, Box::new(body)))
}

/// The first events of a watch, the last of them broken off.
fn torn_stream(answer: Answer) -> Answer {
    answer.map(|body| {
        let some = BodyStream::new(body).take(3);
        let end = stream::iter([Ok(Frame::data(Bytes::from_static(b"{\"type\":\"MODI"))), Err(reset())]);
        Box::new(StreamBody::new(Box::pin(some.chain(end)))) as Box<DynBody>
    })
}

fn refused(fault: Fault) -> Result<Answer, BoxError> {
    let (code, reason) = match fault {
        Fault::Conflict => (409, "Conflict"),
        Fault::Gone => (410, "Expired"),
        Fault::TooManyRequests => (429, "TooManyRequests"),
        Fault::Unavailable => (503, ""),
        _ => (500, "InternalError"),
    };
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "a fault of the test", "reason": reason, "code": code});
    let text = match fault {
        Fault::Unavailable => "upstream connect error or disconnect/reset before headers".to_owned(),
        _ => status.to_string(),
    };
    let mut answer = Response::builder().status(code);
    if fault == Fault::TooManyRequests {
        answer = answer.header(header::RETRY_AFTER, "1");
    }
    let body = Full::new(Bytes::from(text)).map_err(BoxError::from);
    Ok(answer.body(Box::new(body) as Box<DynBody>)?)
}
