//! A local file, for use without Kubernetes: appended to, and on the disk before records count as delivered.
//!
//! Who rotates the file need not tell: it is opened anew when the path leads to another one. A text is written as a whole
//! or not at all, so that a full disk leaves no half of a line behind which is then written again.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Writer;

pub(crate) fn writer(path: &str) -> io::Result<Writer> {
    let mut appender = Appender {
        path: PathBuf::from(path),
        open: None,
    };
    Writer::start("file", move |text| appender.append(text))
}

#[derive(Debug)]
struct Appender {
    path: PathBuf,
    open: Option<File>,
}

impl Appender {
    fn append(&mut self, text: &[u8]) -> io::Result<()> {
        if self.open.as_ref().is_none_or(|file| !is_at(file, &self.path)) {
            self.open = Some(OpenOptions::new().append(true).create(true).open(&self.path)?);
        }
        let Some(file) = &mut self.open else {
            return Ok(());
        };
        let before = file.metadata()?.len();
        let written = file.write_all(text).and_then(|()| file.sync_data());
        if written.is_err() {
            // The error that is told is the first; if this fails, too, the text is there twice in part.
            let _ = file.set_len(before);
        }
        written
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    let identity = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    let (open, there) = (file.metadata(), std::fs::metadata(path));
    matches!((open.map(identity), there.map(identity)), (Ok(open), Ok(there)) if open == there)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn appender(path: &Path) -> Appender {
        Appender {
            path: path.to_owned(),
            open: None,
        }
    }

    #[test]
    fn a_file_that_was_rotated_away_is_opened_anew() {
        let dir = tempfile::tempdir().unwrap();
        let (path, old) = (dir.path().join("out"), dir.path().join("out.1"));
        let mut appender = appender(&path);
        appender.append(b"one\n").unwrap();
        std::fs::rename(&path, &old).unwrap();
        appender.append(b"two\n").unwrap();
        assert_eq!(std::fs::read(&old).unwrap(), b"one\n");
        assert_eq!(std::fs::read(&path).unwrap(), b"two\n");
    }

    #[test]
    fn what_can_not_be_written_leaves_no_part_behind() {
        // A device that is always full.
        let error = appender(Path::new("/dev/full")).append(b"line\n").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        let missing = appender(Path::new("/no/such/directory/out")).append(b"line\n");
        assert_eq!(missing.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
