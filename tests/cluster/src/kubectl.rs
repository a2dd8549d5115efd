//! The pinned kubectl with one kubeconfig.

use std::path::PathBuf;
use std::process::{Command, Stdio};

/// How to ask the API server.
#[derive(Debug, Clone)]
pub(crate) struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
}

impl Kubectl {
    pub(crate) fn new(program: PathBuf, kubeconfig: PathBuf) -> Self {
        Self { program, kubeconfig }
    }

    /// A command that knows the cluster, for anything.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.env("KUBECONFIG", &self.kubeconfig);
        command
    }

    /// Whether a question gets an answer within a second.
    pub(crate) fn succeeds(&self, arguments: &[&str]) -> bool {
        let mut command = self.command();
        command.arg("--request-timeout=1s").args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }

    /// What it prints, when it succeeds.
    pub(crate) fn answer(&self, arguments: &[&str]) -> Option<String> {
        let mut command = self.command();
        command
            .arg("--request-timeout=1s")
            .args(arguments)
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        let output = command.output().ok().filter(|output| output.status.success())?;
        String::from_utf8(output.stdout).ok()
    }
}
