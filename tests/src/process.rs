//! The operator's own program, as processes that a test may kill.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};

use crate::chart::RELEASE;
use crate::in_process::{SIDECAR_IMAGE, control_plane, fetch, free_address, identity};
use crate::kubectl::Namespace;
use crate::wait;

/// A running operator. It is killed when it is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    address: SocketAddr,
    log: PathBuf,
}

impl Process {
    /// Starts it in a namespace, with more flags. Later ones win.
    ///
    /// # Panics
    /// When it doesn't start.
    pub fn start(namespace: &Namespace, flags: &[&str]) -> Self {
        Self::start_as(&identity(), namespace, flags)
    }

    /// Like [`Process::start`], with a kubeconfig.
    ///
    /// # Panics
    /// When it doesn't start.
    pub fn start_as(kubeconfig: &Path, namespace: &Namespace, flags: &[&str]) -> Self {
        let address = free_address();
        let log = control_plane().logs().join(format!("operator-{}.log", address.port()));
        let spawn = |stderr: File| {
            Command::new(program())
                .args(["--sidecar-image", SIDECAR_IMAGE, "--namespace", namespace.name()])
                .args(["--listen", &address.to_string(), "--lease-name", RELEASE])
                .arg("--kubeconfig")
                .arg(kubeconfig)
                .args(flags)
                .stdin(Stdio::null())
                .stderr(stderr)
                .spawn()
        };
        let child = File::create(&log)
            .and_then(spawn)
            .unwrap_or_else(|error| panic!("the operator doesn't start: {error}"));
        Self { child, address, log }
    }

    /// Whether it knows the cluster.
    pub fn is_ready(&self) -> bool {
        let answer = fetch(self.address, "/readyz");
        answer.is_some_and(|answer| answer.starts_with("HTTP/1.1 200"))
    }

    /// Whether it says that it is the one that acts.
    pub fn leads(&self) -> bool {
        let answer = fetch(self.address, "/metrics");
        answer.is_some_and(|answer| answer.lines().any(|line| line == "logshipping_leader 1"))
    }

    /// # Panics
    /// When it has ended already.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let sent = pid.map(|pid| kill_process(pid, signal));
        assert!(matches!(sent, Some(Ok(()))), "{sent:?}");
    }

    /// How it ended; none while it runs.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it doesn't end.
    pub fn await_end(&mut self, deadline: Duration) -> ExitStatus {
        wait::until("the operator ends", deadline, || self.ended())
    }

    /// Kills it at once, with SIGKILL.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // It may have ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            eprintln!("the operator at {} said:\n{log}", self.address);
        }
    }
}

/// The program. Built on first use, beside the program that is running.
///
/// # Panics
/// When it doesn't build.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| build().unwrap_or_else(|error| panic!("no operator: {error:#}")))
}

fn build() -> anyhow::Result<PathBuf> {
    const NAME: &str = "logshipping-operator";
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--quiet", "--package", "operator", "--bin", NAME])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()?;
    anyhow::ensure!(built.success(), "cargo build: {built}");
    let test = std::env::current_exe()?;
    // Tests lie in `target/<profile>/deps`, programs in `target/<profile>`.
    let folder = test.ancestors().find(|folder| folder.join(NAME).is_file());
    let folder = folder.ok_or_else(|| anyhow::anyhow!("{NAME} is not above {}", test.display()))?;
    Ok(folder.join(NAME))
}
