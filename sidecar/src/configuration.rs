//! Looking for the configuration file, and noticing when it changes.
//!
//! The kubelet replaces a mounted ConfigMap by flipping the link `..data` in its directory, so the directory is what
//! to watch, and what counts is the file behind the links: its device, inode, size and times.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Names looked for when a directory is given, in this order.
const NAMES: [&str; 2] = ["config.json", "config.yaml"];

/// A larger file is no configuration; a ConfigMap holds 1 MiB.
const MAX_BYTES: u64 = 4 << 20;

/// Where the configuration is, and which version of it was read last.
#[derive(Debug)]
pub(crate) struct ConfigFile {
    path: PathBuf,
    read: Option<Signature>,
}

/// What a look at the file found.
#[derive(Debug)]
pub(crate) enum Look {
    Unchanged,
    Changed(String),
    Absent,
    Unreadable(io::Error),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Signature {
    path: PathBuf,
    identity: (u64, u64, u64),
    modified: (i64, i64),
    changed: (i64, i64),
}

impl ConfigFile {
    /// `path` is a file, or a directory with a `config.json` or `config.yaml`.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, read: None }
    }

    /// The directory whose changes concern the file.
    pub(crate) fn directory(&self) -> &Path {
        if self.path.is_dir() {
            return &self.path;
        }
        match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        }
    }

    /// Reads the file if it isn't the one that was read before.
    pub(crate) fn look(&mut self) -> Look {
        let Some((path, metadata)) = self.find() else {
            return Look::Absent;
        };
        let signature = Signature::of(&path, &metadata);
        if self.read.as_ref() == Some(&signature) {
            return Look::Unchanged;
        }
        let outcome = read(&path, &metadata);
        self.read = Some(signature);
        match outcome {
            Ok(text) => Look::Changed(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.read = None;
                Look::Absent
            }
            Err(error) => Look::Unreadable(error),
        }
    }

    /// The next look finds a change, if there is a file.
    pub(crate) fn forget(&mut self) {
        self.read = None;
    }

    fn find(&self) -> Option<(PathBuf, Metadata)> {
        let found = |path: PathBuf| {
            let metadata = std::fs::metadata(&path).ok()?;
            metadata.is_file().then_some((path, metadata))
        };
        found(self.path.clone()).or_else(|| NAMES.iter().find_map(|name| found(self.path.join(name))))
    }
}

impl Signature {
    fn of(path: &Path, metadata: &Metadata) -> Self {
        Self {
            path: path.to_owned(),
            identity: (metadata.dev(), metadata.ino(), metadata.size()),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

fn read(path: &Path, metadata: &Metadata) -> io::Result<String> {
    if metadata.size() > MAX_BYTES {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("{} bytes are too many for a configuration", metadata.size()),
        ));
    }
    std::fs::read_to_string(path)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_flip_of_the_data_link_is_a_change() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = ConfigFile::new(dir.path().to_owned());
        assert!(matches!(file.look(), Look::Absent));
        for version in ["one", "two"] {
            fs::create_dir(dir.path().join(version)).unwrap();
            fs::write(dir.path().join(version).join("config.json"), version).unwrap();
        }
        symlink("one", dir.path().join("..data")).unwrap();
        symlink("..data/config.json", dir.path().join("config.json")).unwrap();
        assert!(matches!(file.look(), Look::Changed(text) if text == "one"));
        assert!(matches!(file.look(), Look::Unchanged));
        symlink("two", dir.path().join("..data_tmp")).unwrap();
        fs::rename(dir.path().join("..data_tmp"), dir.path().join("..data")).unwrap();
        assert!(matches!(file.look(), Look::Changed(text) if text == "two"));
        assert_eq!(file.directory(), dir.path());
    }
}
