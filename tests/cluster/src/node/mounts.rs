//! The node's own view of the file system: the host's, with a few folders and files laid over it.

use std::fs;
use std::io;
use std::path::Path;

use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change};

use crate::addresses;
use crate::layout::Layout;

/// A mount that the kernel refused.
#[derive(Debug, thiserror::Error)]
#[error("cannot mount {what}")]
pub struct MountError {
    what: String,
    source: io::Error,
}

/// Folders that programs write to by their stock paths. The node gets empty ones of its own.
pub(crate) const COVERED: [&str; 3] = ["/run", "/var/lib", "/var/log"];

/// Sysctls that the kubelet wants to have these values. They belong to the whole host, so the node shows it files
/// instead, and the host keeps its own.
const SYSCTLS: [(&str, &str); 6] = [
    ("vm/overcommit_memory", "1"),
    ("vm/panic_on_oom", "0"),
    ("kernel/panic", "10"),
    ("kernel/panic_on_oops", "1"),
    ("kernel/keys/root_maxkeys", "1000000"),
    ("kernel/keys/root_maxbytes", "25000000"),
];

/// Lays everything over. Must run in a mount namespace of its own, in the process that is 1 of its PID namespace.
pub(super) fn lay_over(layout: &Layout) -> Result<(), MountError> {
    // First nothing may flow back to the host; then the kubelet's mounts must flow to containers, as on any node.
    propagate(MountPropagationFlags::PRIVATE)?;
    propagate(MountPropagationFlags::SHARED)?;
    let plain = MountFlags::NOSUID | MountFlags::NODEV;
    file_system("proc", "/proc", plain | MountFlags::NOEXEC)?;
    file_system("tmpfs", "/run", plain)?;
    for covered in COVERED.iter().filter(|path| **path != "/run") {
        let own = layout.data_of(&covered[1..].replace('/', "-"));
        fs::create_dir_all(&own).map_err(|source| failed(covered, source))?;
        bind(&own, Path::new(covered))?;
    }
    for (name, value) in SYSCTLS {
        cover_file(layout, &Path::new("/proc/sys").join(name), value)?;
    }
    cover_file(
        layout,
        Path::new("/etc/hosts"),
        &format!("127.0.0.1 localhost\n{} {}", addresses::NODE, addresses::NODE_NAME),
    )
}

fn propagate(flags: MountPropagationFlags) -> Result<(), MountError> {
    mount_change("/", flags | MountPropagationFlags::REC).map_err(|error| failed("/", error.into()))
}

fn file_system(kind: &str, target: &str, flags: MountFlags) -> Result<(), MountError> {
    mount(kind, target, kind, flags, None).map_err(|error| failed(target, error.into()))
}

fn bind(own: &Path, target: &Path) -> Result<(), MountError> {
    mount_bind(own, target).map_err(|error| failed(&target.display().to_string(), error.into()))
}

/// Shows a file of the node's own in place of one of the host's. What this host doesn't have needs no cover.
fn cover_file(layout: &Layout, target: &Path, content: &str) -> Result<(), MountError> {
    if !target.exists() {
        return Ok(());
    }
    let own = layout.data_of(&format!("covers{}", target.display().to_string().replace('/', "-")));
    fs::write(&own, format!("{content}\n")).map_err(|source| failed(&target.display().to_string(), source))?;
    bind(&own, target)
}

fn failed(what: &str, source: io::Error) -> MountError {
    MountError {
        what: what.to_owned(),
        source,
    }
}
