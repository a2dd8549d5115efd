//! A log file that is rotated by rename when it has grown enough, as log4j, logback and logrotate do by default.
//!
//! `access.log` becomes `access.log.1`, the one before becomes `access.log.2`, and the oldest is removed. The program
//! then writes to a new `access.log`. A record is never split over two files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// When a file is rotated and how many old ones stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A record that would make the file larger than this goes to a new file.
    pub bytes: u64,
    /// Rotated files that are kept.
    pub keep: u32,
}

/// The current file of a log.
#[derive(Debug)]
pub struct RotatingFile {
    path: PathBuf,
    limits: Limits,
    file: File,
    length: u64,
}

impl RotatingFile {
    /// Opens the log for appending; what an earlier run wrote stays.
    pub fn open(path: PathBuf, limits: Limits) -> io::Result<Self> {
        let file = append_to(&path)?;
        let length = file.metadata()?.len();
        Ok(Self {
            path,
            limits,
            file,
            length,
        })
    }

    /// Writes one whole record, which ends with a newline, with one call to the system: a reader of the file sees
    /// half a line only where the disk is full. Where the file can't be rotated it grows on.
    pub fn write(&mut self, record: &str) -> io::Result<()> {
        let size = record.len() as u64;
        let is_full = self.length > 0 && self.length + size > self.limits.bytes;
        let rotated = if is_full { self.rotate() } else { Ok(()) };
        self.file.write_all(record.as_bytes())?;
        self.length += size;
        rotated
    }

    fn rotate(&mut self) -> io::Result<()> {
        let Limits { keep, .. } = self.limits;
        if keep == 0 {
            fs::remove_file(&self.path)?;
        }
        for number in (0..keep).rev() {
            let from = numbered(&self.path, number);
            match fs::rename(&from, numbered(&self.path, number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.file = append_to(&self.path)?;
        self.length = 0;
        Ok(())
    }
}

/// `access.log` for 0, else `access.log.<number>`.
fn numbered(path: &Path, number: u32) -> PathBuf {
    if number == 0 {
        return path.to_owned();
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names and contents of a folder, in the order of the names.
    fn files(folder: &Path) -> Vec<(String, String)> {
        let mut files: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| {
                (
                    path.file_name().unwrap().to_str().unwrap().to_owned(),
                    fs::read_to_string(&path).unwrap(),
                )
            })
            .collect();
        files.sort();
        files
    }

    fn written(keep: u32, records: &[&str]) -> Vec<(String, String)> {
        let folder = tempfile::tempdir().unwrap();
        let mut log = RotatingFile::open(folder.path().join("a.log"), Limits { bytes: 6, keep }).unwrap();
        for record in records {
            log.write(record).unwrap();
        }
        files(folder.path())
    }

    fn owned(files: &[(&str, &str)]) -> Vec<(String, String)> {
        files
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect()
    }

    #[test]
    fn records_go_to_a_new_file_before_the_old_one_grows_over_the_limit() {
        let expected = owned(&[("a.log", "three\n"), ("a.log.1", "1\n2\n")]);
        assert_eq!(written(3, &["1\n", "2\n", "three\n"]), expected);
    }

    #[test]
    fn the_oldest_files_are_removed() {
        let expected = owned(&[("a.log", "five5\n"), ("a.log.1", "four4\n"), ("a.log.2", "three\n")]);
        assert_eq!(
            written(2, &["one11\n", "two22\n", "three\n", "four4\n", "five5\n"]),
            expected
        );
    }

    #[test]
    fn with_none_kept_only_the_current_file_exists() {
        assert_eq!(written(0, &["one11\n", "two22\n"]), owned(&[("a.log", "two22\n")]));
    }

    #[test]
    fn a_record_over_the_limit_has_a_file_of_its_own() {
        let expected = owned(&[("a.log", "2\n"), ("a.log.1", "a long record\n")]);
        assert_eq!(written(3, &["a long record\n", "2\n"]), expected);
    }

    #[test]
    fn a_log_that_cannot_be_rotated_grows_on_and_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = RotatingFile::open(folder.path().join("a.log"), Limits { bytes: 6, keep: 1 }).unwrap();
        fs::create_dir(folder.path().join("a.log.1")).unwrap();
        log.write("one11\n").unwrap();
        assert!(log.write("two22\n").is_err());
        assert_eq!(
            fs::read_to_string(folder.path().join("a.log")).unwrap(),
            "one11\ntwo22\n"
        );
    }

    #[test]
    fn a_second_run_appends_and_counts_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        for record in ["1\n", "2\n", "3\n", "4\n"] {
            let mut log = RotatingFile::open(folder.path().join("a.log"), Limits { bytes: 6, keep: 1 }).unwrap();
            log.write(record).unwrap();
        }
        assert_eq!(
            files(folder.path()),
            owned(&[("a.log", "4\n"), ("a.log.1", "1\n2\n3\n")])
        );
    }
}
