//! A node in namespaces of its own, seen from inside and from outside.
//!
//! One process, [`init`], is process 1 of a set of mount, network, process, IPC and host-name namespaces. It starts all of
//! Kubernetes inside; when it ends, the kernel ends everything inside and lets the mounts and the network go. The holder
//! outside starts it, makes the control groups it needs, and forwards loopback ports of the host into it.
//!
//! For tests:
//!
//! ```no_run
//! # use std::net::SocketAddr;
//! let node = cluster::node::shared()?;
//! node.load_image("server.tar".as_ref())?;
//! let api = node.publish(SocketAddr::from(([10, 96, 0, 1], 443)))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Invariants:
//! * no address of the cluster exists outside its network namespace, and nothing outside ever dials one;
//! * inside there is no way out: the default route ends in a cable whose other end nobody listens on.

pub(crate) mod cgroups;
pub(crate) mod configuration;
pub(crate) mod forward;
pub(crate) mod init;
pub(crate) mod mounts;
pub(crate) mod namespaces;
mod network;
pub(crate) mod pause;

use std::ffi::OsStr;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

pub use cgroups::CgroupError;
pub use init::init;
pub use mounts::MountError;
use namespaces::Namespaces;
pub use network::NetworkError;
pub use pause::PauseError;

use crate::control_plane::ControlPlane;
use crate::named::{self, NamedError};
use crate::protocol::Shape;
use crate::start::StartError;

static SHARED: OnceLock<Result<Node, StartError>> = OnceLock::new();

/// A cluster with a node that lives as long as this value, and no longer than this process. Needs root.
#[derive(Debug)]
pub struct Node {
    control_plane: ControlPlane,
}

/// The node of this process, started on first use. Give each test a namespace of its own.
pub fn shared() -> Result<&'static Node, &'static StartError> {
    SHARED.get_or_init(|| start(&[])).as_ref()
}

/// A node of one's own, for a test that breaks it. It has `images` (archives) from the start.
pub fn start(images: &[PathBuf]) -> Result<Node, StartError> {
    Ok(Node {
        control_plane: ControlPlane::start(Shape::Node, images)?,
    })
}

impl Node {
    /// The API server's side: kubeconfigs, kubectl, audit log, logs.
    pub fn control_plane(&self) -> &ControlPlane {
        &self.control_plane
    }

    /// The administrator's kubeconfig, for use from the host's network.
    pub fn kubeconfig(&self) -> &Path {
        self.control_plane.kubeconfig()
    }

    /// The pinned kubectl, as administrator, from the host's network.
    pub fn kubectl(&self) -> Command {
        self.control_plane.kubectl()
    }

    /// The folder of logs. It goes with the cluster.
    pub fn logs(&self) -> &Path {
        self.control_plane.logs()
    }

    /// Gives an image archive to the node, under the name that the archive says.
    pub fn load_image(&self, archive: &Path) -> Result<(), NamedError> {
        named::load_image(self.name(), archive)
    }

    /// Makes an address of the cluster (service, pod or node) reachable on a free port of the host's loopback.
    pub fn publish(&self, target: SocketAddr) -> Result<SocketAddr, NamedError> {
        named::publish(self.name(), target, None)
    }

    /// A command that runs inside the node's namespaces, with a KUBECONFIG that works there.
    pub fn exec(&self, program: impl AsRef<OsStr>) -> Result<Command, NamedError> {
        named::inside(self.name(), program)
    }

    /// Does something on a thread inside the node's network. A socket made there stays there, and any thread may use it
    /// afterwards: a listener on [`crate::addresses::NODE`] lets pods reach the test.
    pub fn in_network<T: Send>(&self, inside: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        let process = self.control_plane.facts().init.ok_or(io::ErrorKind::NotFound)?;
        Namespaces::of(process)?.in_network(inside)
    }

    fn name(&self) -> &str {
        &self.control_plane.facts().name
    }
}
