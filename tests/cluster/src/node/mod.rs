//! A node in namespaces of its own, seen from inside and from outside.
//!
//! One process, [`init`], is process 1 of a set of mount, network, process, IPC and host-name namespaces. It starts all of
//! Kubernetes inside; when it ends, the kernel ends everything inside and lets the mounts and the network go. The holder
//! outside starts it, makes the control groups it needs, and forwards loopback ports of the host into it.
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

pub use cgroups::CgroupError;
pub use init::init;
pub use mounts::MountError;
pub use network::NetworkError;
pub use pause::PauseError;
