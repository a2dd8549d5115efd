//! The program under test: started, killed, stopped, ended.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::ground::Ground;
use crate::receiver::Receiver;
use crate::scenario::{ProcessLimits, Scenario};

/// How long it may take to end.
const END: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(crate) struct Sidecar {
    child: Child,
    start: Start,
}

#[derive(Debug)]
struct Start {
    program: PathBuf,
    arguments: Vec<String>,
    address: SocketAddr,
    limits: ProcessLimits,
    errors: PathBuf,
}

/// What the sidecar says of itself at the end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    pub(crate) pending: u64,
    pub(crate) dropped: Value,
    pub(crate) balanced: bool,
    pub(crate) ended_well: bool,
}

impl Sidecar {
    pub(crate) fn start(program: &Path, ground: &Ground, receiver: &Receiver, scenario: &Scenario) -> Self {
        let config = ground.own("config.json");
        fs::write(&config, configuration(ground, receiver, scenario).to_string()).expect("a configuration");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
        let address = listener.local_addr().expect("its address");
        let state = ground.state();
        let arguments = [
            ("--config", config),
            ("--state", state),
            ("--termination-message", ground.own("termination")),
        ];
        let arguments = arguments.map(|(flag, path)| [flag.to_owned(), path.display().to_string()]);
        let start = Start {
            program: program.to_owned(),
            arguments: arguments.concat(),
            address,
            limits: scenario.limits,
            errors: ground.own("errors"),
        };
        Self {
            child: start.spawn(),
            start,
        }
    }

    pub(crate) fn kill_and_start(&mut self) {
        self.signal(Signal::KILL);
        self.child.wait().expect("a killed process ends");
        self.child = self.start.spawn();
        self.wait_until_it_works();
    }

    pub(crate) fn terminate_and_start(&mut self) {
        self.signal(Signal::TERM);
        self.wait();
        self.child = self.start.spawn();
        self.wait_until_it_works();
    }

    pub(crate) fn stop_for(&mut self, time: Duration) {
        self.signal(Signal::STOP);
        std::thread::sleep(time);
        self.signal(Signal::CONT);
        self.wait_until_it_works();
    }

    fn wait_until_it_works(&self) {
        let until = Instant::now() + END;
        while self.report().is_none_or(|report| report["state"] == "starting") && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until nothing is pending; whether it came to that.
    pub(crate) fn settle(&self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        let mut quiet_since = None;
        while Instant::now() < until {
            let pending = self.report().map(|report| bytes(&report, "pendingBytes"));
            if pending == Some(0) {
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
        let report = self.report().unwrap_or_default();
        self.signal(Signal::TERM);
        let settled =
            bytes(&report, "acknowledgedBytes") + bytes(&report, "filteredBytes") + bytes(&report, "droppedBytes");
        Told {
            pending: bytes(&report, "pendingBytes"),
            dropped: destination(&report)["droppedRecords"].clone(),
            balanced: bytes(&report, "discoveredBytes") == settled + bytes(&report, "pendingBytes"),
            ended_well: self.wait(),
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("a signal to a child of ours");
    }

    /// Whether it ended with success, and in time.
    fn wait(&mut self) -> bool {
        let until = Instant::now() + END;
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait().expect("a child of ours") {
                return status.success();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.child.kill().expect("a signal to a child of ours");
        self.child.wait().expect("a killed process ends");
        false
    }

    fn report(&self) -> Option<Value> {
        let patience = Duration::from_secs(5);
        let mut stream = TcpStream::connect_timeout(&self.start.address, patience).ok()?;
        stream.set_read_timeout(Some(patience)).ok()?;
        write!(stream, "GET /status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
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
        let mut command = match self.limits {
            ProcessLimits::None => Command::new(&self.program),
            ProcessLimits::FewDescriptors => {
                let mut command = Command::new("prlimit");
                command.arg("--nofile=64:64").arg(&self.program);
                command
            }
        };
        let errors = File::options().append(true).create(true).open(&self.errors);
        command
            .arg("run")
            .args(&self.arguments)
            .args(["--listen", &self.address.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors.expect("a file for its log"));
        command.spawn().expect("the sidecar's program")
    }
}

fn configuration(ground: &Ground, receiver: &Receiver, scenario: &Scenario) -> Value {
    json!({"version": 1, "sidecar": {"drainTimeout": "2s"}, "pipelines": [{
        "name": "chaos/logs", "revision": "logs-1",
        "sources": [{
            "name": "app", "paths": ["/var/log/*.log*"], "startAt": "Beginning",
            "mounts": [{"path": "/var/log", "at": ground.logs()}],
        }],
        "destinations": [{
            "name": "out", "http": {"url": receiver.url()}, "timeout": "2s",
            "batch": {"maxBytes": scenario.batch_bytes},
            "retry": {"initialBackoff": "20ms", "maxBackoff": "500ms"},
        }],
    }]})
}

fn destination(report: &Value) -> &Value {
    &report["pipelines"][0]["destinations"][0]
}

fn bytes(report: &Value, name: &str) -> u64 {
    // A sidecar that has no configuration yet has nothing settled.
    destination(report)[name].as_u64().unwrap_or(u64::MAX / 8)
}
