//! Giving delivered text back to the volume by punching holes: which files, and the calls. What can be given back is
//! decided by [`reclaim`](super::reclaim).
//!
//! A file's hole grows if one of the pipelines that follow it asks for that, and never beyond what the slowest
//! destination of all of them has taken and this process has saved to the disk. Right before, the file must be as long
//! as it was and have the bytes that were read. What remains: an application that truncates and fills again between that
//! look and the punch, a few microseconds, loses what it writes there.
//!
//! Files are opened for writing through our own descriptor of them (`/proc/self/fd`), so no name that was planted
//! meanwhile can lead elsewhere, and deleted files can be shortened too. The descriptor is kept: closing it would look
//! like the application closing its own.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use pipeline::config::Reclaim;
use pipeline::report::{MAX_UNREADABLE, ReclaimReport, Unreadable};
use rustix::fs::{FallocateFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::reading::facts::Facts;

use super::Engine;
use super::clock::Now;
use super::content::hash_at;
use super::cursor::Position;
use super::files::{File, FileId, Files};
use super::head::HEAD;
use super::reclaim::{LEAST_FILE, Obstacle};
use super::running::Running;
use crate::positions::RecordId;

/// Positions are synced each time, so not too often,
const EVERY: Duration = Duration::from_millis(250);
/// but before a fast writer has filled a small volume meanwhile.
const AT_LEAST_EVERY: u64 = 8 << 20;
/// What failed is tried again then: somebody may have changed the file's mode.
const AGAIN: Duration = Duration::from_secs(30);
/// Files that are open for writing at once.
const GRIPS: usize = 16;

/// What the engine keeps for reclaiming.
#[derive(Debug)]
pub(super) struct Reclaimer {
    looked_at: Instant,
    /// Something was settled since: so many bytes, if it is known.
    stirred: Option<u64>,
    /// Opened for writing, the latest last.
    grips: Vec<(FileId, OwnedFd)>,
    /// What was given back so far, by pipeline.
    bytes: BTreeMap<String, u64>,
}

/// One file's next piece.
struct Piece {
    file: FileId,
    range: Range<u64>,
    /// What its slowest reader needs.
    slowest: Position,
    /// Of all its readers.
    positions: Vec<RecordId>,
}

enum Punched {
    Done,
    /// It isn't what was read.
    Changed,
}

impl Reclaimer {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            looked_at: now,
            stirred: None,
            grips: Vec::new(),
            bytes: BTreeMap::new(),
        }
    }

    /// There may be something to give back: so many bytes were settled since the last time.
    pub(super) fn stir(&mut self, settled: u64) {
        self.stirred = Some(self.stirred.unwrap_or(0) + settled);
    }

    /// When to look.
    pub(super) fn next(&self) -> Option<Instant> {
        let settled = self.stirred?;
        let pause = if settled < AT_LEAST_EVERY {
            EVERY
        } else {
            Duration::ZERO
        };
        Some(self.looked_at + pause)
    }

    /// Lets go of what isn't read any more: a deleted file takes room as long as anybody has it open.
    fn loosen(&mut self, files: &Files) {
        self.grips
            .retain(|(id, _)| files.get(*id).is_some_and(|file| file.fd().is_some()));
    }

    fn grip(&mut self, id: FileId, fd: &OwnedFd) -> Result<BorrowedFd<'_>, Errno> {
        let grip = match self.grips.iter().position(|(known, _)| *known == id) {
            Some(at) => self.grips.remove(at).1,
            None => open_for_writing(fd)?,
        };
        if self.grips.len() >= GRIPS {
            self.grips.remove(0);
        }
        self.grips.push((id, grip));
        self.grips.last().map(|(_, grip)| grip.as_fd()).ok_or(Errno::BADF)
    }
}

impl Engine {
    /// Gives back what nobody needs any more.
    pub(super) fn reclaim(&mut self, now: Now) {
        let is_due = self.reclaimer.next().is_some_and(|at| at <= now.instant);
        // In the end it is of no use, and the application may be gone together with its volume.
        if !is_due || self.draining.is_some() {
            return;
        }
        (self.reclaimer.stirred, self.reclaimer.looked_at) = (None, now.instant);
        self.reclaimer.loosen(&self.files);
        for piece in self.pieces(now.instant) {
            if self.is_on_disk(&piece, now) {
                self.give_back(&piece, now);
            }
        }
    }

    /// A process that is killed after the punch must not begin inside the hole. On a full disk some positions may find no
    /// room; the others are enough to make some.
    fn is_on_disk(&mut self, piece: &Piece, now: Now) -> bool {
        self.saved.as_mut().is_some_and(|saved| {
            saved.flush_all(now);
            piece.positions.iter().all(|record| saved.is_on_disk(*record))
        })
    }

    fn pieces(&self, now: Instant) -> Vec<Piece> {
        let asking = self.running.iter().filter(|running| asks(running));
        let sources = asking.flat_map(|running| &running.sources);
        let ids: BTreeSet<_> = sources.flat_map(|source| source.tails.keys().copied()).collect();
        let large = ids.into_iter().filter_map(|id| {
            let file = self.files.get(id)?;
            (file.fd().is_some() && file.size >= LEAST_FILE && !file.reclaimed.is_left_alone()).then_some((id, file))
        });
        large
            .filter_map(|(id, file)| {
                let (needed, positions): (Vec<_>, Vec<_>) = self.needed(id)?.into_iter().unzip();
                let slowest = needed.into_iter().min_by_key(|position| position.offset)?;
                Some(Piece {
                    file: id,
                    range: file.reclaimed.next(file.size, slowest.offset, now)?,
                    slowest,
                    positions,
                })
            })
            .collect()
    }

