//! Writing and reading the harness's small files.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// How much of a log's end is looked at for its last lines.
const TAIL_BYTES: u64 = 64 * 1024;

/// Writes a file that its owner only may read, whatever the umask.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?
        .write_all(content)
}

/// The last `count` lines of a text.
pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// The last `count` lines of a file that may be large. A file that can't be read says why instead.
pub(crate) fn tail(path: &Path, count: usize) -> String {
    let read = || {
        let mut file = fs::File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        io::Result::Ok(bytes)
    };
    match read() {
        Ok(bytes) => last_lines(&String::from_utf8_lossy(&bytes), count),
        Err(error) => format!("(cannot read {}: {error})", path.display()),
    }
}

/// Removes a folder and all that is in it. Tries again for a while: mounts of a namespace that has just ended are let
/// go a moment later.
pub(crate) fn remove_folder(path: &Path, within: Duration) -> io::Result<()> {
    let deadline = Instant::now() + within;
    loop {
        match fs::remove_dir_all(path) {
            Ok(()) => return Ok(()),
            // Not the kind of the error: somebody else may be removing the same folder, file by file.
            Err(_) if !path.exists() => return Ok(()),
            Err(error) if Instant::now() >= deadline => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_long_log_is_its_last_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let lines: Vec<String> = (0..20_000).map(|number| format!("line {number}")).collect();
        fs::write(&path, lines.join("\n")).unwrap();
        assert_eq!(tail(&path, 2), "line 19998\nline 19999");
        assert_eq!(last_lines("one\n", 5), "one");
        assert_eq!(last_lines("", 5), "");
    }

    #[test]
    fn removing_what_is_gone_already_is_no_error() {
        remove_folder(Path::new("/nowhere/at/all"), Duration::ZERO).unwrap();
    }
}
