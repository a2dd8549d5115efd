//! Saved positions of one flow whose files weren't found yet: which of them is a file's? By inode, since there may be tens of
//! thousands; a copy has another one, and is looked for among all.

use std::collections::BTreeMap;

use crate::positions::{FilePosition, Hashed, RecordId};
use crate::reading::facts::FileKey;

use super::head::LEAST_HEAD;

#[derive(Debug, Default)]
pub(super) struct Unclaimed {
    /// None is empty.
    by_inode: BTreeMap<u64, Vec<(RecordId, FilePosition)>>,
}

/// A file that may have a position, with a look into its content.
pub(crate) struct Candidate<'a> {
    pub(crate) key: FileKey,
    pub(crate) size: u64,
    pub(crate) head: &'a [u8],
    /// Hashes bytes of the file by offset and length.
    pub(crate) hash: &'a dyn Fn(u64, u32) -> Option<Hashed>,
}

impl Unclaimed {
    pub(super) fn insert(&mut self, record: RecordId, position: FilePosition) {
        self.by_inode
            .entry(position.inode)
            .or_default()
            .push((record, position));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_inode.is_empty()
    }

    pub(super) fn has(&self, inode: u64) -> bool {
        self.by_inode.contains_key(&inode)
    }

    pub(super) fn knows(&self, key: FileKey) -> bool {
        let mut known = self.by_inode.get(&key.inode).into_iter().flatten();
        known.any(|(_, saved)| has_birth(saved, key))
    }

    /// The position of the same file by inode and head, or else of what it may be a copy of by head and tail.
    pub(super) fn claim(&mut self, file: &Candidate<'_>, may_be_copy: bool) -> Option<(RecordId, FilePosition)> {
        let same = self.place(file.key.inode, |saved| is_same(saved, file));
        let (inode, at) = same.or_else(|| {
            if !may_be_copy {
                return None;
            }
            let mut inodes = self.by_inode.keys();
            inodes.find_map(|inode| self.place(*inode, |saved| is_copy(saved, file)))
        })?;
        let list = self.by_inode.get_mut(&inode)?;
        let claimed = list.swap_remove(at);
        if list.is_empty() {
            self.by_inode.remove(&inode);
        }
        Some(claimed)
    }

    fn place(&self, inode: u64, is_it: impl Fn(&FilePosition) -> bool) -> Option<(u64, usize)> {
        let list = self.by_inode.get(&inode)?;
        let at = list.iter().position(|(_, saved)| is_it(saved))?;
        Some((inode, at))
    }

    /// Those last seen before a time, in seconds since the Unix epoch.
    pub(super) fn expire(&mut self, oldest: i64) -> Vec<(RecordId, FilePosition)> {
        let mut expired = Vec::new();
        self.by_inode.retain(|_, list| {
            expired.extend(list.extract_if(.., |(_, position)| position.last_seen < oldest));
            !list.is_empty()
        });
        expired
    }
}

fn is_same(saved: &FilePosition, file: &Candidate<'_>) -> bool {
    saved.inode == file.key.inode
        && has_birth(saved, file.key)
        && saved.offset <= file.size
        && has_head(saved, file)
        && tail_of(saved, file).is_none_or(|tail| tail == saved.tail)
}

/// Some file systems know no time of birth.
fn has_birth(saved: &FilePosition, key: FileKey) -> bool {
    saved.birth == key.birth || saved.birth == 0 || key.birth == 0
}

/// What stands where the position's last bytes stood; `None` where none are known or can be read.
fn tail_of(saved: &FilePosition, file: &Candidate<'_>) -> Option<Hashed> {
    let length = Some(saved.tail.length).filter(|&length| length > 0)?;
    (file.hash)(saved.offset.checked_sub(length.into())?, length)
}

/// Also a file that was moved to another file system, or restored.
fn is_copy(saved: &FilePosition, file: &Candidate<'_>) -> bool {
    let tail = saved.tail;
    saved.head.length as usize >= LEAST_HEAD
        && tail.length > 0
        && saved.offset <= file.size
        && has_head(saved, file)
        && tail_of(saved, file) == Some(tail)
}

fn has_head(saved: &FilePosition, file: &Candidate<'_>) -> bool {
    let length = saved.head.length as usize;
    length <= file.head.len() && Hashed::of(&file.head[..length]) == saved.head
}