    /// What everybody who takes a file needs of it; `None` if somebody hasn't begun.
    fn needed(&self, id: FileId) -> Option<Vec<(Position, RecordId)>> {
        let mut needed = Vec::new();
        for running in &self.running {
            for source in &running.sources {
                let Some(tail) = source.tails.get(&id) else {
                    continue;
                };
                if self.is_refused_elsewhere(&tail.origin.path) {
                    return None;
                }
                for lane in running.lanes.iter().filter(|lane| lane.takes(&source.config.name)) {
                    needed.push(lane.needs_from(source.id, id)?);
                }
            }
        }
        Some(needed)
    }

    /// A source wants a file of this path and can't have it yet, for want of a descriptor perhaps.
    fn is_refused_elsewhere(&self, path: &str) -> bool {
        let mut sources = self.running.iter().flat_map(|running| &running.sources);
        sources.any(|source| source.unreadable.contains_key(path))
    }

    fn give_back(&mut self, piece: &Piece, now: Now) {
        let Some(file) = self.files.get_mut(piece.file) else {
            return;
        };
        let Some(fd) = file.fd() else { return };
        let grip = self.reclaimer.grip(piece.file, fd);
        match grip.and_then(|grip| punch(file, grip, piece)) {
            Ok(Punched::Done) => {
                file.reclaimed.gave(&piece.range);
                let bytes = piece.range.end - piece.range.start;
                let asking = self.running.iter().filter(|running| asks(running));
                for running in asking.filter(|running| running.follows(piece.file)) {
                    *self.reclaimer.bytes.entry(running.pipeline.name.clone()).or_default() += bytes;
                }
            }
            Ok(Punched::Changed) => {
                file.reclaimed.leave_alone();
                self.dirty.insert(piece.file);
            }
            Err(errno) => self.cannot(piece.file, errno, now),
        }
    }

    fn cannot(&mut self, id: FileId, errno: Errno, now: Now) {
        let Some(file) = self.files.get_mut(id) else {
            return;
        };
        let obstacle = obstacle(file, errno);
        let is_news = file.reclaimed.obstacle() != Some(&obstacle);
        let mut tails = self.running.iter().flat_map(|running| &running.sources);
        let path = tails
            .find_map(|source| source.tails.get(&id))
            .map(|tail| &tail.origin.path);
        if let Some(path) = path.filter(|_| is_news) {
            tracing::warn!(%path, error = %obstacle, "delivered text can't be given back to the volume");
        }
        file.reclaimed.fail(obstacle, now.instant + AGAIN);
    }

    /// For pipelines that ask for it.
    pub(super) fn reclaim_report(&self, running: &Running) -> Option<ReclaimReport> {
        let tails = running.sources.iter().flat_map(|source| &source.tails);
        let failed = tails.filter_map(|(id, tail)| {
            let obstacle = self.files.get(*id)?.reclaimed.obstacle()?;
            Some(Unreadable {
                path: tail.origin.path.clone(),
                error: obstacle.to_string(),
            })
        });
        asks(running).then(|| ReclaimReport {
            reclaimed_bytes: self.reclaimer.bytes.get(&running.pipeline.name).copied().unwrap_or(0),
            failed: failed.take(MAX_UNREADABLE).collect(),
        })
    }
}

pub(super) fn asks(running: &Running) -> bool {
    running.pipeline.reclaim == Reclaim::AfterDelivery
}

fn open_for_writing(fd: &OwnedFd) -> Result<OwnedFd, Errno> {
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    rustix::fs::open(format!("/proc/self/fd/{}", fd.as_raw_fd()), flags, Mode::empty())
}

fn punch(file: &File, grip: BorrowedFd<'_>, piece: &Piece) -> Result<Punched, Errno> {
    let facts = Facts::of(grip)?;
    if facts.id != file.key || facts.size < file.size || !is_as_read(file, &piece.slowest) {
        return Ok(Punched::Changed);
    }
    let Range { start, end } = piece.range;
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    rustix::io::retry_on_intr(|| rustix::fs::fallocate(grip, flags, start, end - start))?;
    Ok(Punched::Done)
}

/// The beginning, and what stands before the position, as far as it is known.
fn is_as_read(file: &File, slowest: &Position) -> bool {
    let head = file.head.hash(HEAD as u64);
    let tail = slowest.tail;
    let has_tail = tail.length == 0 || {
        let from = slowest.offset.checked_sub(u64::from(tail.length));
        from.and_then(|from| hash_at(file, from, tail.length)) == Some(tail)
    };
    hash_at(file, 0, head.length) == Some(head) && has_tail
}

fn obstacle(file: &File, errno: Errno) -> Obstacle {
    let owner = file.fd().and_then(|fd| Facts::of(fd).ok()).map(|facts| facts.owner);
    match (errno, owner) {
        (Errno::ROFS, _) => Obstacle::ReadOnly,
        (Errno::ACCESS | Errno::PERM, Some(owner)) => Obstacle::Denied(owner),
        (Errno::OPNOTSUPP | Errno::NOSYS, _) => Obstacle::Unsupported,
        (errno, _) => Obstacle::System(errno),
    }
}
