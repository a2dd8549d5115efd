//! The destination: an HTTP/1.1 server that keeps how often each line arrived, and misbehaves when told.

mod arrived;
mod body;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_linger;

use crate::scenario::{Fault, Kind};

pub(crate) use arrived::{Arrived, Request};

/// How often the accepting thread looks whether anything has changed.
const LOOK: Duration = Duration::from_millis(5);
/// A client that waited for so long for an answer, on a busy machine, may have given up.
const SLOW: Duration = Duration::from_millis(1_500);

/// The server.
#[derive(Debug)]
pub(crate) struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    kind: Kind,
    fault: Mutex<Option<(Fault, Instant)>>,
    arrived: Mutex<Arrived>,
    ended: Mutex<bool>,
}

impl Receiver {
    /// `address` must be nobody else's, also while nobody listens there.
    pub(crate) fn start(kind: Kind, address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).expect("an address on loopback of our own");
        let shared = Arc::new(Shared {
            kind,
            fault: Mutex::default(),
            arrived: Mutex::default(),
            ended: Mutex::default(),
        });
        let for_thread = Arc::clone(&shared);
        std::thread::spawn(move || accept(listener, address, &for_thread));
        Self { address, shared }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn misbehave(&self, fault: Fault, time: Duration) {
        *lock(&self.shared.fault) = Some((fault, Instant::now() + time));
    }

    pub(crate) fn heal(&self) {
        *lock(&self.shared.fault) = None;
    }

    pub(crate) fn arrived(&self) -> Arrived {
        lock(&self.shared.arrived).clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        *lock(&self.shared.ended) = true;
    }
}

impl Shared {
    fn fault(&self) -> Option<Fault> {
        let fault = *lock(&self.fault);
        fault
            .filter(|(_, until)| Instant::now() < *until)
            .map(|(fault, _)| fault)
    }

    fn is_ended(&self) -> bool {
        *lock(&self.ended)
    }

    /// Keeps what a request brought. Returns its number.
    fn store(&self, body: &[u8]) -> usize {
        let records = body::records(body, self.kind);
        lock(&self.arrived).store(records)
    }

    /// The client doesn't know that a request was stored.
    fn unanswered(&self, request: usize) {
        lock(&self.arrived).requests[request].answered = false;
    }
}

/// Nobody listens while connections are to be refused.
fn accept(listener: TcpListener, address: SocketAddr, shared: &Arc<Shared>) {
    let mut listener = Some(listener);
    while !shared.is_ended() {
        if shared.fault() == Some(Fault::Refuse) {
            listener = None;
            std::thread::sleep(LOOK);
            continue;
        }
        let Some(open) = &listener else {
            listener = TcpListener::bind(address).ok();
            continue;
        };
        open.set_nonblocking(true).expect("a socket that can wait");
        match open.accept() {
            Ok((stream, _)) => {
                let shared = Arc::clone(shared);
                // A broken connection is the client's to notice.
                std::thread::spawn(move || _ = serve(stream, &shared));
            }
            Err(_) => std::thread::sleep(LOOK),
        }
    }
}

fn serve(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    while !shared.is_ended() {
        let Some(length) = read_head(&mut reader)? else {
            return Ok(());
        };
        let began = Instant::now();
        if shared.fault() == Some(Fault::ResetInBody) {
            let mut half = vec![0; length / 2];
            reader.read_exact(&mut half)?;
            return reset(&writer);
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        match shared.fault() {
            None | Some(Fault::Refuse | Fault::ResetInBody) => {
                let request = shared.store(&body);
                let sent = writer.write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
                if sent.is_err() || began.elapsed() > SLOW {
                    shared.unanswered(request);
                }
            }
            Some(Fault::Hang) => {
                hang(shared);
                return Ok(());
            }
            Some(Fault::AnswerLost) => {
                let request = shared.store(&body);
                shared.unanswered(request);
                return reset(&writer);
            }
            Some(Fault::OneByteASecond) => {
                let request = shared.store(&body);
                let sent = drip(&mut writer, shared);
                // It may have been too slow for the client, which sends again.
                if sent.is_err() || began.elapsed() > SLOW {
                    shared.unanswered(request);
                }
            }
            Some(Fault::TooManyRequests) => {
                writer.write_all(b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n")?;
            }
            Some(Fault::ServerError) => {
                writer.write_all(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy")?;
            }
            Some(Fault::BadRequest) => {
                writer.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")?;
            }
        }
    }
    Ok(())
}

/// What is dropped now is reset.
fn reset(stream: &TcpStream) -> io::Result<()> {
    set_socket_linger(stream, Some(Duration::ZERO))?;
    Ok(())
}

/// The length of the body; none when the client has gone.
fn read_head(reader: &mut impl BufRead) -> io::Result<Option<usize>> {
    let mut length = 0;
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
        if line.is_empty() {
            return Ok(Some(length));
        }
    }
}

fn hang(shared: &Shared) {
    while shared.fault() == Some(Fault::Hang) && !shared.is_ended() {
        std::thread::sleep(LOOK);
    }
}

fn drip(writer: &mut TcpStream, shared: &Shared) -> io::Result<()> {
    for byte in b"HTTP/1.1 204 No Content\r\n\r\n" {
        writer.write_all(&[*byte])?;
        let until = Instant::now() + Duration::from_secs(1);
        while Instant::now() < until && shared.fault() == Some(Fault::OneByteASecond) {
            std::thread::sleep(LOOK);
        }
    }
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
