//! The operator as a process of its own, and what the kernel says of it (`proc(5)`).

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use fleet::OPERATOR_NAMESPACE;
use jiff::Timestamp;

/// Of the clock that processor time is counted in; the same on every Linux.
const TICKS_PER_SECOND: u64 = 100;
const ANSWER: Duration = Duration::from_secs(1);

/// A running operator. It ends when this is dropped.
#[derive(Debug)]
pub struct Operator {
    child: Child,
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
        let child = Command::new(program)
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .args(["--sidecar-image", "registry.example/logshipping-sidecar:1"])
            .args(["--listen", &listen, "--poll", "off", "--log-level", "warn"])
            .args(["--lease-namespace", OPERATOR_NAMESPACE])
            .stdin(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self {
            child,
            address,
            started,
        })
    }

    /// Ends it without a warning, as a node that fails does.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Waits until it has listed everything.
    pub fn await_ready(&mut self, patience: Duration) -> Result<()> {
        let began = Instant::now();
        while !self.is_ready() {
            self.must_live()?;
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

    /// An operator that is gone measures nothing.
    pub fn must_live(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("the operator ended ({status}); what it said is above"),
            None => Ok(()),
        }
    }

    /// Processor time since its start, in user and kernel mode.
    pub fn cpu(&self) -> Result<Duration> {
        let stat = self.proc("stat")?;
        // The name in parentheses may contain anything; after it come state (3rd field) to utime (14th), stime.
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let ticks: u64 = fields
            .skip(11)
            .take(2)
            .filter_map(|field| field.parse::<u64>().ok())
            .sum();
        Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
    }

    /// Processor time since it was so much.
    pub fn cpu_since(&self, before: Duration) -> Result<Duration> {
        Ok(self.cpu()?.saturating_sub(before))
    }

    /// Resident memory now, in bytes.
    pub fn memory(&self) -> Result<u64> {
        self.status("VmRSS:")
    }

    /// The most it has had, in bytes.
    pub fn peak(&self) -> Result<u64> {
        self.status("VmHWM:")
    }

    fn status(&self, key: &str) -> Result<u64> {
        let status = self.proc("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        Ok(kibibytes.with_context(|| format!("/proc has no {key}"))? * 1024)
    }

    fn proc(&self, file: &str) -> Result<String> {
        let path = format!("/proc/{}/{file}", self.child.id());
        fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
