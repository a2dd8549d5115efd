//! Builds one program from its pinned Go module.
//!
//! Go's own caches (`GOMODCACHE`, `GOCACHE`) stay where the user has them, so that a second program of the same module
//! only pays for what is its own.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::{Tool, cache};
use crate::progress;

/// Static programs of exactly the versions that `go.sum` vouches for, and no stamp of this checkout in them.
pub(super) const ENVIRONMENT: [(&str, &str); 2] = [("CGO_ENABLED", "0"), ("GOFLAGS", "-buildvcs=false -mod=readonly")];

/// A line from time to time says that a long build is alive.
const STILL_ALIVE: Duration = Duration::from_secs(30);
/// The end of the compiler's output says what is wrong; the beginning is downloads.
const LINES_SHOWN: usize = 20;

/// Why there is no program.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// No Go on this machine.
    #[error("building {tool} needs Go 1.26 or newer, and `go` can't be started: install it from https://go.dev/dl")]
    NoGo {
        /// The program to be built.
        tool: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Go started and failed.
    #[error("`go build` of {tool} failed ({status}) in {}; the end of its output:\n{output}", folder.display())]
    Failed {
        /// The program to be built.
        tool: &'static str,
        /// Where it ran.
        folder: PathBuf,
        /// How it ended.
        status: ExitStatus,
        /// Its last lines.
        output: String,
    },
    /// The result can't be put in its place.
    #[error("cannot put the built {tool} at {}", path.display())]
    Keep {
        /// The program.
        tool: &'static str,
        /// Its place in the cache.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The flags of `go build`; they are part of the cache's key.
pub(super) fn flags(tool: &Tool) -> [&'static str; 3] {
    ["-trimpath", "-ldflags", tool.linker_flags]
}

/// Builds `tool` so that `program` appears whole or not at all.
pub(super) fn build(tool: &'static Tool, program: &Path) -> Result<(), BuildError> {
    let folder = cache::module_folder(tool);
    let unfinished = program.with_file_name(format!(".{}.{}", tool.name, std::process::id()));
    progress::say(format_args!(
        "building {} from {} (once, then cached)",
        tool.name, tool.package
    ));
    let began = Instant::now();
    let mut go = Command::new("go")
        .arg("build")
        .args(flags(tool))
        .arg("-o")
        .arg(&unfinished)
        .arg(tool.package)
        .envs(ENVIRONMENT)
        .current_dir(&folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| BuildError::NoGo {
            tool: tool.name,
            source,
        })?;
    let (status, output) = wait_telling(tool, &mut go, began).map_err(|source| BuildError::Keep {
        tool: tool.name,
        path: program.to_owned(),
        source,
    })?;
    if !status.success() {
        return Err(BuildError::Failed {
            tool: tool.name,
            folder,
            status,
            output,
        });
    }
    std::fs::rename(&unfinished, program).map_err(|source| BuildError::Keep {
        tool: tool.name,
        path: program.to_owned(),
        source,
    })?;
    progress::say(format_args!(
        "built {} in {}",
        tool.name,
        progress::duration(began.elapsed())
    ));
    Ok(())
}

/// Waits for the compiler, with a sign of life now and then. Returns its last lines of output.
fn wait_telling(tool: &Tool, go: &mut Child, began: Instant) -> io::Result<(ExitStatus, String)> {
    let stderr = go.stderr.take();
    let reader = thread::spawn(move || {
        let mut bytes = Vec::new();
        stderr
            .map_or(Ok(0), |mut pipe| pipe.read_to_end(&mut bytes))
            .map(|_| bytes)
    });
    let mut told = Instant::now();
    let status = loop {
        if let Some(status) = go.try_wait()? {
            break status;
        }
        if told.elapsed() >= STILL_ALIVE {
            progress::say(format_args!(
                "still building {} ({})",
                tool.name,
                progress::duration(began.elapsed())
            ));
            told = Instant::now();
        }
        thread::sleep(Duration::from_millis(100));
    };
    let bytes = reader.join().unwrap_or_else(|_| Ok(Vec::new()))?;
    Ok((
        status,
        crate::files::last_lines(&String::from_utf8_lossy(&bytes), LINES_SHOWN),
    ))
}
