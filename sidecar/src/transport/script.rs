//! For tests: a server on a real socket that does as it is told, request by request.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// What the server does with a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reaction {
    /// A status, header lines, a body.
    Answer(u16, &'static str, &'static str),
    /// 400 where the body has this word in it, else 204.
    RefuseWord(&'static str),
    /// 204, and the connection is closed without saying so.
    AnswerAndClose,
    /// The connection ends in the middle of the answer.
    HalfAnswer,
    /// The connection ends without an answer.
    Reset,
    /// No answer, ever.
    Hang,
    /// 204, a byte at a time.
    Slow(Duration),
}

impl Reaction {
    fn for_body(self, body: &[u8]) -> Self {
        match self {
            Self::RefuseWord(word) if body.windows(word.len()).any(|part| part == word.as_bytes()) => {
                Self::Answer(400, "", "bad word")
            }
            other => other,
        }
    }
}

fn answer(status: u16, headers: &str, body: &str) -> String {
    let length = match status {
        204 => String::new(),
        _ => format!("content-length: {}\r\n", body.len()),
    };
    format!("HTTP/1.1 {status} Scripted\r\n{headers}{length}\r\n{body}")
}

pub(crate) const STORED: Reaction = Reaction::Answer(204, "", "");

/// A request as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) connection: usize,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

type Script = Arc<dyn Fn(usize) -> Reaction + Send + Sync>;

impl Server {
    /// Reacts to the n-th request, counted from 0 over all connections, as `script` says.
    pub(crate) async fn start(script: impl Fn(usize) -> Reaction + Send + Sync + 'static) -> Self {
        Self::start_on("127.0.0.1:0".parse().unwrap(), script).await
    }

    pub(crate) async fn start_on(
        address: SocketAddr,
        script: impl Fn(usize) -> Reaction + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, script): (_, Script) = (Arc::<Mutex<Vec<Seen>>>::default(), Arc::new(script));
        let requests = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            let connections = AtomicUsize::new(0);
            while let Ok((stream, _)) = listener.accept().await {
                let connection = connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(converse(stream, connection, Arc::clone(&requests), Arc::clone(&script)));
            }
        });
        Self { address, seen, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The same inside TLS.
pub(crate) async fn tls_server(
    config: rustls::ServerConfig,
    script: impl Fn(usize) -> Reaction + Send + Sync + 'static,
) -> Server {
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (seen, script): (_, Script) = (Arc::<Mutex<Vec<Seen>>>::default(), Arc::new(script));
    let requests = Arc::clone(&seen);
    let task = tokio::spawn(async move {
        let connections = AtomicUsize::new(0);
        while let Ok((stream, _)) = listener.accept().await {
            let connection = connections.fetch_add(1, Ordering::Relaxed);
            let (acceptor, requests, script) = (acceptor.clone(), Arc::clone(&requests), Arc::clone(&script));
            tokio::spawn(async move {
                let stream = acceptor.accept(stream).await?;
                converse(stream, connection, requests, script).await
            });
        }
    });
    Server { address, seen, task }
}

/// One connection, also one inside TLS. An error is the client's leaving.
pub(crate) async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    connection: usize,
    seen: Arc<Mutex<Vec<Seen>>>,
    script: Script,
) -> io::Result<()> {
    loop {
        let (head, body) = read_request(&mut stream).await?;
        let reaction = {
            let mut seen = seen.lock().unwrap();
            let reaction = script(seen.len()).for_body(&body);
            seen.push(Seen { connection, head, body });
            reaction
        };
        match reaction {
            Reaction::Answer(status, headers, body) => {
                stream.write_all(answer(status, headers, body).as_bytes()).await?;
            }
            Reaction::RefuseWord(_) => stream.write_all(answer(204, "", "").as_bytes()).await?,
            Reaction::AnswerAndClose => return stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await,
            Reaction::HalfAnswer => {
                return stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")
                    .await;
            }
            Reaction::Reset => return Ok(()),
            Reaction::Hang => std::future::pending::<()>().await,
            Reaction::Slow(pause) => {
                for byte in b"HTTP/1.1 204 No Content\r\n\r\n" {
                    sleep(pause).await;
                    stream.write_all(&[*byte]).await?;
                }
            }
        }
    }
}

async fn read_request<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<(String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok((head, body))
}
