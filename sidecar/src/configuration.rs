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
    /// Why it couldn't be read at the last look.
    trouble: Option<String>,
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
        Self {
            path,
            read: None,
            trouble: None,
        }
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
        let (path, metadata) = match self.find() {
            Ok(Some(found)) => found,
            Ok(None) => {
                self.trouble = None;
                return Look::Absent;
            }
            Err(error) => return self.unreadable(error),
        };
        let signature = Signature::of(&path, &metadata);
        if self.read.as_ref() == Some(&signature) {
            return Look::Unchanged;
        }
        match read(&path, &metadata) {
            Ok(text) => {
                (self.read, self.trouble) = (Some(signature), None);
                Look::Changed(text)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.read = None;
                Look::Absent
            }
            Err(error) => self.unreadable(error),
        }
    }

    /// Tried again at every look, and told once: what is wrong may pass without the file being touched.
    fn unreadable(&mut self, error: io::Error) -> Look {
        self.read = None;
        let told = self.trouble.replace(error.to_string());
        if told == self.trouble {
            Look::Unchanged
        } else {
            Look::Unreadable(error)
        }
    }

    /// The next look finds a change, if there is a file.
    pub(crate) fn forget(&mut self) {
        (self.read, self.trouble) = (None, None);
    }

    /// The first of the names that is a file; something else of that name is none.
    fn find(&self) -> io::Result<Option<(PathBuf, Metadata)>> {
        let below = NAMES.iter().map(|name| self.path.join(name));
        for path in std::iter::once(self.path.clone()).chain(below) {
            match std::fs::metadata(&path) {
                Ok(metadata) if metadata.is_file() => return Ok(Some((path, metadata))),
                Ok(_) => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
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
