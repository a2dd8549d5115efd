//! A real HTTP/1.1 server that takes JSON lines, and can be told to refuse them, or to ask for credentials.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;

pub struct Collector {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    answer: AtomicU16,
    lines: Mutex<Vec<String>>,
    refused: Mutex<Vec<Bytes>>,
    /// The only value of `Authorization` that is let in; anybody where empty.
    admitted: Mutex<String>,
}

impl Collector {
    /// Listens on loopback until the test ends.
    pub fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            answer: AtomicU16::new(204),
            lines: Mutex::default(),
            refused: Mutex::default(),
            admitted: Mutex::default(),
        });
        let for_server = Arc::clone(&shared);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(serve(listener, for_server));
        });
        Self { address, shared }
    }

    /// A destination `http` that sends here.
    pub fn destination(&self) -> Value {
        serde_json::json!({
            "name": "http", "http": {"url": format!("http://{}/lines", self.address)},
            "retry": {"initialBackoff": "20ms", "maxBackoff": "100ms"},
        })
    }

    /// Status code of the answers from now on; only requests answered with 2xx are kept.
    pub fn answer(&self, status: u16) {
        self.shared.answer.store(status, Ordering::SeqCst);
    }

    /// Lets in who sends this `Authorization` from now on. Others are answered with 401 and their own words.
    pub fn admit(&self, authorization: &str) {
        authorization.clone_into(&mut self.shared.admitted.lock().unwrap());
    }

    /// Bodies of the records that were accepted, in order of arrival.
    pub fn lines(&self) -> Vec<String> {
        self.shared.lines.lock().unwrap().clone()
    }

    /// Bodies of the requests that weren't accepted, in order of arrival.
    pub fn refused(&self) -> Vec<Bytes> {
        self.shared.refused.lock().unwrap().clone()
    }

    pub fn count(&self) -> usize {
        self.shared.lines.lock().unwrap().len()
    }
}

async fn serve(listener: std::net::TcpListener, shared: Arc<Shared>) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        let service = service_fn(move |request| answer(request, Arc::clone(&shared)));
        let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        // A client that was killed breaks its connection.
        tokio::spawn(async move { _ = connection.await });
    }
}

async fn answer(request: Request<Incoming>, shared: Arc<Shared>) -> Result<Response<Full<Bytes>>, Infallible> {
    let sent = request.headers().get("authorization").cloned();
    let sent = sent.map_or_else(String::new, |sent| sent.to_str().unwrap().to_owned());
    let admitted = shared.admitted.lock().unwrap().clone();
    let is_stranger = !admitted.is_empty() && sent != admitted;
    let status = if is_stranger {
        401
    } else {
        shared.answer.load(Ordering::SeqCst)
    };
    let body = request.into_body().collect().await;
    let body = body.map(http_body_util::Collected::to_bytes);
    if let (Ok(body), 300..) = (&body, status) {
        shared.refused.lock().unwrap().push(body.clone());
    }
    if let (Ok(body), 200..=299) = (body, status) {
        let records = body.split(|byte| *byte == b'\n').filter(|record| !record.is_empty());
        let lines = records.map(|record| {
            let record: Value = serde_json::from_slice(record).unwrap();
            record["body"].as_str().unwrap().to_owned()
        });
        shared.lines.lock().unwrap().extend(lines);
    }
    let words = if is_stranger {
        format!("{sent:?} is unknown here")
    } else {
        String::new()
    };
    let mut response = Response::new(Full::from(words));
    *response.status_mut() = status.try_into().unwrap();
    Ok(response)
}
