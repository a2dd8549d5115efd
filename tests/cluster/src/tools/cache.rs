//! Where built programs are kept, under a key that covers all that decides what they are.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use sha2::{Digest, Sha256};

use super::{Tool, build};

/// Why the cache can't be used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// Neither variable says where caches go.
    #[error("cannot tell where to keep built programs: set HOME or XDG_CACHE_HOME")]
    NoHome,
    /// The sources of the key are missing.
    #[error("cannot read {}: run from a complete checkout", path.display())]
    Module {
        /// The file that pins versions.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The folder can't be made or locked.
    #[error("cannot use the cache folder {}: make it writable, or set XDG_CACHE_HOME", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The place of one program in the cache.
#[derive(Debug)]
pub(super) struct Slot {
    root: PathBuf,
    program: PathBuf,
}

/// Held while a program is being built; let go when dropped.
#[derive(Debug)]
pub(super) struct BuildLock(#[expect(dead_code, reason = "the lock lives as long as the file is open")] File);

impl Slot {
    /// Computes the key and makes the folder.
    pub(super) fn of(tool: &Tool) -> Result<Self, CacheError> {
        let root = folder_of_caches()?.join("logshipping/tools");
        let program = root.join(key(tool)?).join(tool.name);
        let folder = program.parent().unwrap_or(&root);
        fs::create_dir_all(folder).map_err(|source| CacheError::Folder {
            path: folder.to_owned(),
            source,
        })?;
        Ok(Self { root, program })
    }

    /// The program's file, whether it is there or not.
    pub(super) fn program(&self) -> PathBuf {
        self.program.clone()
    }

    pub(super) fn is_filled(&self) -> bool {
        self.program.is_file()
    }

    /// Takes the lock of all builds; `on_wait` is called when somebody else has it.
    pub(super) fn lock(&self, on_wait: impl FnOnce()) -> Result<BuildLock, CacheError> {
        let failed = |source| CacheError::Folder {
            path: self.root.clone(),
            source,
        };
        let file = File::create(self.root.join("lock")).map_err(failed)?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            on_wait();
            flock(&file, FlockOperation::LockExclusive).map_err(|error| failed(error.into()))?;
        }
        Ok(BuildLock(file))
    }
}

/// Makes a folder of the cache.
pub(super) fn folder(key: &str) -> Result<PathBuf, CacheError> {
    let path = root()?.join(key);
    fs::create_dir_all(&path).map_err(|source| CacheError::Folder {
        path: path.clone(),
        source,
    })?;
    Ok(path)
}

fn root() -> Result<PathBuf, CacheError> {
    Ok(folder_of_caches()?.join("logshipping/tools"))
}

/// The folder with the `go.mod` that pins the tool.
pub(super) fn module_folder(tool: &Tool) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools").join(tool.module)
}

/// One folder per module, versions, flags and processor.
fn key(tool: &Tool) -> Result<String, CacheError> {
    let mut hash = Sha256::new();
    for name in ["go.mod", "go.sum"] {
        let path = module_folder(tool).join(name);
        hash.update(fs::read(&path).map_err(|source| CacheError::Module { path, source })?);
    }
    for path in own_sources(tool) {
        hash.update(fs::read(&path).map_err(|source| CacheError::Module { path, source })?);
    }
    for (name, value) in build::ENVIRONMENT {
        hash.update(format!("\n{name}={value}"));
    }
    hash.update(format!("\n{:?}\n{}", build::flags(tool), std::env::consts::ARCH));
    let digest = crate::hex(&hash.finalize());
    Ok(format!("{}-{}", tool.module, &digest[..16]))
}

/// Go files of the module itself, which few have.
fn own_sources(tool: &Tool) -> Vec<PathBuf> {
    let entries = fs::read_dir(module_folder(tool)).into_iter().flatten().flatten();
    let mut sources: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "go"))
        .collect();
    sources.sort_unstable();
    sources
}

fn folder_of_caches() -> Result<PathBuf, CacheError> {
    let set = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    set("XDG_CACHE_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".cache")))
        .ok_or(CacheError::NoHome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_of_one_module_share_a_folder_and_modules_do_not() {
        let key = |name| key(Tool::named(name).unwrap()).unwrap();
        assert_eq!(key("kubelet"), key("kubectl"));
        assert_eq!(key("loki"), key("logcli"));
        assert_ne!(key("kubelet"), key("helm"));
    }
}
