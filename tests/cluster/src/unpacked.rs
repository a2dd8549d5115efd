//! Programs of the distribution that are unpacked into the cache instead of being installed: packages that conflict with
//! others, or that would start a service, leave the machine as it is.
//!
//! Such a program is started with absolute paths and `LD_LIBRARY_PATH`. No root needed, unless apt has no lists yet.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use crate::packages;
use crate::progress;
use crate::tools::{self, CacheError};

/// Why packages are not unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The cache can't be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// Files can't be written or read.
    #[error("cannot unpack into {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// apt or dpkg isn't there.
    #[error("{program} is needed to unpack {}, and can't be started: Debian and Ubuntu have it", packages.join(", "))]
    NoProgram {
        /// apt-get or dpkg.
        program: &'static str,
        /// The packages.
        packages: Vec<String>,
        /// What the system said.
        source: io::Error,
    },
    /// apt or dpkg failed.
    #[error("{program} failed ({status}) for {}; its output is above", packages.join(", "))]
    Failed {
        /// apt-get or dpkg.
        program: &'static str,
        /// The packages.
        packages: Vec<String>,
        /// How it ended.
        status: ExitStatus,
    },
}

/// The folder that holds what these packages hold, `usr` and all. `name` is that of the folder in the cache.
pub fn packages(name: &str, packages: &[&str]) -> Result<PathBuf, UnpackError> {
    let folder = tools::cached_folder(&format!("debian-{name}"))?;
    let (root, list) = (folder.join("root"), folder.join("packages"));
    let wanted = packages.join("\n");
    // Written last: what is listed is there as a whole.
    if fs::read_to_string(&list).is_ok_and(|unpacked| unpacked == wanted) {
        return Ok(root);
    }
    progress::say(format_args!("unpacking {} (once, then cached)", packages.join(", ")));
    let failed = |source| UnpackError::Folder {
        path: folder.clone(),
        source,
    };
    let downloads = tempfile::tempdir_in(&folder).map_err(failed)?;
    download(packages, downloads.path())?;
    for entry in fs::read_dir(downloads.path()).map_err(failed)? {
        let archive = entry.map_err(failed)?.path();
        let mut dpkg = Command::new("dpkg");
        dpkg.arg("-x").arg(&archive).arg(&root);
        must_succeed("dpkg", packages, &mut dpkg)?;
    }
    fs::write(&list, wanted).map_err(failed)?;
    Ok(root)
}

fn download(packages: &[&str], folder: &Path) -> Result<(), UnpackError> {
    let mut apt = Command::new("apt-get");
    apt.args(["download", "--quiet"]).args(packages).current_dir(folder);
    let first = must_succeed("apt-get", packages, &mut apt);
    let Err(UnpackError::Failed { .. }) = first else {
        return first;
    };
    // A fresh machine has no lists of packages yet, or old ones.
    packages::update().map_err(|source| no_program("apt-get", packages, source))?;
    must_succeed("apt-get", packages, &mut apt)
}

/// What the program says goes to standard error.
fn must_succeed(program: &'static str, packages: &[&str], command: &mut Command) -> Result<(), UnpackError> {
    let status = command
        .stdin(Stdio::null())
        .stdout(io::stderr())
        .status()
        .map_err(|source| no_program(program, packages, source))?;
    if status.success() {
        return Ok(());
    }
    Err(UnpackError::Failed {
        program,
        packages: owned(packages),
        status,
    })
}

fn no_program(program: &'static str, packages: &[&str], source: io::Error) -> UnpackError {
    UnpackError::NoProgram {
        program,
        packages: owned(packages),
        source,
    }
}

fn owned(packages: &[&str]) -> Vec<String> {
    packages.iter().map(|package| (*package).to_owned()).collect()
}
