//! The programs a cluster is made of, each pinned to one version.
//!
//! [`ensure`] looks for a program in this order:
//! 1. the folder that `LOGSHIPPING_TOOLS` names, for people who bring their own;
//! 2. the cache, `${XDG_CACHE_HOME:-~/.cache}/logshipping/tools/<key>/<name>`, where the key covers everything that
//!    decides what the program is;
//! 3. a build of the pinned Go module in `tests/tools`, whose result goes to the cache.
//!
//! Invariant: a program in the cache is whole. Two processes never build the same program twice: builds happen one at
//! a time under a file lock, because one of them alone takes all cores and up to 2 GiB.

mod build;
mod cache;
mod catalogue;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use build::BuildError;
pub use cache::CacheError;
pub use catalogue::{Tool, UnknownTool};

use crate::progress;

/// Names the folder of programs that is looked at before the cache.
pub const FOLDER_VARIABLE: &str = "LOGSHIPPING_TOOLS";

/// The programs that a control plane needs.
pub const CONTROL_PLANE: [&str; 4] = ["etcd", "kube-apiserver", "kube-controller-manager", "kubectl"];

/// The programs that a node needs besides.
pub const NODE: [&str; 3] = ["kube-scheduler", "kubelet", "kube-proxy"];

/// The programs that a simulation of nodes needs besides those of the control plane.
pub const SIMULATION: [&str; 2] = ["kube-scheduler", "kwok"];

/// Why a program can't be had.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// No such name in the catalogue.
    #[error(transparent)]
    Unknown(#[from] UnknownTool),
    /// The cache can't be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The build failed.
    #[error(transparent)]
    Build(#[from] BuildError),
}

/// The path of a program by its name, building it when it is nowhere yet.
pub fn ensure(name: &str) -> Result<PathBuf, ToolError> {
    let tool = Tool::named(name)?;
    if let Some(path) = in_folder_of_the_user(name) {
        return Ok(path);
    }
    let slot = cache::Slot::of(tool)?;
    if slot.is_filled() {
        return Ok(slot.program());
    }
    let lock = slot.lock(|| progress::say(format_args!("{name}: another process is building, waiting for it")))?;
    // Whoever held the lock may have built just this program.
    if !slot.is_filled() {
        build::build(tool, &slot.program())?;
    }
    drop(lock);
    Ok(slot.program())
}

/// The paths of several programs by their names.
pub fn ensure_all<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<BTreeMap<String, PathBuf>, ToolError> {
    names
        .into_iter()
        .map(|name| Ok((name.to_owned(), ensure(name)?)))
        .collect()
}

/// A folder of the cache by its key, for what isn't built by Go.
pub(crate) fn cached_folder(key: &str) -> Result<PathBuf, CacheError> {
    cache::folder(key)
}

fn in_folder_of_the_user(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os(FOLDER_VARIABLE)?;
    let path = Path::new(&folder).join(name);
    path.is_file().then_some(path)
}
