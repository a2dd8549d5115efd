//! The program under test: started, killed, stopped, ended, told of another configuration.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::configuration::{Configuration, DRAIN_SECONDS};
use crate::ground::Ground;
use crate::journal::Drained;
use crate::receiver::Receiver;
use crate::report::{self, Observer};
use crate::scenario::{ProcessLimits, Reload, Scenario};

/// How long it may take to end.
const END: Duration = Duration::from_secs(20);
/// A process that ends so long before its time for draining is over has delivered everything.
const EARLY: Duration = Duration::from_millis(200);
/// Between two configurations of a storm.
const STORM: Duration = Duration::from_millis(30);

#[derive(Debug)]
pub(crate) struct Sidecar {
    child: Child,
    start: Start,
    configuration: Configuration,
    observer: Observer,
    /// Whether each process that was asked to end did so, with success.
    ended_well: bool,
}

#[derive(Debug)]
struct Start {
    program: PathBuf,
    arguments: Vec<String>,
    address: SocketAddr,
    limits: ProcessLimits,
    /// What starts it where its paths hold.
    entrance: Vec<String>,
    errors: PathBuf,
}

/// What the sidecar says of itself at the end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// None where it couldn't be asked.
    pub(crate) report: Option<Value>,
    /// Reports in which an account didn't balance.
    pub(crate) unbalanced: Vec<String>,
    pub(crate) ended_well: bool,
    /// The revision that it should run.
    pub(crate) revision: String,
    /// What it said on standard error and shouldn't have.
    pub(crate) defects: Vec<String>,
}

impl Sidecar {
    pub(crate) fn start(
        program: &Path,
        address: SocketAddr,
        (ground, receivers, scenario): (&Ground, &[Receiver], &Scenario),
    ) -> Self {
        let configuration = Configuration::new(ground, receivers, scenario);
        let arguments = [
            ("--config", configuration.directory().to_owned()),
            ("--state", ground.inside("state")),
            ("--termination-message", ground.own("termination")),
        ];
        let arguments = arguments.map(|(flag, path)| [flag.to_owned(), path.display().to_string()]);
        let start = Start {
            // Its mount namespace has a working directory of its own.
            program: std::path::absolute(program).expect("a working directory"),
            arguments: arguments.concat(),
            address,
            limits: scenario.limits,
            entrance: ground.entrance().unwrap_or_default(),
            errors: ground.own("errors"),
        };
        Self {
            child: start.spawn(),
            observer: Observer::start(address),
            start,
            configuration,
            ended_well: true,
        }
    }

    pub(crate) fn kill_and_start(&mut self) {
        self.child.kill().expect("a signal to a child of ours");
        self.child.wait().expect("a killed process ends");
        self.child = self.start.spawn();
        self.wait_until_it_works();
    }

    pub(crate) fn terminate_and_start(&mut self) -> Drained {
        let began = Instant::now();
        self.signal(Signal::TERM);
        self.wait();
        let drained = if began.elapsed() + EARLY < Duration::from_secs(DRAIN_SECONDS) {
            Drained::Completely
        } else {
            Drained::InPart
        };
        self.child = self.start.spawn();
        self.wait_until_it_works();
        drained
    }

    pub(crate) fn stop_for(&mut self, time: Duration) {
        self.signal(Signal::STOP);
        std::thread::sleep(time);
        self.signal(Signal::CONT);
        self.wait_until_it_works();
    }

    pub(crate) fn reload(&mut self, what: Reload, times: u32) {
        for _ in 0..times {
            self.configuration.change(what);
            std::thread::sleep(STORM);
        }
        if what == Reload::Refused {
            self.configuration.repair();
        }
    }

    fn wait_until_it_works(&self) {
        let until = Instant::now() + END;
        let is_starting = |report: Value| report["state"] == "starting";
        while report::get(self.start.address).is_none_or(is_starting) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until the last good configuration runs and nothing is pending; whether it came to that.
    pub(crate) fn settle(&self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        let mut quiet_since = None;
        while Instant::now() < until {
            let report = report::get(self.start.address).unwrap_or_default();
            let is_current = report::revision(&report) == Some(self.configuration.revision());
            if is_current && report::pending(&report) == Some(0) {
                // What was written last may not have been seen yet.
                let since = *quiet_since.get_or_insert_with(Instant::now);
                if since.elapsed() > Duration::from_millis(1_500) {
                    return true;
                }
            } else {
                quiet_since = None;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        false
    }

    pub(crate) fn end(mut self) -> Told {
        let report = report::get(self.start.address);
        let unbalanced = self.observer.end();
        self.signal(Signal::TERM);
        self.wait();
        Told {
            report,
            unbalanced,
            ended_well: self.ended_well,
            revision: self.configuration.revision().to_owned(),
            defects: defects(&self.start.errors),
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("a signal to a child of ours");
    }

    /// Notes whether it ended with success, and in time.
    fn wait(&mut self) {
        let until = Instant::now() + END;
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait().expect("a child of ours") {
                self.ended_well &= status.success();
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.ended_well = false;
        self.child.kill().expect("a signal to a child of ours");
        self.child.wait().expect("a killed process ends");
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Start {
    fn spawn(&self) -> Child {
        // Each of these programs replaces itself by the next, so the child is the sidecar.
        let mut words = self.entrance.clone();
        words.extend(self.limits.words().into_iter().map(str::to_owned));
        words.push(self.program.display().to_string());
        let errors = File::options().append(true).create(true).open(&self.errors);
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .arg("run")
            .args(&self.arguments)
            .args(["--listen", &self.address.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors.expect("a file for its log"));
        command.spawn().expect("the sidecar's program")
    }
}

impl ProcessLimits {
    /// The command that starts another under this limit. Root's power over files is taken away where it can be, so
    /// that what mustn't be read can't be read. Limits on inotify are those of a user namespace.
    fn words(self) -> Vec<&'static str> {
        const IN_NAMESPACE: [&str; 5] = ["unshare", "--user", "--map-root-user", "sh", "-c"];
        const POWERLESS: [&str; 4] = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--"];
        let in_namespace = |script| [&IN_NAMESPACE[..], &[script, "sh"], &POWERLESS].concat();
        let powerless = if rustix::process::geteuid().is_root() {
            POWERLESS.to_vec()
        } else {
            Vec::new()
        };
        match self {
            Self::None => powerless,
            Self::FewDescriptors => [&["prlimit", "--nofile=64:64"][..], &powerless].concat(),
            Self::NoInotify => in_namespace("echo 0 > /proc/sys/user/max_inotify_instances && exec \"$@\""),
            Self::FewWatches => in_namespace("echo 1 > /proc/sys/user/max_inotify_watches && exec \"$@\""),
        }
    }
}

/// Lines of its log that speak of a defect, or of a panic.
fn defects(log: &Path) -> Vec<String> {
    let log = fs::read(log).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let is_defect = |line: &&str| line.contains("a defect") || line.contains("panicked");
    log.lines().filter(is_defect).take(3).map(str::to_owned).collect()
}
