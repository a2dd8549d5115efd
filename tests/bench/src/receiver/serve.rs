//! The receiver as a program: connections, standard input, orders.

use std::io::{self, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;

use anyhow::Result;
use memchr::memrchr;

use super::counter::{Counter, Round, Tally};
use super::decode::Decoder;
use super::http::{self, Head};
use super::tls;

/// Bytes that are read from a socket or a pipe at once.
const READ: usize = 1 << 18;

/// Where lines come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input<'a> {
    /// Requests.
    Network,
    /// Also raw lines on standard input, until it ends.
    NetworkAndStdin,
    /// Also requests by TLS, on a port of their own; the authority to trust is written to a file.
    NetworkAndTls(&'a Path),
}

/// The count that is going on.
type Current = Arc<RwLock<Arc<Counter>>>;

/// Prints the ports, a line each, and serves for ever.
pub fn serve(input: Input<'_>) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    writeln!(io::stdout(), "{}", listener.local_addr()?.port())?;
    let current = Current::new(RwLock::new(Arc::new(Counter::new(Round::default()))));
    let other = Arc::clone(&current);
    match input {
        Input::Network => {}
        Input::NetworkAndStdin => drop(thread::spawn(move || drain(&mut io::stdin().lock(), &other))),
        Input::NetworkAndTls(authority) => {
            let (listener, server) = (TcpListener::bind("127.0.0.1:0")?, tls::Server::new(authority)?);
            writeln!(io::stdout(), "{}", listener.local_addr()?.port())?;
            thread::spawn(move || accept(&listener, &other, |stream| server.greet(stream)));
        }
    }
    accept(&listener, &current, Ok)
}

/// A thread for each connection.
fn accept<S: Read + Write + Send + 'static>(
    listener: &TcpListener,
    current: &Current,
    greet: impl Fn(TcpStream) -> Result<S>,
) -> Result<()> {
    for stream in listener.incoming() {
        let stream = stream?;
        stream.set_nodelay(true)?;
        let (stream, current) = (greet(stream)?, Arc::clone(current));
        thread::spawn(move || {
            if let Err(error) = converse(stream, &current) {
                eprintln!("receiver: {error:#}");
            }
        });
    }
    Ok(())
}

/// Raw lines, a read at a time.
fn drain(input: &mut impl Read, current: &Current) -> io::Result<()> {
    let mut buffer = vec![0; READ];
    let mut kept = 0;
    loop {
        let count = input.read(&mut buffer[kept..])?;
        if count == 0 {
            return Ok(());
        }
        let filled = kept + count;
        let whole = memrchr(b'\n', &buffer[..filled]).map_or(0, |newline| newline + 1);
        let counter = counter(current);
        let mut tally = Tally::default();
        counter.scan(&mut tally, &buffer[..whole]);
        counter.add(&tally, count as u64);
        buffer.copy_within(whole..filled, 0);
        kept = filled - whole;
    }
}

fn converse(stream: impl Read + Write, current: &Current) -> Result<()> {
    let mut stream = BufReader::with_capacity(READ, stream);
    let (mut body, mut decoder) = (Vec::new(), Decoder::default());
    while let Some(head) = http::read_head(&mut stream)? {
        if head.waits {
            stream.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let length = http::read_body(&mut stream, head.length, &mut body)?;
        let is_order = order(&head, &body[..length], current, stream.get_mut())?;
        if !is_order {
            let counter = counter(current);
            let tally = decoder.count(&counter, &head, &body[..length])?;
            counter.add(&tally, head.bytes + length as u64);
            thank(&head, stream.get_mut())?;
        }
        if head.is_last {
            break;
        }
    }
    Ok(())
}

/// Does what the benchmark asks for; whether it was that.
fn order(head: &Head, body: &[u8], current: &Current, writer: &mut impl Write) -> Result<bool> {
    let json = "application/json";
    match (head.method.as_str(), head.path.as_str()) {
        ("POST", "/round") => {
            let counter = Counter::new(serde_json::from_slice(body)?);
            *current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(counter);
            http::answer(writer, "204 No Content", json, b"")?;
        }
        ("GET", "/counts") => {
            let counts = counter(current).counts();
            http::answer(writer, "200 OK", json, &serde_json::to_vec(&counts)?)?;
        }
        ("GET", "/latencies") => {
            let latencies = counter(current).latencies();
            http::answer(writer, "200 OK", json, &serde_json::to_vec(&latencies)?)?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// As the store would that has the path.
fn thank(head: &Head, writer: &mut impl Write) -> Result<()> {
    match head.path.as_str() {
        "/v1/logs" => http::answer(writer, "200 OK", "application/x-protobuf", b""),
        path if path.contains("_bulk") || head.method == "GET" => {
            let body = br#"{"took":1,"errors":false,"items":[]}"#;
            http::answer(writer, "200 OK", "application/json", body)
        }
        _ => http::answer(writer, "204 No Content", "", b""),
    }
}

fn counter(current: &Current) -> Arc<Counter> {
    Arc::clone(&current.read().unwrap_or_else(PoisonError::into_inner))
}
