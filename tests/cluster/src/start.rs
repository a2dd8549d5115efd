//! Starts a holder and follows its reports until the cluster is ready.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, BufReader, Lines, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;

use crate::binary::{self, BinaryError};
use crate::layout::Layout;
use crate::node::PauseError;
use crate::node::pause;
use crate::packages::{self, PackagesError};
use crate::privilege;
use crate::progress;
use crate::protocol::{Facts, Report, Shape, Spec};
use crate::tools::{self, ToolError};

/// Why a cluster isn't there.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A name that can't be a folder's.
    #[error("{0:?} is no name for a cluster: use small letters, digits and dashes, at most 30")]
    Name(String),
    /// Something of the distribution's is missing.
    #[error(transparent)]
    Packages(#[from] PackagesError),
    /// The pause image is missing.
    #[error(transparent)]
    Pause(#[from] PauseError),
    /// A program is missing.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// The holder's program is missing.
    #[error(transparent)]
    Binary(#[from] BinaryError),
    /// The holder doesn't start, or its reports can't be read.
    #[error("cannot start the cluster's holder")]
    Holder(#[from] io::Error),
    /// Neither root nor a way to become it.
    #[error("a node needs root: run this as root, or install sudo")]
    NoRoot,
    /// The holder gave up.
    #[error("{0}")]
    Failed(String),
    /// The holder went away without a word, for example killed.
    #[error("the cluster's holder went away without a word; was it killed?")]
    Silent,
}

/// A running cluster.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) facts: Facts,
    pub(crate) layout: Layout,
    /// The cluster ends when this is dropped, or with the process.
    lifeline: Option<ChildStdin>,
}

impl Started {
    /// Lets the cluster live on until it is told to stop.
    pub(crate) fn let_go(self) -> Result<Facts, StartError> {
        self.lifeline.map_or(Ok(()), |mut lifeline| lifeline.write_all(b"\n"))?;
        Ok(self.facts)
    }
}

/// The folder that holds the user's clusters.
pub(crate) fn root() -> PathBuf {
    std::env::temp_dir().join(format!("logshipping-clusters-{}", rustix::process::getuid().as_raw()))
}

/// The folder of the cluster of that name.
pub(crate) fn layout(name: &str) -> Result<Layout, StartError> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    // The name is part of paths of sockets, which the system limits to 107 bytes.
    if name.is_empty() || name.len() > 30 || name.starts_with('-') || !name.bytes().all(is_plain) {
        return Err(StartError::Name(name.to_owned()));
    }
    Ok(Layout::at(root().join(name)))
}

/// Starts a cluster and waits until it is ready.
pub(crate) fn start(name: &str, shape: Shape, images: &[PathBuf]) -> Result<Started, StartError> {
    let layout = layout(name)?;
    if shape == Shape::Node {
        packages::ensure()?;
    }
    let images = match shape {
        Shape::ControlPlane | Shape::Simulation => Vec::new(),
        Shape::Node => std::iter::once(pause::ensure()?).chain(absolute(images)?).collect(),
    };
    fs::create_dir_all(root())?;
    let (name, folder) = (name.to_owned(), layout.folder().to_owned());
    let spec = Spec {
        name,
        folder,
        shape,
        tools: tools(shape)?,
        images,
    };
    let name = &spec.name;
    progress::say(format_args!("starting {} {name:?}", describe(shape)));
    let mut holder = spawn(&spec)?;
    let lifeline = holder.stdin.take();
    let mut reports = lines(&mut holder)?;
    let facts = follow(&mut reports)?;
    progress::say(format_args!(
        "{} {name:?} is ready: KUBECONFIG={}",
        describe(shape),
        facts.kubeconfig.display()
    ));
    thread::spawn(move || tell_of_failure(&mut reports, holder));
    Ok(Started {
        facts,
        layout,
        lifeline,
    })
}

/// The holder runs in another folder.
fn absolute(paths: &[PathBuf]) -> io::Result<Vec<PathBuf>> {
    paths.iter().map(std::path::absolute).collect()
}

fn describe(shape: Shape) -> &'static str {
    match shape {
        Shape::ControlPlane => "the control plane",
        Shape::Simulation => "the simulation",
        Shape::Node => "the cluster",
    }
}

fn tools(shape: Shape) -> Result<BTreeMap<String, PathBuf>, ToolError> {
    match shape {
        Shape::ControlPlane => tools::ensure_all(tools::CONTROL_PLANE),
        Shape::Simulation => tools::ensure_all(tools::CONTROL_PLANE.into_iter().chain(tools::SIMULATION)),
        Shape::Node => tools::ensure_all(tools::CONTROL_PLANE.into_iter().chain(tools::NODE)),
    }
}

fn spawn(spec: &Spec) -> Result<Child, StartError> {
    let spec_json = serde_json::to_string(spec).map_err(io::Error::from)?;
    let holder = binary::find()?;
    let mut command = match spec.shape {
        Shape::ControlPlane | Shape::Simulation => Command::new(holder),
        Shape::Node => privilege::as_root(holder),
    };
    command.args(["hold", &spec_json]).current_dir("/");
    // Standard error through a pipe of its own: whoever waits for that of the starter to close must not wait for the
    // cluster's end.
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut holder = command.spawn().map_err(|error| match (spec.shape, error.kind()) {
        (Shape::Node, io::ErrorKind::NotFound) => StartError::NoRoot,
        _ => StartError::Holder(error),
    })?;
    let errors = holder.stderr.take();
    thread::spawn(move || errors.map(|mut errors| io::copy(&mut errors, &mut io::stderr())));
    Ok(holder)
}

type Reports = Lines<BufReader<ChildStdout>>;

fn lines(holder: &mut Child) -> Result<Reports, StartError> {
    Ok(BufReader::new(holder.stdout.take().ok_or(StartError::Silent)?).lines())
}

fn follow(reports: &mut Reports) -> Result<Facts, StartError> {
    for line in reports {
        match serde_json::from_str(&line?).map_err(io::Error::from)? {
            Report::Progress(text) => progress::say(text),
            Report::Ready(facts) => return Ok(facts),
            Report::NodeReady => {}
            Report::Failed(sentence) => return Err(StartError::Failed(sentence)),
        }
    }
    Err(StartError::Silent)
}

/// A cluster that dies under a running test must say so, or the test's own error misleads.
fn tell_of_failure(reports: &mut Reports, mut holder: Child) {
    for line in reports.map_while(Result::ok) {
        if let Ok(Report::Failed(sentence)) = serde_json::from_str(&line) {
            progress::say(format_args!("the cluster is gone: {sentence}"));
        }
    }
    let _ = holder.wait();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_and_short() {
        for name in ["demo", "test-4711", "a"] {
            assert!(layout(name).is_ok(), "{name}");
        }
        for name in ["", "-demo", "Demo", "../demo", ".failed", "a/b", &"x".repeat(31)] {
            assert!(matches!(layout(name), Err(StartError::Name(_))), "{name}");
        }
    }
}
