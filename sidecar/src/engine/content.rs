//! Whether a file still holds what was read of it. Applications truncate and fill again while it is being read.

use std::ops::Range;
use std::os::fd::AsFd;

use rustix::fs::SeekFrom;
use rustix::io::Errno;

use crate::positions::Hashed;
use crate::reading::facts::Facts;

use super::cursor::Cursor;
use super::files::File;

/// How many bytes before the cursor are compared. Lines that are all of one length differ in their first bytes only.
const LOOK_BACK: usize = 512;
/// How much of a file is looked through at once.
const STEP: usize = 64 << 10;
/// A row of zeros that is longer is no hole's end: a writer has written them.
const MOST_ZEROS: u64 = 16 << 20;

/// Whether the bytes before the cursor are those that were read.
pub(super) fn is_continued(cursor: &Cursor, file: &File) -> Result<bool, Errno> {
    let Some(fd) = file.fd() else { return Ok(true) };
    let recent = cursor.recent();
    if recent.is_empty() {
        return Ok(has_tail(cursor, file) && (cursor.read > 0 || has_known_head(file)?));
    }
    let known = &recent[recent.len().saturating_sub(LOOK_BACK)..];
    let mut bytes = [0; LOOK_BACK];
    let got = rustix::io::pread(fd, &mut bytes[..known.len()], cursor.read - known.len() as u64)?;
    Ok(bytes[..got] == *known)
}

/// The same for a cursor that has read nothing yet: another one may have.
fn has_known_head(file: &File) -> Result<bool, Errno> {
    let Some(fd) = file.fd() else { return Ok(true) };
    let known = file.head.start();
    let mut bytes = vec![0; known.len()];
    let got = rustix::io::pread(fd, &mut bytes, 0)?;
    Ok(bytes[..got] == *known)
}

/// Whether the file has less than was known of it. Nothing else tells a cursor that has read nothing yet that the content is
/// another one by now, where nobody has read of the former.
pub(super) fn is_cut(cursor: &Cursor, file: &File) -> Result<bool, Errno> {
    match file.fd().filter(|_| cursor.read == 0) {
        Some(fd) => Ok(Facts::of(fd)?.size < file.size),
        None => Ok(false),
    }
}

/// The same for a cursor that begins at a saved position: of what stands before it only the hash is known.
fn has_tail(cursor: &Cursor, file: &File) -> bool {
    let tail = cursor.settled.tail;
    if tail.length == 0 || cursor.read != cursor.settled.offset {
        return true;
    }
    let from = cursor.read.checked_sub(u64::from(tail.length));
    from.and_then(|from| hash_at(file, from, tail.length)) == Some(tail)
}

/// The hash of a part of the file; none where it isn't there.
pub(super) fn hash_at(file: &File, offset: u64, length: u32) -> Option<Hashed> {
    hash_of(file.fd()?, offset, length)
}

pub(super) fn hash_of(fd: impl AsFd, offset: u64, length: u32) -> Option<Hashed> {
    let mut bytes = vec![0; length as usize];
    let got = rustix::io::pread(fd, &mut bytes, offset).ok()?;
    (got == bytes.len()).then(|| Hashed::of(&bytes))
}

/// The offset of the first byte that isn't part of a hole at `offset`, as a writer without `O_APPEND` leaves it after a
/// truncate.
///
/// A file system may have given blocks to a part of the hole, so zeros at its end belong to it, too. A single zero is no
/// hole: so begins text in UTF-16BE.
pub(super) fn end_of_hole(file: &File, offset: u64) -> Option<u64> {
    let fd = file.fd()?;
    let mut byte = [0xff];
    if rustix::io::pread(fd, &mut byte, offset) != Ok(1) || byte != [0] {
        return None;
    }
    let data = rustix::fs::seek(fd, SeekFrom::Data(offset)).ok()?;
    let mut bytes = vec![0; STEP];
    let mut at = data;
    while at - data < MOST_ZEROS {
        let got = rustix::io::pread(fd, &mut bytes, at).ok().filter(|got| *got > 0)?;
        match bytes[..got].iter().position(|byte| *byte != 0) {
            Some(zeros) => return Some(at + zeros as u64).filter(|end| end - offset > 1),
            None => at += got as u64,
        }
    }
    None
}

/// The hole that begins at `offset`, if there is text after it.
pub(super) fn hole_at(file: &File, offset: u64) -> Option<Range<u64>> {
    // A file without holes takes at least as much room as it is long.
    let fd = file.fd().filter(|_| offset < file.size && file.allocated < file.size)?;
    let start = rustix::fs::seek(fd, SeekFrom::Hole(offset)).ok()?;
    let end = end_of_hole(file, offset).filter(|_| start == offset)?;
    Some(offset..end)
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, SeekFrom as StdSeekFrom, Write};

    use super::*;
    use crate::engine::clock::Now;
    use crate::engine::files::Files;

    fn file(write: impl FnOnce(&mut std::fs::File)) -> Option<u64> {
        let mut file = tempfile::tempfile().unwrap();
        write(&mut file);
        let facts = Facts::of(&file).unwrap();
        let mut files = Files::default();
        let id = files.insert(file.into(), &facts, Vec::new(), Now::read());
        end_of_hole(files.get(id).unwrap(), 0)
    }

    #[test]
    fn a_hole_ends_where_something_was_written() {
        let at = |offset: u64| {
            file(|file| {
                file.seek(StdSeekFrom::Start(offset)).unwrap();
                file.write_all(b"line\n").unwrap();
            })
        };
        assert_eq!((at(2), at(70_000), at(3 << 20)), (Some(2), Some(70_000), Some(3 << 20)));
        assert_eq!(at(1), None, "perhaps the first half of a character");
        assert_eq!(at(0), None);
        let written = file(|file| {
            file.write_all(&[vec![0; 300_000], b"line\n".to_vec()].concat())
                .unwrap();
        });
        assert_eq!(written, Some(300_000), "blocks that were given to the hole");
        assert_eq!(
            file(|file| file.set_len(5_000).unwrap()),
            None,
            "nothing was written yet"
        );
        assert_eq!(file(|_| ()), None);
    }
}
