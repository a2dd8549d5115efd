//! The pinned kubectl as tests use it: in one namespace, failing with kubectl's own words.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cluster::audit::{Follower, Request};
use cluster::control_plane::ControlPlane;
use serde_json::Value;

/// A namespace of a test. It is deleted, without waiting, when the value is dropped.
#[derive(Debug)]
pub struct Namespace {
    program: PathBuf,
    kubeconfig: PathBuf,
    name: String,
    audit_log: PathBuf,
}

/// A port of a pod. It is closed when the value is dropped.
#[derive(Debug)]
pub struct Forward {
    child: Child,
    /// kubectl ends when it can't write.
    _output: Option<BufReader<ChildStdout>>,
    pub address: SocketAddr,
}

impl Drop for Forward {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

static COUNT: AtomicU32 = AtomicU32::new(1);

impl Namespace {
    /// Makes a namespace whose name begins with `prefix`, and waits until pods can be created in it.
    ///
    /// # Panics
    /// When the API server refuses.
    pub fn create(control_plane: &ControlPlane, prefix: &str) -> Self {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let program = cluster::tools::ensure("kubectl").unwrap_or_else(|error| panic!("no kubectl: {error}"));
        let namespace = Self {
            program,
            kubeconfig: control_plane.kubeconfig().to_owned(),
            name: format!("{prefix}-{}-{number}", std::process::id()),
            audit_log: control_plane.audit_log().to_owned(),
        };
        namespace.run(&["create", "namespace", &namespace.name]);
        crate::wait::until("the namespace has its ServiceAccount", Duration::from_secs(30), || {
            namespace.try_run(&["get", "serviceaccount", "default"]).ok()
        });
        namespace
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn kubeconfig(&self) -> &PathBuf {
        &self.kubeconfig
    }

    /// What a user has asked to change in it so far, also what was refused or changed nothing.
    ///
    /// # Panics
    /// When there is no audit log.
    pub fn changes_by(&self, user: &str) -> Vec<Request> {
        let mut log = Follower::of_all(self.audit_log.clone(), user).within(&self.name);
        let mut requests = log.read().unwrap_or_else(|error| panic!("{error}"));
        requests.retain(Request::asks_for_a_change);
        requests
    }

    /// kubectl with the namespace set and nothing else.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .env("KUBECONFIG", &self.kubeconfig)
            .args(["--namespace", &self.name])
            .args(arguments)
            .stdin(Stdio::null());
        command
    }

    /// Runs kubectl and returns what it printed.
    ///
    /// # Panics
    /// When it fails, with its words.
    pub fn run(&self, arguments: &[&str]) -> String {
        self.try_run(arguments)
            .unwrap_or_else(|error| panic!("kubectl {}: {error}", arguments.join(" ")))
    }

    /// Runs kubectl.
    ///
    /// # Errors
    /// What it printed on standard error.
    pub fn try_run(&self, arguments: &[&str]) -> Result<String, String> {
        outcome(self.command(arguments).output())
    }

    /// Applies a manifest as its owner would.
    ///
    /// # Panics
    /// When it is refused.
    pub fn apply(&self, manifest: &str) -> String {
        self.feed(&["apply", "--filename", "-"], manifest)
            .unwrap_or_else(|error| panic!("kubectl apply: {error}\n{manifest}"))
    }

    /// Runs kubectl with `input` on its standard input.
    ///
    /// # Errors
    /// What it printed on standard error.
    pub fn feed(&self, arguments: &[&str], input: &str) -> Result<String, String> {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes()).map_err(|error| error.to_string())?;
        }
        outcome(child.wait_with_output())
    }

    /// Makes a port of an object's pod one of this machine, until the value is dropped.
    ///
    /// # Panics
    /// When kubectl can't.
    pub fn forward(&self, object: &str, port: u16) -> Forward {
        let mut command = self.command(&["port-forward", object, &format!(":{port}")]);
        let child = command.stdout(Stdio::piped()).spawn();
        let mut child = child.unwrap_or_else(|error| panic!("kubectl doesn't start: {error}"));
        let mut output = child.stdout.take().map(BufReader::new);
        let mut line = String::new();
        // What isn't read is no address.
        let _ = output.as_mut().map(|output| output.read_line(&mut line));
        let address = line.trim_start_matches("Forwarding from ").split(" -> ").next();
        let address = address.and_then(|address| address.parse().ok());
        Forward {
            child,
            _output: output,
            address: address.unwrap_or_else(|| panic!("kubectl forwards nothing: {line}")),
        }
    }

    /// As [`Self::feed`], again where a controller was faster: `kubectl replace` reads before it writes.
    ///
    /// # Errors
    /// What it printed on standard error.
    ///
    /// # Panics
    /// When somebody is faster all the time.
    pub fn feed_again(&self, arguments: &[&str], input: &str) -> Result<String, String> {
        crate::wait::until("the write is answered", Duration::from_secs(15), || {
            let answer = self.feed(arguments, input);
            let overtaken = matches!(&answer, Err(error) if error.contains("the object has been modified"));
            (!overtaken).then_some(answer)
        })
    }

    /// An object as JSON; none when there is no such object.
    ///
    /// # Panics
    /// When kubectl fails otherwise.
    pub fn get(&self, kind: &str, name: &str) -> Option<Value> {
        let text = self.run(&[
            "get",
            kind,
            name,
            "--output=json",
            "--ignore-not-found",
            "--show-managed-fields",
        ]);
        (!text.trim().is_empty()).then(|| parse(&text))
    }

    /// Objects by label selector.
    ///
    /// # Panics
    /// When kubectl fails.
    pub fn list(&self, kind: &str, selector: &str) -> Vec<Value> {
        let selector = format!("--selector={selector}");
        match parse(&self.run(&["get", kind, &selector, "--output=json"]))
            .get_mut("items")
            .map(Value::take)
        {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        }
    }

    /// A condition of a LogShipping as `status reason: message`; empty where there is none.
    pub fn condition(&self, shipping: &str, kind: &str) -> String {
        let Some(object) = self.get("logshipping", shipping) else {
            return String::new();
        };
        let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let found = conditions.iter().find(|condition| condition["type"] == kind);
        let text = |condition: &Value, key: &str| condition[key].as_str().unwrap_or_default().to_owned();
        found
            .map(|one| {
                format!(
                    "{} {}: {}",
                    text(one, "status"),
                    text(one, "reason"),
                    text(one, "message")
                )
            })
            .unwrap_or_default()
    }
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("kubectl printed no JSON: {error}\n{text}"))
}

fn outcome(output: std::io::Result<Output>) -> Result<String, String> {
    let output = output.map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(format!("{}{}", text(&output.stderr), text(&output.stdout)))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.try_run(&["delete", "namespace", &self.name, "--wait=false"]);
    }
}
