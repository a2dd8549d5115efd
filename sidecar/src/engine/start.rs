//! Where to begin in a file: at a saved position, where a copy was read to, at its beginning or its end.

use std::os::fd::AsFd;

use pipeline::source::StartAt;

use crate::positions::{ContentKey, Hashed, PathHash, RecordId, SavedMarks};
use crate::reading::charset::Charset;
use crate::reading::lines::LineState;

use super::content::hash_at;
use super::copies::copied;
use super::cursor::{CursorId, Position, TAIL};
use super::files::{File, Files};
use super::head::HEAD;
use super::lane::Lane;
use super::marks::Marks;
use super::saved::Saved;
use super::source::Source;
use super::unclaimed::Candidate;

#[derive(Clone, Debug, Default)]
pub(super) struct Start {
    pub(super) position: Position,
    pub(super) record: Option<RecordId>,
    /// As an earlier process named it.
    pub(super) content: ContentKey,
    pub(super) path: PathHash,
    /// When the byte there was first seen by an earlier process.
    pub(super) pending_since: Option<i64>,
    /// And those after it.
    pub(super) marks: SavedMarks,
    /// The file is a copy of what this cursor reads, or read.
    pub(super) copy_of: Option<CursorId>,
}

/// The first bytes of a file; what can't be read now is read with the lines.
pub(super) fn read_head(fd: impl AsFd, length: usize) -> Vec<u8> {
    let mut head = vec![0; length];
    let got = rustix::io::pread(fd, &mut head, 0).unwrap_or(0);
    head.truncate(got);
    head.shrink_to_fit();
    head
}

/// Where a lane begins in a file that it doesn't follow yet.
pub(super) fn find(lane: &Lane, source: &Source, (file, files): (&File, &Files), saved: &mut Saved) -> Option<Start> {
    let flow = lane.flows.get(&source.id)?;
    let hash = |offset, length| hash_at(file, offset, length);
    let head = file.fd().map_or_else(Vec::new, |fd| read_head(fd, HEAD));
    let candidate = Candidate {
        key: file.key,
        size: file.size,
        head: &head,
        hash: &hash,
    };
    if let Some((record, position)) = saved.claim(flow.key, &candidate) {
        return Some(Start {
            position: Position {
                offset: position.offset,
                state: position.state,
                tail: position.tail,
            },
            record: Some(record),
            content: position.content,
            path: position.path,
            pending_since: (position.pending_since > 0).then_some(position.pending_since),
            marks: position.marks,
            copy_of: None,
        });
    }
    let (position, copy_of) = match copied(lane, source, &candidate, files) {
        Some((position, original)) => (position, Some(original)),
        None => (beginning(source, file, saved.counters(flow.key).is_none()), None),
    };
    Some(Start {
        position,
        record: None,
        content: ContentKey::default(),
        path: PathHash::default(),
        pending_since: None,
        marks: SavedMarks::default(),
        copy_of,
    })
}

/// Takes over what earlier processes knew of when a file's bytes were written.
pub(super) fn recall(starts: &[Option<Start>], marks: &mut Marks) {
    let starts = || starts.iter().flatten();
    let known = starts().filter(|start| !start.marks.list.is_empty());
    if let Some(start) = known.min_by_key(|start| start.position.offset) {
        marks.were_seen(&start.marks);
    }
    if let Some(since) = starts().filter_map(|start| start.pending_since).min() {
        marks.waits_since(since);
    }
}

/// The path that a file was first matched as, by this process or an earlier one: rotation appends to a name, and the name
/// itself is another file's now.
pub(super) fn first_path<'a>(starts: &[Option<Start>], source: &Source, path: &'a str) -> &'a str {
    let mut known = starts
        .iter()
        .flatten()
        .map(|start| start.path)
        .filter(|path| path.is_known());
    let Some(first) = known.next().filter(|first| *first != PathHash::of(path)) else {
        return path;
    };
    let name = path.rfind('/').map_or(0, |slash| slash + 1);
    let ends = path.char_indices().map(|(at, _)| at).filter(|at| *at > name).rev();
    let mut before = ends.map(|end| &path[..end]);
    let is_first = |path: &&str| PathHash::of(path) == first && source.walk.matches(path);
    before.find(is_first).unwrap_or(path)
}

/// Where reading begins in a file that nothing is known of.
fn beginning(source: &Source, file: &File, is_first_sight: bool) -> Position {
    match source.config.start_at {
        Some(StartAt::End) if is_first_sight => end(file, source.charset.of_file(file.head.start())),
        _ => Position::default(),
    }
}

/// The end of what is there, which is known again by the bytes before it. Unless a line ends there, what comes first is the rest of one.
pub(super) fn end(file: &File, charset: Charset) -> Position {
    let newline = charset.newline_bytes();
    let length = newline.len() as u64;
    let last = file
        .size
        .checked_sub(length)
        .and_then(|last| hash_at(file, last, u32::try_from(length).ok()?));
    let tail_length = file.size.min(TAIL as u64);
    let tail = u32::try_from(tail_length)
        .ok()
        .and_then(|length| hash_at(file, file.size - tail_length, length));
    let is_between = file.size == 0 || last == Some(Hashed::of(newline));
    Position {
        offset: file.size,
        state: if is_between {
            LineState::Fresh
        } else {
            LineState::RestOfPartial
        },
        tail: tail.unwrap_or_default(),
    }
}
