//! Clusters that stay until they are taken down, by name. This is what the `cluster` program does for people.

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::binary::{self, BinaryError};
use crate::component::containerd;
use crate::credentials::ADMINISTRATOR;
use crate::hold::home;
use crate::layout::Layout;
use crate::node::namespaces::Namespaces;
use crate::privilege;
use crate::progress;
use crate::protocol::{Answer, Facts, Publish, Request, Shape};
use crate::start::{self, StartError};

/// The holder answers between two looks at its children.
const ANSWER: Duration = Duration::from_secs(10);
/// Measured: 1 to 3 s.
const DOWN: Duration = Duration::from_secs(30);

/// Why something could not be done with a cluster.
#[derive(Debug, thiserror::Error)]
pub enum NamedError {
    /// It could not be started, or its name is no name.
    #[error(transparent)]
    Start(#[from] StartError),
    /// There is none.
    #[error("there is no cluster named {0:?} running; `cluster up --name {0}` starts one, `cluster status` lists them")]
    NotThere(String),
    /// There was one.
    #[error("the cluster {name:?} ended by itself: {reason}")]
    Died {
        /// The cluster.
        name: String,
        /// What happened, and where the logs are.
        reason: String,
    },
    /// It has no node.
    #[error("the cluster {0:?} is a control plane only; this needs one with a node")]
    NoNode(String),
    /// What it says of itself can't be read.
    #[error("cannot read {}", path.display())]
    Facts {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The holder can't be asked.
    #[error("the holder of {name:?} does not answer; `cluster down --name {name}` ends it all the same")]
    Holder {
        /// The cluster.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// The holder said no.
    #[error("{0}")]
    Refused(String),
    /// It doesn't end.
    #[error("the cluster {name:?} is not gone after {} s; what is left is in {}", DOWN.as_secs(), folder.display())]
    Stays {
        /// The cluster.
        name: String,
        /// Its folder.
        folder: PathBuf,
    },
    /// The namespaces can't be entered.
    #[error("cannot enter the node's namespaces; this needs root")]
    Enter(#[source] io::Error),
    /// The program for commands inside is missing.
    #[error(transparent)]
    Binary(#[from] BinaryError),
    /// An image archive can't be read or given to containerd.
    #[error("cannot load the image archive {}", path.display())]
    Image {
        /// The archive.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// containerd refused an image archive.
    #[error("containerd does not take the image archive {}: {text}", path.display())]
    ImageRefused {
        /// The archive.
        path: PathBuf,
        /// What `ctr` said.
        text: String,
    },
}

/// Starts a cluster that outlives this process.
pub fn up(name: &str, shape: Shape) -> Result<Facts, NamedError> {
    Ok(start::start(name, shape, &[])?.let_go()?)
}

/// Ends a cluster and waits until all of it is gone. None of that name is no error: there is nothing left to end.
pub fn down(name: &str) -> Result<(), NamedError> {
    let layout = start::layout(name)?;
    if !layout.folder().exists() {
        progress::say(format_args!("there is no cluster named {name:?}; nothing to take down"));
        return Ok(());
    }
    progress::say(format_args!("taking {name:?} down"));
    if home::is_held(&layout) {
        if ask(&layout, name, &Request::Stop).is_err() {
            // One that is still starting has no socket yet.
            signal_holder(&layout, Signal::TERM);
        }
        if !is_gone_within(&layout, DOWN) {
            signal_holder(&layout, Signal::KILL);
        }
    }
    home::sweep_up(&start::root());
    if !is_gone_within(&layout, Duration::from_secs(1)) {
        return Err(NamedError::Stays {
            name: name.to_owned(),
            folder: layout.folder().to_owned(),
        });
    }
    progress::say(format_args!("{name:?} is gone"));
    Ok(())
}

/// What a running cluster is.
pub fn facts(name: &str) -> Result<Facts, NamedError> {
    let layout = start::layout(name)?;
    if !home::is_held(&layout) {
        let name = name.to_owned();
        return Err(match home::last_failure(&layout) {
            Some(reason) => NamedError::Died { name, reason },
            None => NamedError::NotThere(name),
        });
    }
    facts_of(&layout)
}

fn facts_of(layout: &Layout) -> Result<Facts, NamedError> {
    let path = layout.facts();
    let read = || serde_json::from_slice(&std::fs::read(&path)?).map_err(io::Error::from);
    read().map_err(|source| NamedError::Facts {
        path: path.clone(),
        source,
    })
}

/// All running clusters of this user, those of tests among them.
pub fn all() -> Vec<Facts> {
    let layouts = home::clusters(&start::root());
    let names = layouts
        .iter()
        .filter_map(|layout| layout.folder().file_name()?.to_str());
    let mut all: Vec<Facts> = names.filter_map(|name| facts(name).ok()).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

/// Makes an address of the cluster reachable on the host's loopback, for the rest of the cluster's life.
pub fn publish(name: &str, target: SocketAddr, host_port: Option<u16>) -> Result<SocketAddr, NamedError> {
    let request = Request::Publish(Publish { target, host_port });
    let holder = |source| NamedError::Holder {
        name: name.to_owned(),
        source,
    };
    facts(name)?;
    match ask(&start::layout(name)?, name, &request)? {
        Answer::Published(address) => Ok(address),
        Answer::Refused(sentence) => Err(NamedError::Refused(sentence)),
        Answer::Stopping | Answer::Restarted => Err(holder(io::ErrorKind::InvalidData.into())),
    }
}

/// Kills the API server of a control plane and starts it again. Returns before it serves.
pub(crate) fn restart_api_server(name: &str) -> Result<(), NamedError> {
    match ask(&start::layout(name)?, name, &Request::RestartApiServer)? {
        Answer::Restarted => Ok(()),
        Answer::Refused(sentence) => Err(NamedError::Refused(sentence)),
        Answer::Published(_) | Answer::Stopping => Err(NamedError::Holder {
            name: name.to_owned(),
            source: io::ErrorKind::InvalidData.into(),
        }),
    }
}

/// Moves this process, which must be root's and have no other threads, into the namespaces of the node whose folder
/// this is, and back to where it was. The children it has from now on are inside. Returns the administrator's kubeconfig
/// for use inside.
pub fn enter(cluster: &Path) -> Result<PathBuf, NamedError> {
    let layout = Layout::at(cluster.to_owned());
    let name = || cluster.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let init = facts_of(&layout)?.init.ok_or_else(|| NamedError::NoNode(name()))?;
    let folder = std::env::current_dir().map_err(NamedError::Enter)?;
    Namespaces::of(init)
        .and_then(|namespaces| namespaces.enter_all())
        .map_err(NamedError::Enter)?;
    // Entering a mount namespace leads to its root. A folder that the node covers has no counterpart inside.
    let _ = std::env::set_current_dir(folder);
    Ok(layout.kubeconfig_of(ADMINISTRATOR))
}

/// A command that runs `program` inside the node's namespaces, as root.
pub fn inside(name: &str, program: impl AsRef<OsStr>) -> Result<Command, NamedError> {
    facts(name)?.init.ok_or_else(|| NamedError::NoNode(name.to_owned()))?;
    let mut command = privilege::as_root(binary::find()?);
    command
        .arg("enter")
        .arg(start::layout(name)?.folder())
        .arg("--")
        .arg(program);
    Ok(command)
}

/// Gives an image archive to the node's containerd.
pub fn load_image(name: &str, archive: &Path) -> Result<(), NamedError> {
    let failed = |source| NamedError::Image {
        path: archive.to_owned(),
        source,
    };
    // The archive goes through standard input, because its path may mean something else inside.
    let file = std::fs::File::open(archive).map_err(failed)?;
    let import = containerd::ctr(&["images", "import", "-"]);
    let mut command = inside(name, import.get_program())?;
    let output = command.args(import.get_args()).stdin(file).output().map_err(failed)?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(NamedError::ImageRefused {
        path: archive.to_owned(),
        text,
    })
}

fn ask(layout: &Layout, name: &str, request: &Request) -> Result<Answer, NamedError> {
    let exchange = || {
        let mut stream = UnixStream::connect(layout.control_socket())?;
        stream.set_read_timeout(Some(ANSWER))?;
        stream.set_write_timeout(Some(ANSWER))?;
        writeln!(stream, "{}", serde_json::to_string(request)?)?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    };
    exchange().map_err(|source| NamedError::Holder {
        name: name.to_owned(),
        source,
    })
}

fn signal_holder(layout: &Layout, signal: Signal) {
    let holder = home::holder(layout).and_then(|holder| Pid::from_raw(holder.cast_signed()));
    if let Some(holder) = holder {
        let _ = kill_process(holder, signal);
    }
}

fn is_gone_within(layout: &Layout, within: Duration) -> bool {
    let deadline = Instant::now() + within;
    while layout.folder().exists() {
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}
