//! A process that is measured, by what the kernel says of it (`proc(5)`). Threads are included, children are not: no agent
//! has any.

use std::fs;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use nix::time::ClockId;
use rustix::process::{Pid, Signal, kill_process};

/// A running process. It is killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// When it was started, in nanoseconds since 1970.
    pub started_at: u64,
}

impl Process {
    /// Starts it.
    pub fn start(command: &mut Command) -> Result<Self> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        Ok(Self {
            child,
            started_at: u64::try_from(since.as_nanos())?,
        })
    }

    /// Who is gone measures nothing.
    pub fn must_live(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("the process ended ({status})"),
            None => Ok(()),
        }
    }

    /// Asks it to end.
    pub fn terminate(&self) -> Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), Signal::TERM)?)
    }

    /// Ends it without a warning, as a node that fails does.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Waits for its end; none where it takes longer.
    pub fn wait(&mut self, patience: Duration) -> Result<Option<ExitStatus>> {
        let until = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            if Instant::now() >= until {
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Processor time since its start, in user and kernel mode. By the scheduler's count: the ticks in `/proc` are a sample
    /// on some kernels, which sees nothing of what sleeps when the clock ticks, and too much of what wakes up with it.
    pub fn cpu(&self) -> Result<Duration> {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id())?);
        let clock = ClockId::pid_cpu_clock_id(pid).context("the process has no clock")?;
        Ok(clock.now().context("the process' clock can't be read")?.into())
    }

    /// Resident memory now, in bytes.
    pub fn memory(&self) -> Result<u64> {
        self.status("VmRSS:")
    }

    /// The most it has had, in bytes.
    pub fn peak(&self) -> Result<u64> {
        self.status("VmHWM:")
    }

    /// How many it has open.
    pub fn descriptors(&self) -> Result<usize> {
        let folder = format!("/proc/{}/fd", self.child.id());
        Ok(fs::read_dir(&folder).with_context(|| folder.clone())?.count())
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

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
