//! The receiver as seen from the benchmark: a child process that is asked and told by HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::counter::{Counts, Round};

/// For an answer to an order.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running receiver. It ends when this is dropped.
#[derive(Debug)]
pub struct Receiver {
    child: Child,
    port: u16,
    tls_port: Option<u16>,
}

impl Receiver {
    /// Starts the program `bench` as a receiver.
    pub fn start(program: &Path) -> Result<Self> {
        Self::spawn(Command::new(program).arg("receive").stdin(Stdio::null())).map(|(receiver, _)| receiver)
    }

    /// Also takes lines from a pipe, which is returned.
    pub fn start_with_pipe(program: &Path) -> Result<(Self, ChildStdin)> {
        let mut command = Command::new(program);
        let (mut receiver, _) = Self::spawn(command.args(["receive", "--stdin"]).stdin(Stdio::piped()))?;
        let pipe = receiver.child.stdin.take().context("a pipe was asked for")?;
        Ok((receiver, pipe))
    }

    /// Also takes requests by TLS, and writes the authority to trust to a file.
    pub fn start_with_tls(program: &Path, authority: &Path) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(["receive", "--tls"]).arg(authority).stdin(Stdio::null());
        let (mut receiver, mut stdout) = Self::spawn(&mut command)?;
        receiver.tls_port = Some(read_port(&mut stdout)?);
        Ok(receiver)
    }

    fn spawn(command: &mut Command) -> Result<(Self, BufReader<ChildStdout>)> {
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the receiver")?;
        let mut stdout = BufReader::new(child.stdout.take().context("a pipe was asked for")?);
        let port = read_port(&mut stdout)?;
        let receiver = Self {
            child,
            port,
            tls_port: None,
        };
        Ok((receiver, stdout))
    }

    /// Where agents send to, on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.tls_port.unwrap_or(self.port)
    }

    /// Forgets what was counted and counts anew.
    pub fn begin(&self, round: &Round) -> Result<()> {
        self.ask("POST", "/round", &serde_json::to_string(round)?).map(drop)
    }

    /// What was counted since.
    pub fn counts(&self) -> Result<Counts> {
        Ok(serde_json::from_str(&self.ask("GET", "/counts", "")?)?)
    }

    /// From being written to being answered, in nanoseconds, shortest first.
    pub fn latencies(&self) -> Result<Vec<u64>> {
        let mut latencies: Vec<u64> = serde_json::from_str(&self.ask("GET", "/latencies", "")?)?;
        latencies.sort_unstable();
        Ok(latencies)
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: receiver\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("the receiver gave no answer")?;
        ensure!(head.starts_with("HTTP/1.1 20"), "the receiver answered {head}");
        Ok(body.to_owned())
    }
}

fn read_port(stdout: &mut impl BufRead) -> Result<u16> {
    let mut line = String::new();
    stdout.read_line(&mut line)?;
    line.trim().parse().context("the receiver doesn't tell its port")
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
