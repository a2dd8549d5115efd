//! The destination: an HTTP/1.1 server for JSON lines that keeps how often each line arrived, and misbehaves when told.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_linger;

use crate::journal::GenerationId;
use crate::scenario::Fault;

/// How often the accepting thread looks whether anything has changed.
const LOOK: Duration = Duration::from_millis(5);

/// The server.
#[derive(Debug)]
pub(crate) struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    fault: Mutex<Option<(Fault, Instant)>>,
    arrived: Mutex<Arrived>,
    ended: Mutex<bool>,
}

/// What arrived.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arrived {
    /// By generation: how often each line came, and in which order they first came.
    pub(crate) lines: HashMap<GenerationId, Vec<u32>>,
    pub(crate) first_order: HashMap<GenerationId, Vec<u32>>,
    /// Requests that were stored and whose answer didn't leave.
    pub(crate) unanswered: u32,
    pub(crate) duplicate_bytes: u64,
    /// Bodies that no writer wrote.
    pub(crate) foreign: Vec<String>,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
        let address = listener.local_addr().expect("its address");
        let shared = Arc::new(Shared::default());
        let for_thread = Arc::clone(&shared);
        std::thread::spawn(move || accept(listener, address, &for_thread));
        Self { address, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/lines", self.address)
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
        if shared.fault() == Some(Fault::ResetInBody) {
            let mut half = vec![0; length / 2];
            reader.read_exact(&mut half)?;
            set_socket_linger(&writer, Some(Duration::ZERO))?;
            return Ok(());
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        match shared.fault() {
            None | Some(Fault::Refuse | Fault::ResetInBody) => {
                store(&body, shared);
                writer.write_all(b"HTTP/1.1 204 No Content\r\n\r\n")?;
            }
            Some(Fault::Hang) => {
                hang(shared);
                return Ok(());
            }
            Some(Fault::AnswerLost) => {
                store(&body, shared);
                lock(&shared.arrived).unanswered += 1;
                set_socket_linger(&writer, Some(Duration::ZERO))?;
                return Ok(());
            }
            Some(Fault::OneByteASecond) => {
                store(&body, shared);
                if drip(&mut writer, shared).is_err() {
                    // It was too slow for the client, which sends again.
                    lock(&shared.arrived).unanswered += 1;
                    return Ok(());
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

/// Counts the lines of a body.
fn store(body: &[u8], shared: &Shared) {
    let mut arrived = lock(&shared.arrived);
    for record in body.split(|byte| *byte == b'\n').filter(|record| !record.is_empty()) {
        let record: serde_json::Value = serde_json::from_slice(record).unwrap_or_default();
        let text = record["body"].as_str().unwrap_or_default();
        // At the end of a process an unfinished line is shipped in two parts, both marked; the first tells which it is.
        let is_rest = record["log.partial"] == true && text.bytes().all(|byte| byte == b'x');
        if let Some((generation, line)) = parse(text) {
            arrived.count(generation, line, text.len());
        } else if !is_rest {
            arrived.foreign.push(text.chars().take(80).collect());
        }
    }
}

impl Arrived {
    fn count(&mut self, generation: GenerationId, line: u32, bytes: usize) {
        let counts = self.lines.entry(generation).or_default();
        let index = line as usize;
        if counts.len() <= index {
            counts.resize(index + 1, 0);
        }
        counts[index] += 1;
        if counts[index] > 1 {
            self.duplicate_bytes += bytes as u64 + 1;
        } else {
            self.first_order.entry(generation).or_default().push(line);
        }
    }
}

/// `w<writer> <generation> <line> <padding>`, whole.
fn parse(text: &str) -> Option<(GenerationId, u32)> {
    let mut words = text.strip_prefix('w')?.splitn(4, ' ');
    let mut number = || words.next()?.parse::<u32>().ok();
    let (writer, generation, line) = (number()?, number()?, number()?);
    let padding = words.next()?;
    let whole = padding.bytes().all(|byte| byte == b'x');
    whole.then_some(((writer as usize, generation), line))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
