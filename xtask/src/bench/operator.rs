//! One operator and one fleet, measured step by step. What it asked of the API server is read from the audit log.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use cluster::audit::{Follower, Request, count};
use cluster::progress::say;
use fleet::{Fleet, OPERATOR, OWNER, Size};
use jiff::Timestamp;

use super::figures::{Figures, Idle, Injection, Reconfiguration, Restart};
use super::process::Operator;

/// How often the audit log is read.
const LOOK: Duration = Duration::from_millis(50);
/// Longer than any pause between two writes that belong together: a status is written every 5 s at most.
const QUIET: Duration = Duration::from_secs(12);
const IDLE: Duration = Duration::from_secs(60);
/// Before a change is timed: what the one before has caused is over.
const CALM: Duration = Duration::from_secs(2);
/// For everything that the operator does; a target is a tenth of it.
const PATIENCE: Duration = Duration::from_secs(1200);
/// Changes of one Deployment.
const SAMPLES: u32 = 200;

/// A fleet, and an operator that has just been started.
#[derive(Debug)]
pub struct Bench {
    program: PathBuf,
    kubeconfig: PathBuf,
    fleet: Fleet,
    operator: Operator,
    asked: Follower,
}

impl Bench {
    /// Raises the fleet and starts the operator.
    pub fn start(program: &std::path::Path, size: Size) -> Result<Self> {
        let fleet = Fleet::raise(size)?;
        say("the fleet is there; starting the operator");
        let kubeconfig = fleet.operator_kubeconfig()?;
        let asked = fleet.follow(OPERATOR)?;
        Ok(Self {
            program: program.to_owned(),
            operator: Operator::start(program, &kubeconfig)?,
            kubeconfig,
            fleet,
            asked,
        })
    }

    /// Measures all there is.
    pub fn all(mut self) -> Result<Figures> {
        let injection = self.injection()?;
        let idle = self.idle()?;
        let reconfiguration = self.reconfiguration()?;
        let latencies = self.latencies()?;
        let statuses = self.statuses()?;
        let peak = self.operator.process.peak()?;
        Ok(Figures {
            injection,
            idle,
            reconfiguration,
            latencies,
            statuses,
            peak,
            restart: self.restart()?,
        })
    }

    /// Measures the beginning only.
    pub fn inject(mut self) -> Result<Injection> {
        self.injection()
    }

    fn injection(&mut self) -> Result<Injection> {
        let size = self.fleet.size();
        let is_patch = |request: &Request| request.is("patch", "deployments") && request.has_succeeded();
        let requests = self.collect("every Deployment is patched", |requests| {
            requests.iter().filter(|request| is_patch(request)).count() >= size.deployments as usize
        })?;
        let patching = self.operator.process.cpu()?;
        say("every Deployment is patched; waiting for the rollouts");
        self.fleet.await_rollouts()?;
        let rollout_requests = self.until_quiet()?;
        let last = requests.iter().rfind(|request| is_patch(request));
        Ok(Injection {
            size,
            patched_after: between(self.operator.started, last.context("nothing was patched")?.answered),
            patching,
            requests: count(&requests),
            rollout: self.operator.cpu_since(patching)?,
            rollout_requests: count(&rollout_requests),
            peak: self.operator.process.peak()?,
        })
    }

    fn idle(&mut self) -> Result<Idle> {
        say("all is quiet; looking on for a minute");
        let (began, cpu) = (Instant::now(), self.operator.process.cpu()?);
        while began.elapsed() < IDLE {
            self.operator.process.must_live()?;
            thread::sleep(LOOK);
        }
        Ok(Idle {
            lasted: began.elapsed(),
            cpu: self.operator.cpu_since(cpu)?,
            requests: count(&self.asked.read()?),
            memory: self.operator.process.memory()?,
        })
    }

