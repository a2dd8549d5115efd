//! The HTTP port: a few worker threads, one short request per connection.
//!
//! Deliberately not here: keep-alive, bodies of requests, TLS.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant, SystemTime};

use crate::clock::Moment;
use crate::logs::{Access, Logs};
use crate::shop::{self, Answer, Consequence};
use crate::traffic::Traffic;

/// A client that is slower than this is given up, so that it can't keep a worker.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Longest request head that is read.
const MAX_HEAD: u64 = 8 * 1024;
/// Pause after a failed `accept`, for example while the process is out of file descriptors.
const BACKOFF: Duration = Duration::from_millis(100);

/// Serves connections, one after the other, for as long as the process lives. Several threads may share a listener.
pub fn serve(listener: &TcpListener, logs: &Logs, traffic: &Traffic) {
    loop {
        match listener.accept() {
            Ok((stream, peer)) => {
                // A client that went away has nobody to be told about it.
                let _ = talk(&stream, peer, logs, traffic);
            }
            Err(_) => std::thread::sleep(BACKOFF),
        }
    }
}

fn talk(stream: &TcpStream, peer: SocketAddr, logs: &Logs, traffic: &Traffic) -> io::Result<()> {
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let began = Instant::now();
    let Some(head) = Head::read(&mut BufReader::new(stream.take(MAX_HEAD)))? else {
        return reply(stream, 400, "bad request\n");
    };
    let Answer {
        status,
        body,
        consequence,
    } = shop::answer(&head.method, &head.target);
    let access = || Access {
        client: peer.ip().to_string(),
        request: format!("{} {}", head.method, head.target),
        status,
        bytes: body.len(),
        agent: head.agent.clone(),
        latency: began.elapsed(),
    };
    let moment = Moment::of(SystemTime::now());
    match &consequence {
        Consequence::Unlogged => {}
        Consequence::NewRate(rate) => traffic.set_rate(*rate),
        Consequence::Logged => logs.access(moment, &access()),
        Consequence::Failed(failure) => {
            logs.failure(moment, failure);
            logs.access(moment, &access());
        }
    }
    reply(stream, status, &body)
}

fn reply(mut stream: &TcpStream, status: u16, body: &str) -> io::Result<()> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} {}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n",
        reason(status)
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    stream.shutdown(Shutdown::Write)
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        _ => "Internal Server Error",
    }
}

/// What is used of a request's head. Contains no control characters and no quotes, so that it can't break a log line.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    method: String,
    target: String,
    agent: String,
}

impl Head {
    /// `None` for what is no HTTP/1 request.
    fn read(input: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut line = String::new();
        input.read_line(&mut line)?;
        let mut words = line.split_whitespace();
        let (Some(method), Some(target), Some(version)) = (words.next(), words.next(), words.next()) else {
            return Ok(None);
        };
        if !target.starts_with('/') || !version.starts_with("HTTP/1.") {
            return Ok(None);
        }
        let agent = read_agent(input)?;
        Ok(Some(Self {
            method: printable(method),
            target: printable(target),
            agent: printable(&agent),
        }))
    }
}

/// Reads to the end of the head, and keeps the one header that is logged.
fn read_agent(input: &mut impl BufRead) -> io::Result<String> {
    let mut agent = "-".to_owned();
    for line in input.lines() {
        let line = line?;
        match line.split_once(':') {
            None if line.is_empty() => break,
            Some((name, value)) if name.eq_ignore_ascii_case("user-agent") => value.trim().clone_into(&mut agent),
            _ => {}
        }
    }
    Ok(agent)
}

fn printable(text: &str) -> String {
    text.chars()
        .map(|character| {
            if character.is_control() || character == '"' {
                '?'
            } else {
                character
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rotation::Limits;

    fn head(text: &str) -> Option<Head> {
        Head::read(&mut text.as_bytes()).unwrap()
    }

    #[test]
    fn only_http_requests_are_understood() {
        let read = head("GET /orders/7 HTTP/1.1\r\nHost: x\r\nuser-agent: a\"b\r\n\r\n").unwrap();
        assert_eq!(
            read,
            Head {
                method: "GET".into(),
                target: "/orders/7".into(),
                agent: "a?b".into()
            }
        );
        for text in [
            "",
            "GET\r\n",
            "hello world\r\n",
            "GET / SSH-2.0\r\n",
            "GET http://x/ HTTP/1.1\r\n\r\n",
        ] {
            assert_eq!(head(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_request_is_answered_and_logged() {
        let folder = tempfile::tempdir().unwrap();
        let logs = Logs::open(folder.path(), Limits { bytes: 10_000, keep: 0 }).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::scope(|threads| {
            let worker = threads.spawn(|| {
                let (stream, peer) = listener.accept().unwrap();
                talk(&stream, peer, &logs, &Traffic::new(0.0)).unwrap();
            });
            let mut client = TcpStream::connect(address).unwrap();
            client
                .write_all(b"POST /checkout HTTP/1.1\r\nUser-Agent: test\r\n\r\n")
                .unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 500 Internal Server Error\r\n"), "{answer}");
            worker.join().unwrap();
        });
        let access = std::fs::read_to_string(folder.path().join("access.log")).unwrap();
        assert!(
            access.contains("\"POST /checkout HTTP/1.1\" 500 15 \"-\" \"test\""),
            "{access}"
        );
        let error = std::fs::read_to_string(folder.path().join("error.log")).unwrap();
        assert!(error.contains("Caused by: java.net.SocketTimeoutException"), "{error}");
    }
}
