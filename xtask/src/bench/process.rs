//! The operator as a measured process of its own.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bench::process::Process;
use fleet::OPERATOR_NAMESPACE;
use jiff::Timestamp;

const ANSWER: Duration = Duration::from_secs(1);

/// A running operator. It ends when this is dropped.
#[derive(Debug)]
pub struct Operator {
    pub process: Process,
    address: SocketAddr,
    /// When it was started.
    pub started: Timestamp,
}

impl Operator {
    /// Starts it; it warns on standard error.
    pub fn start(program: &Path, kubeconfig: &Path) -> Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let listen = address.to_string();
        let started = Timestamp::now();
        let mut command = Command::new(program);
        command
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .args(["--sidecar-image", "registry.example/logshipping-sidecar:1"])
            .args(["--listen", &listen, "--poll", "off", "--log-level", "warn"])
            .args(["--lease-namespace", OPERATOR_NAMESPACE])
            .stdin(Stdio::null());
        Ok(Self {
            process: Process::start(&mut command)?,
            address,
            started,
        })
    }

    /// Waits until it has listed everything.
    pub fn await_ready(&mut self, patience: Duration) -> Result<()> {
        let began = Instant::now();
        while !self.is_ready() {
            self.process.must_live()?;
            ensure!(
                began.elapsed() < patience,
                "the operator isn't ready after {patience:?}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn is_ready(&self) -> bool {
        let ask = || -> io::Result<String> {
            let mut stream = TcpStream::connect_timeout(&self.address, ANSWER)?;
            stream.set_read_timeout(Some(ANSWER))?;
            stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: operator\r\nconnection: close\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
    }

    /// Processor time since it was so much.
    pub fn cpu_since(&self, before: Duration) -> Result<Duration> {
        Ok(self.process.cpu()?.saturating_sub(before))
    }
}
