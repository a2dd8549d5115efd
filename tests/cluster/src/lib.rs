//! A real Kubernetes on one machine, for tests and the demo.
//!
//! Two shapes: a control plane alone (etcd, API server, controllers) on loopback, and a whole node in namespaces of its
//! own. Each cluster is held by one process, the *holder* ([`hold`]), and everything it consists of is below one folder:
//! ending the holder ends the cluster and removes it. A test process ties the holder to itself with a pipe, so nothing
//! is left behind, however the test ends.
//!
//! Programs are pinned and built from source ([`tools`]); no image, registry or cloud is needed.

pub mod addresses;
pub mod audit;
mod binary;
mod child;
mod component;
pub mod control_plane;
mod credentials;
mod files;
mod hold;
pub mod image_archive;
pub mod isolation;
mod kubeconfig;
mod kubectl;
mod layout;
pub mod named;
pub mod node;
mod packages;
mod pki;
mod ports;
mod privilege;
pub mod progress;
mod protocol;
mod start;
mod supervisor;
pub mod tools;
pub mod unpacked;
mod watch;

pub use binary::BinaryError;
pub use credentials::CredentialsError;
pub use hold::{HoldError, hold};
pub use kubeconfig::KubeconfigError;
pub use node::init;
pub use pki::PkiError;
pub use protocol::{Facts, Shape};
pub use start::StartError;

/// Lower-case hexadecimal, as digests are written.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}
