//! Starting the program, talking to it, and counting what came out.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_logshipping-sidecar");

/// More than enough on a busy machine; a test that works never waits for it.
const DEADLINE: Duration = Duration::from_secs(60);

/// Polls until `check` gives something.
pub fn until<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A directory with logs, state and configuration, as a pod has them.
pub struct Workspace {
    dir: Arc<tempfile::TempDir>,
    versions: u32,
}

impl Workspace {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["logs", "state", "config", "refs"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        File::create(dir.path().join("termination")).unwrap();
        Self {
            dir: Arc::new(dir),
            versions: 0,
        }
    }

    /// The same directory, for whoever doesn't configure.
    pub fn beside(&self) -> Self {
        Self {
            dir: Arc::clone(&self.dir),
            versions: 0,
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn log(&self, name: &str) -> PathBuf {
        self.path("logs").join(name)
    }

    /// Appends text to a log file.
    pub fn append(&self, name: &str, text: &str) {
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(self.log(name))
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    /// One source `s` that takes `/var/log/*.log`, mounted from the logs' directory.
    pub fn source(&self) -> Value {
        serde_json::json!({
            "name": "s",
            "paths": ["/var/log/*.log"],
            "mounts": [{"path": "/var/log", "at": self.path("logs")}],
        })
    }

    pub fn pipeline(&self, name: &str, destination: &Value) -> Value {
        serde_json::json!({
            "name": name, "revision": format!("{name}-1"), "sources": [self.source()], "destinations": [destination],
        })
    }

    pub fn configure(&mut self, pipelines: &[Value]) {
        let config = serde_json::json!({"version": 1, "pipelines": pipelines});
        self.configure_text(&config.to_string());
    }

    /// Writes a configuration as the kubelet does: a new directory, then a flip of `..data`.
    pub fn configure_text(&mut self, text: &str) {
        self.mount("config", "config.json", text);
    }

    /// A Secret with one key, below the program's directory of references.
    pub fn secret(&mut self, name: &str, key: &str, value: &str) {
        let folder = format!("refs/secrets/{name}");
        fs::create_dir_all(self.path(&folder)).unwrap();
        self.mount(&folder, key, value);
    }

    fn mount(&mut self, folder: &str, key: &str, text: &str) {
        let folder = self.path(folder);
        self.versions += 1;
        let version = format!("..{}", self.versions);
        fs::create_dir(folder.join(&version)).unwrap();
        fs::write(folder.join(&version).join(key), text).unwrap();
        symlink(&version, folder.join("..data_tmp")).unwrap();
        fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
        if !folder.join(key).is_symlink() {
            symlink(format!("..data/{key}"), folder.join(key)).unwrap();
        }
    }

    /// Everything that the program said about itself so far, over all its starts.
    pub fn log_lines(&self) -> String {
        fs::read_to_string(self.path("err")).unwrap_or_default()
    }

    /// Everything that the program wrote to its standard output so far, over all its starts.
    pub fn output(&self) -> String {
        fs::read_to_string(self.path("out")).unwrap_or_default()
    }
}

/// The running program; killed when dropped.
pub struct Sidecar {
    child: Child,
    address: SocketAddr,
}

impl Sidecar {
    pub fn start(workspace: &Workspace) -> Self {
        Self::spawn(workspace, Command::new(PROGRAM))
    }

    /// Runs it by another program, which must replace itself.
    pub fn start_under(workspace: &Workspace, words: &[&str]) -> Self {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).arg(PROGRAM);
        Self::spawn(workspace, command)
    }

    fn spawn(workspace: &Workspace, command: Command) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        Self::spawn_at(address, workspace, command)
    }

    /// Which may be taken.
    pub fn start_at(address: SocketAddr, workspace: &Workspace) -> Self {
        Self::spawn_at(address, workspace, Command::new(PROGRAM))
    }

    fn spawn_at(address: SocketAddr, workspace: &Workspace, mut command: Command) -> Self {
        let append = |name: &str| {
            let path = workspace.path(name);
            OpenOptions::new().append(true).create(true).open(path).unwrap()
        };
        command
            .args(["run", "--listen", &address.to_string()])
            .arg("--config")
            .arg(workspace.path("config"))
            .arg("--state")
            .arg(workspace.path("state"))
            .arg("--refs-dir")
            .arg(workspace.path("refs"))
            .arg("--termination-message")
            .arg(workspace.path("termination"))
            .stdin(Stdio::null())
            .stdout(append("out"))
            .stderr(append("err"));
        Self {
            child: command.spawn().unwrap(),
            address,
        }
    }

    /// As the user of the image; only root can ask for that.
    pub fn start_as(workspace: &Workspace, user: u32) -> Self {
        let mut command = Command::new(PROGRAM);
        command.uid(user).gid(user);
        Self::spawn(workspace, command)
    }

    /// Status code and body of a GET; `None` while nobody listens.
    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect_timeout(&self.address, DEADLINE).ok()?;
        stream.set_read_timeout(Some(DEADLINE)).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    }

