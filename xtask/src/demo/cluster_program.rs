//! The `cluster` program. The demo's cluster must outlive this process, so it is started by that program and not by
//! its library.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use cluster::progress::say;

use crate::{process, workspace};

/// Name of the demo's cluster, apart from those of tests.
const NAME: &str = "demo";

/// The built program.
#[derive(Debug)]
pub struct ClusterProgram(PathBuf);

impl ClusterProgram {
    /// Builds it where it isn't up to date.
    pub fn build() -> Result<Self> {
        process::run(workspace::cargo().args(["build", "--locked", "--quiet", "--package", "cluster"]))?;
        Ok(Self(workspace::target().join("debug/cluster")))
    }

    /// Starts the cluster and returns when its node is ready.
    pub fn up(&self) -> Result<()> {
        process::run(&mut self.command("up"))
    }

    /// Ends the cluster and removes it; fine where there is none.
    pub fn down(&self) -> Result<()> {
        process::run(&mut self.command("down"))
    }

    /// Gives the node an image.
    pub fn load_image(&self, archive: &Path) -> Result<()> {
        say(format_args!("loading {}", archive.display()));
        process::run(self.command("load-image").arg(archive))
    }

    /// Path of the administrator's kubeconfig, which works from the host.
    pub fn kubeconfig(&self) -> Result<PathBuf> {
        last_line(&mut self.command("kubeconfig")).map(PathBuf::from)
    }

    /// Publishes an address of the cluster on the host's loopback and returns host and port there.
    pub fn publish(&self, address: &str) -> Result<String> {
        last_line(self.command("publish").arg(address))
    }

    fn command(&self, subcommand: &str) -> Command {
        let mut command = Command::new(&self.0);
        command.args([subcommand, "--name", NAME]);
        command
    }
}

/// The program's results stand in the last line of its standard output.
fn last_line(command: &mut Command) -> Result<String> {
    let output = process::output(command)?;
    let line = output.lines().last().map(str::to_owned);
    line.with_context(|| format!("`{}` printed nothing", process::in_words(command)))
}
