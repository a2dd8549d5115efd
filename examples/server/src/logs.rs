//! `access.log` and `error.log`: what their lines look like, and the numbering of lines.
//!
//! Every line of both files ends with ` seq=<n>`, counted from 1 in each file by this process, so that a test can tell
//! a missing line and a doubled one. A real application would not do that; all else is as one sees it in production.

use std::fmt::Write;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Moment;
use crate::rotation::{Limits, RotatingFile};

/// One answered request, as the access log tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Address of the client.
    pub client: String,
    /// Method and target, as in `GET /orders/7`.
    pub request: String,
    /// Status of the answer.
    pub status: u16,
    /// Length of the answer's body in bytes.
    pub bytes: usize,
    /// What the client calls itself.
    pub agent: String,
    /// How long the answer took.
    pub latency: Duration,
}

/// A failure with the stack trace that Java would print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The thread that failed.
    pub thread: String,
    /// What was being done.
    pub message: String,
    /// The exception, its frames and its causes, a line each.
    pub trace: Vec<String>,
}

/// Both logs; shared by all threads.
#[derive(Debug)]
pub struct Logs {
    access: Mutex<NumberedLog>,
    error: Mutex<NumberedLog>,
    complained: AtomicBool,
}

#[derive(Debug)]
struct NumberedLog {
    file: RotatingFile,
    last: u64,
}

impl Logs {
    /// Opens both files in a folder.
    pub fn open(folder: &Path, limits: Limits) -> io::Result<Self> {
        let open = |name: &str| {
            let file = RotatingFile::open(folder.join(name), limits)?;
            Ok::<_, io::Error>(Mutex::new(NumberedLog { file, last: 0 }))
        };
        Ok(Self {
            access: open("access.log")?,
            error: open("error.log")?,
            complained: AtomicBool::new(false),
        })
    }

    /// Writes one line to the access log.
    pub fn access(&self, moment: Moment, access: &Access) {
        let lines = [access_line(moment, access)];
        self.complain_once("access.log", locked(&self.access).write(&lines));
    }

    /// Writes a failure with its stack trace to the error log.
    pub fn failure(&self, moment: Moment, failure: &Failure) {
        let mut lines = vec![error_line(moment, "ERROR", &failure.thread, &failure.message)];
        lines.extend(failure.trace.iter().cloned());
        self.complain_once("error.log", locked(&self.error).write(&lines));
    }

    /// Writes a single line to the error log, about the server itself.
    pub fn notice(&self, moment: Moment, message: &str) {
        let lines = [error_line(moment, "INFO ", "main", message)];
        self.complain_once("error.log", locked(&self.error).write(&lines));
    }

    /// A server whose disk is full serves on, and says so once.
    fn complain_once(&self, name: &str, result: io::Result<()>) {
        match result {
            Ok(()) => self.complained.store(false, Ordering::Relaxed),
            Err(error) if !self.complained.swap(true, Ordering::Relaxed) => {
                eprintln!("cannot write {name}: {error}; serving on, lines are being lost");
            }
            Err(_) => {}
        }
    }
}

impl NumberedLog {
    fn write(&mut self, lines: &[String]) -> io::Result<()> {
        let mut record = String::with_capacity(lines.iter().map(|line| line.len() + 16).sum());
        for line in lines {
            self.last += 1;
            let _ = writeln!(record, "{line} seq={}", self.last);
        }
        self.file.write(&record)
    }
}

/// A thread that panicked while writing leaves at worst an unfinished line behind.
fn locked(log: &Mutex<NumberedLog>) -> MutexGuard<'_, NumberedLog> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Combined Log Format, and the latency in milliseconds after it, as Tomcat's `%D` adds it.
fn access_line(moment: Moment, access: &Access) -> String {
    let Access {
        client,
        request,
        status,
        bytes,
        agent,
        latency,
    } = access;
    let time = moment.common_log();
    let milliseconds = latency.as_millis();
    format!("{client} - - [{time}] \"{request} HTTP/1.1\" {status} {bytes} \"-\" \"{agent}\" {milliseconds}ms")
}

fn error_line(moment: Moment, level: &str, thread: &str, message: &str) -> String {
    format!(
        "{} {level} [{thread}] dev.logshipping.shop.Server : {message}",
        moment.rfc3339()
    )
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn moment() -> Moment {
        Moment::of(SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_416_569_123))
    }

    #[test]
    fn an_access_line_is_combined_log_format_with_latency_and_number() {
        let folder = tempfile::tempdir().unwrap();
        let logs = Logs::open(folder.path(), Limits { bytes: 1_000, keep: 1 }).unwrap();
        let access = Access {
            client: "203.0.113.7".to_owned(),
            request: "GET /orders/7".to_owned(),
            status: 200,
            bytes: 18,
            agent: "curl/8.5.0".to_owned(),
            latency: Duration::from_micros(12_900),
        };
        logs.access(moment(), &access);
        logs.access(moment(), &access);
        let line =
            "203.0.113.7 - - [23/Nov/2026:06:49:29 +0000] \"GET /orders/7 HTTP/1.1\" 200 18 \"-\" \"curl/8.5.0\" 12ms";
        let written = std::fs::read_to_string(folder.path().join("access.log")).unwrap();
        assert_eq!(written, format!("{line} seq=1\n{line} seq=2\n"));
    }

    #[test]
    fn a_failure_is_one_record_of_several_numbered_lines() {
        let folder = tempfile::tempdir().unwrap();
        let logs = Logs::open(folder.path(), Limits { bytes: 100, keep: 9 }).unwrap();
        let failure = Failure {
            thread: "http-3".to_owned(),
            message: "GET /fail failed".to_owned(),
            trace: vec![
                "java.lang.Error: x".to_owned(),
                "\tat shop.Till.pay(Till.java:7)".to_owned(),
            ],
        };
        logs.notice(moment(), "started");
        logs.failure(moment(), &failure);
        let written = std::fs::read_to_string(folder.path().join("error.log")).unwrap();
        let expected = "2026-11-23T06:49:29.123Z ERROR [http-3] dev.logshipping.shop.Server : GET /fail failed seq=2\n\
            java.lang.Error: x seq=3\n\
            \tat shop.Till.pay(Till.java:7) seq=4\n";
        assert_eq!(written, expected);
        assert!(
            folder.path().join("error.log.1").exists(),
            "a stack trace is not split over two files"
        );
    }
}
