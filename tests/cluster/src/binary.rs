//! Finds the `cluster` program, which a test process needs to hold its cluster.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::SystemTime;

/// The program's file name.
const NAME: &str = "cluster";

/// Why there is no program.
#[derive(Debug, thiserror::Error)]
pub enum BinaryError {
    /// The process doesn't know its own place.
    #[error("cannot tell which program is running")]
    CurrentExe(#[source] io::Error),
    /// Cargo can't be started.
    #[error("cannot start cargo to build the `cluster` program")]
    NoCargo(#[source] io::Error),
    /// Cargo failed.
    #[error("`cargo build --package cluster` failed ({0}); its output is above")]
    Build(ExitStatus),
    /// Cargo put it elsewhere.
    #[error("`cargo build --package cluster` did not make {}", .0.display())]
    Elsewhere(PathBuf),
}

/// The program: this very process, or the one beside the test, built anew when it is older than its sources.
pub(crate) fn find() -> Result<PathBuf, BinaryError> {
    let current = std::env::current_exe().map_err(BinaryError::CurrentExe)?;
    if current.file_name() == Some(OsStr::new(NAME)) {
        return Ok(current);
    }
    let program = beside(&current);
    if is_fresh(&program) {
        return Ok(program);
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build
        .args(["build", "--quiet", "--package", "cluster", "--bin", NAME])
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    let status = build.status().map_err(BinaryError::NoCargo)?;
    match (status.success(), program.is_file()) {
        (false, _) => Err(BinaryError::Build(status)),
        (true, false) => Err(BinaryError::Elsewhere(program)),
        (true, true) => Ok(program),
    }
}

/// Tests lie in `target/<profile>/deps`, programs in `target/<profile>`.
fn beside(test: &Path) -> PathBuf {
    let folder = test.parent().unwrap_or(Path::new("/"));
    let folder = if folder.ends_with("deps") {
        folder.parent().unwrap_or(folder)
    } else {
        folder
    };
    folder.join(NAME)
}

fn is_fresh(program: &Path) -> bool {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    match (modified(program), newest(&sources)) {
        (Some(built), Some(written)) => built >= written,
        _ => false,
    }
}

fn newest(folder: &Path) -> Option<SystemTime> {
    let entries = std::fs::read_dir(folder).ok()?.flatten();
    let times = entries.filter_map(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => newest(&entry.path()),
        _ => modified(&entry.path()),
    });
    times.max()
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|metadata| metadata.modified()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_lie_one_folder_above_tests() {
        assert_eq!(
            beside(Path::new("/t/debug/deps/tests-0a")),
            Path::new("/t/debug/cluster")
        );
        assert_eq!(beside(Path::new("/t/debug/example")), Path::new("/t/debug/cluster"));
    }
}
