//! The programs of a cluster, one file each: pure functions from settings to a command line.

pub(crate) mod containerd;
pub(crate) mod etcd;
pub(crate) mod kube_apiserver;
pub(crate) mod kube_controller_manager;
pub(crate) mod kube_proxy;
pub(crate) mod kube_scheduler;
pub(crate) mod kubelet;
pub(crate) mod kwok;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program ready to be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Launch {
    /// The component's name, also that of its log.
    pub(crate) name: &'static str,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
}

/// A program that the starter did not hand over: a defect of the harness, not of the user.
#[derive(Debug, thiserror::Error)]
#[error("the program {0} was not handed over to the cluster's holder")]
pub struct MissingTool(String);

/// Programs by name.
pub(crate) fn program(tools: &BTreeMap<String, PathBuf>, name: &str) -> Result<PathBuf, MissingTool> {
    tools.get(name).cloned().ok_or_else(|| MissingTool(name.to_owned()))
}

impl Launch {
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        command
    }
}

/// `--name=value` with a path.
fn path_flag(name: &str, path: &Path) -> String {
    format!("--{name}={}", path.display())
}
