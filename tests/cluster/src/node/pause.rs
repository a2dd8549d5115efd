//! The pause image, made of a program of ours: no registry has to be asked for one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sha2::{Digest, Sha256};

use crate::image_archive::{ImageArchive, ImageArchiveError, ImageFile};
use crate::tools::{self, CacheError};

/// The image's name, for containerd's configuration.
pub(crate) const REFERENCE: &str = "localhost/pause:1";
/// One file that needs the standard library only, so the compiler alone builds it: with cargo, every dependency of this
/// package would be built once more for a static program.
const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/bin/pause.rs");

/// Why there is no pause image.
#[derive(Debug, thiserror::Error)]
pub enum PauseError {
    /// The compiler can't be started.
    #[error("cannot start rustc to build the pause program: install Rust from https://rustup.rs")]
    NoCompiler(#[source] io::Error),
    /// The compiler failed.
    #[error("rustc failed to build the pause program:\n{0}")]
    Compiler(String),
    /// The program can't be read back.
    #[error("cannot read the pause program")]
    Read(#[source] io::Error),
    /// The archive can't be written.
    #[error(transparent)]
    Archive(#[from] ImageArchiveError),
    /// The cache can't be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
}

/// The archive, built when it isn't in the cache. Takes a third of a second.
pub(crate) fn ensure() -> Result<PathBuf, PauseError> {
    let key = crate::hex(&Sha256::digest(fs::read(SOURCE).map_err(PauseError::Read)?));
    let folder = tools::cached_folder(&format!("pause-{}", &key[..16]))?;
    let archive = folder.join("pause.tar");
    if !archive.is_file() {
        // Two processes at once make the same archive, and each puts it there whole.
        let scratch = tempfile::tempdir_in(&folder).map_err(PauseError::Read)?;
        let program = scratch.path().join("pause");
        compile(&program)?;
        image(fs::read(&program).map_err(PauseError::Read)?).write(&archive)?;
    }
    Ok(archive)
}

fn image(program: Vec<u8>) -> ImageArchive {
    ImageArchive {
        reference: REFERENCE.to_owned(),
        entrypoint: vec!["/pause".to_owned()],
        user: "65535:65535".to_owned(),
        files: vec![ImageFile {
            path: "/pause".to_owned(),
            mode: 0o755,
            bytes: program,
        }],
        ..ImageArchive::default()
    }
}

fn compile(program: &Path) -> Result<(), PauseError> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut command = Command::new(rustc);
    command.args(["--edition=2024", "-Copt-level=s", "-Cpanic=abort", "-Cstrip=symbols"]);
    command
        .args(["-Ctarget-feature=+crt-static", "-o"])
        .arg(program)
        .arg(SOURCE);
    let Output { status, stderr, .. } = command.output().map_err(PauseError::NoCompiler)?;
    if status.success() {
        Ok(())
    } else {
        Err(PauseError::Compiler(String::from_utf8_lossy(&stderr).into_owned()))
    }
}