    pub fn report(&self) -> Option<Value> {
        serde_json::from_str(&self.get("/status")?.1).ok()
    }

    /// Polls the report until it is as wanted.
    pub fn report_until(&self, what: &str, mut check: impl FnMut(&Value) -> bool) -> Value {
        until(what, || self.report().filter(|report| check(report)))
    }

    /// How many descriptors the program has of a file.
    pub fn descriptors_of(&self, path: &Path) -> usize {
        let entries = fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap();
        let targets = entries.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
        targets.filter(|target| target == path).count()
    }

    /// The most memory that it ever had in use, in KiB.
    pub fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        line.unwrap().trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// How many of its descriptors are of files below this directory.
    pub fn descriptors_below(&self, directory: &Path) -> usize {
        let folder = format!("/proc/{}/fd", self.child.id());
        let links = fs::read_dir(folder)
            .unwrap()
            .flatten()
            .map(|entry| fs::read_link(entry.path()));
        links.flatten().filter(|target| target.starts_with(directory)).count()
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    pub fn wait(mut self) -> ExitStatus {
        until("the end of the process", || self.child.try_wait().unwrap())
    }

    pub fn terminate(self) -> ExitStatus {
        self.signal(rustix::process::Signal::TERM);
        self.wait()
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The destination `name` of the report's first pipeline.
pub fn destination<'a>(report: &'a Value, name: &str) -> &'a Value {
    let destinations = report["pipelines"][0]["destinations"].as_array();
    destinations
        .and_then(|list| list.iter().find(|known| known["name"] == name))
        .unwrap_or(&Value::Null)
}

/// `discovered = acknowledged + filtered + dropped + pending`, for every destination.
pub fn assert_balanced(report: &Value) {
    for pipeline in report["pipelines"].as_array().unwrap() {
        for destination in pipeline["destinations"].as_array().unwrap() {
            let bytes = |name: &str| destination[name].as_u64().unwrap();
            let settled = bytes("acknowledgedBytes") + bytes("filteredBytes") + bytes("droppedBytes");
            assert_eq!(
                bytes("discoveredBytes"),
                settled + bytes("pendingBytes"),
                "{destination}"
            );
        }
    }
}

/// A line with a number that [`Arrived`] finds again.
pub fn numbered(number: u64) -> String {
    format!("line {number:08} {}\n", "x".repeat(80))
}

/// Which numbered lines came out, and how often.
#[derive(Default)]
pub struct Arrived(BTreeMap<u64, u64>);

impl Arrived {
    pub fn of(lines: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let mut arrived = Self::default();
        for line in lines {
            let number = line
                .as_ref()
                .strip_prefix("line ")
                .and_then(|rest| rest.get(..8)?.parse().ok());
            let number = number.unwrap_or_else(|| panic!("not one of ours: {:?}", line.as_ref()));
            *arrived.0.entry(number).or_default() += 1;
        }
        arrived
    }

    pub fn count(&self) -> u64 {
        self.0.len() as u64
    }

    pub fn has(&self, number: u64) -> bool {
        self.0.contains_key(&number)
    }

    pub fn missing(&self, total: u64) -> Vec<u64> {
        (0..total)
            .filter(|number| !self.0.contains_key(number))
            .take(10)
            .collect()
    }

    pub fn duplicates(&self) -> u64 {
        self.0.values().map(|count| count - 1).sum()
    }
}

/// Waits until the program's output has so many lines.
pub fn lines_out(workspace: &Workspace, count: usize) -> Vec<String> {
    until(&format!("{count} lines on standard output"), || {
        let output = workspace.output();
        (output.lines().count() >= count).then(|| output.lines().map(str::to_owned).collect())
    })
}

pub fn stdout() -> Value {
    serde_json::json!({"name": "out", "stdout": {}})
}

/// Everything below `directory` may be used by anyone.
pub fn open_to_all(directory: &Path) {
    use std::os::unix::fs::PermissionsExt;
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            open_to_all(&path);
        } else {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        }
    }
    fs::set_permissions(directory, fs::Permissions::from_mode(0o777)).unwrap();
}