    fn reconfiguration(&mut self) -> Result<Reconfiguration> {
        say("changing the configuration of every Deployment");
        let size = self.fleet.size();
        let mut owner = self.fleet.follow(OWNER)?;
        let cpu = self.operator.process.cpu()?;
        self.fleet.reconfigure(0..size.shippings, "http://other.logging:3100")?;
        let is_nudge = |request: &Request| request.is("patch", "pods") && request.has_succeeded();
        let mut requests = self.collect("every pod is nudged", |requests| {
            requests.iter().filter(|request| is_nudge(request)).count() >= size.pods as usize
        })?;
        let nudged = requests
            .iter()
            .rfind(|request| is_nudge(request))
            .map(|request| request.answered);
        requests.append(&mut self.until_quiet()?);
        let changes = owner.read()?;
        let first = changes
            .iter()
            .find(|request| request.resource == "logshippings" && request.is_write());
        Ok(Reconfiguration {
            took: between(
                first.context("nothing was changed")?.answered,
                nudged.context("no pod was nudged")?,
            ),
            cpu: self.operator.cpu_since(cpu)?,
            requests: count(&requests),
        })
    }

    /// One Deployment after the other, with a pause.
    fn latencies(&mut self) -> Result<Vec<Duration>> {
        say(format_args!("adding {SAMPLES} Deployments, one after the other"));
        let mut latencies = (0..SAMPLES)
            .map(|number| self.latency(&format!("sample-{number}")))
            .collect::<Result<Vec<_>>>()?;
        latencies.sort_unstable();
        self.until_quiet()?;
        Ok(latencies)
    }

    fn latency(&mut self, name: &str) -> Result<Duration> {
        thread::sleep(CALM);
        let mut owner = self.fleet.follow(OWNER)?;
        self.fleet.add_deployment(name)?;
        let is_it = |request: &&Request| request.name == name && request.is("patch", "deployments");
        let requests = self.collect("the added Deployment is patched", |requests| {
            requests
                .iter()
                .any(|request| is_it(&request) && request.has_succeeded())
        })?;
        let changes = owner.read()?;
        let added = changes.iter().find(|request| request.name == name);
        let patched = requests.iter().rfind(is_it);
        match (added, patched) {
            (Some(added), Some(patched)) => Ok(between(added.answered, patched.answered)),
            _ => anyhow::bail!("{name} isn't in the audit log"),
        }
    }

    fn statuses(&self) -> Result<Vec<usize>> {
        let statuses = self.fleet.statuses()?;
        let mut sizes: Vec<_> = statuses.iter().map(|status| status.to_string().len()).collect();
        sizes.sort_unstable();
        Ok(sizes)
    }

    fn restart(mut self) -> Result<Restart> {
        say("starting the operator anew");
        self.operator.process.kill()?;
        self.asked.read()?;
        let began = Instant::now();
        self.operator = Operator::start(&self.program, &self.kubeconfig)?;
        self.operator.await_ready(PATIENCE)?;
        let ready_after = began.elapsed();
        let requests = self.until_quiet()?;
        Ok(Restart {
            ready_after,
            cpu: self.operator.process.cpu()?,
            requests: count(&requests),
            peak: self.operator.process.peak()?,
        })
    }

    /// The operator's requests until there are enough of them.
    fn collect(&mut self, what: &str, is_enough: impl Fn(&[Request]) -> bool) -> Result<Vec<Request>> {
        let (began, mut requests) = (Instant::now(), Vec::new());
        while !is_enough(&requests) {
            self.operator.process.must_live()?;
            ensure!(began.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain until {what}");
            thread::sleep(LOOK);
            requests.append(&mut self.asked.read()?);
        }
        Ok(requests)
    }

    /// The operator's requests until it hasn't written for a while.
    fn until_quiet(&mut self) -> Result<Vec<Request>> {
        let (began, mut last, mut requests) = (Instant::now(), Instant::now(), Vec::new());
        while last.elapsed() < QUIET {
            self.operator.process.must_live()?;
            ensure!(
                began.elapsed() < PATIENCE,
                "the operator writes for {PATIENCE:?} already"
            );
            thread::sleep(LOOK);
            let mut new = self.asked.read()?;
            if new.iter().any(Request::is_write) {
                last = Instant::now();
            }
            requests.append(&mut new);
        }
        Ok(requests)
    }
}

fn between(from: Timestamp, to: Timestamp) -> Duration {
    to.duration_since(from).try_into().unwrap_or(Duration::ZERO)
}
