//! `reclaim: AfterDelivery`: which part of a file nobody needs any more, so that its blocks can be given back to the
//! volume while the application goes on writing at its end. Pure; [`punch`](super::punch) does it.
//!
//! What is given back is one hole that always begins at the same place and only grows:
//!
//! ```text
//! 0       64 KiB                 slowest position, less 4 KiB            size
//! |  kept  | hole, in whole blocks |  kept: somebody still needs it       |
//!                                          at least the last 1 MiB ------>|
//! ```
//!
//! The first bytes are kept because a file is known again by them, those before a position because a rewritten file is
//! told by them, the last ones because a writer may be just about to cut and fill them. A file that was once
//! shorter than before is left alone from then on: whoever truncates may do it between our look and our punch.

use std::ops::Range;
use std::time::Instant;

use rustix::io::Errno;

use super::cursor::TAIL;
use crate::reading::facts::Owner;

/// Never given back: the beginning of a file.
pub(crate) const HEAD_KEPT: u64 = 64 << 10;
/// Nor its end.
const LAST_KEPT: u64 = 1 << 20;
/// A multiple of the blocks of every file system; a part of a block can't be given back.
const BLOCK: u64 = 64 << 10;
/// Less is not worth the calls.
const LEAST: u64 = 1 << 20;
/// No smaller file has anything to give.
pub(crate) const LEAST_FILE: u64 = HEAD_KEPT + LEAST + LAST_KEPT;

/// What was given back of one file, by this process or an earlier one.
#[derive(Debug, Default)]
pub(crate) struct Reclaimed {
    hole: Option<Range<u64>>,
    is_left_alone: bool,
    failed: Option<Box<(Obstacle, Instant)>>,
}

/// Why nothing can be given back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Obstacle {
    #[error("its volume is mounted read-only here")]
    ReadOnly,
    #[error("we may not write to it: {0}")]
    Denied(Owner),
    #[error("its file system can't punch holes")]
    Unsupported,
    #[error("{0}")]
    System(Errno),
}

impl Reclaimed {
    /// A file was found with a hole where one of ours would be.
    pub(crate) fn found(hole: Option<Range<u64>>) -> Self {
        Self {
            hole,
            ..Self::default()
        }
    }

    /// What can be given back of a file of `size` bytes whose slowest reader needs everything from `slowest` on.
    pub(crate) fn next(&self, size: u64, slowest: u64, now: Instant) -> Option<Range<u64>> {
        let waits = self.failed.as_ref().is_some_and(|failed| now < failed.1);
        if self.is_left_alone || waits {
            return None;
        }
        let given = self.hole.as_ref().map_or(0, |hole| hole.end / BLOCK * BLOCK);
        let start = given.max(HEAD_KEPT);
        let needed = slowest.saturating_sub(TAIL as u64);
        let end = needed.min(size.saturating_sub(LAST_KEPT)) / BLOCK * BLOCK;
        (end >= start + LEAST).then_some(start..end)
    }

    pub(crate) fn gave(&mut self, range: &Range<u64>) {
        self.failed = None;
        let start = self.hole.as_ref().map_or(range.start, |hole| hole.start);
        self.hole = Some(start..range.end);
    }

    /// It isn't tried before `again`.
    pub(crate) fn fail(&mut self, obstacle: Obstacle, again: Instant) {
        self.failed = Some(Box::new((obstacle, again)));
    }

    pub(crate) fn obstacle(&self) -> Option<&Obstacle> {
        self.failed.as_ref().map(|failed| &failed.0)
    }

    pub(crate) fn leave_alone(&mut self) {
        (self.is_left_alone, self.failed) = (true, None);
    }

    pub(crate) const fn is_left_alone(&self) -> bool {
        self.is_left_alone
    }

    /// The content was replaced: the hole is gone with it.
    pub(crate) fn content_began_anew(&mut self) {
        self.hole = None;
        self.leave_alone();
    }

    /// The end of the hole if it isn't behind `offset`.
    pub(crate) fn hole_ahead(&self, offset: u64) -> Option<u64> {
        self.hole.as_ref().map(|hole| hole.end).filter(|end| offset < *end)
    }

    /// How far whoever reads at `offset` finds text in a file of `size` bytes.
    pub(crate) fn text_end(&self, offset: u64, size: u64) -> u64 {
        match &self.hole {
            Some(hole) if offset < hole.end => hole.start.max(offset).min(size),
            _ => size,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIB: u64 = 1 << 20;

    fn next(given: Option<Range<u64>>, size: u64, slowest: u64) -> Option<Range<u64>> {
        Reclaimed::found(given).next(size, slowest, Instant::now())
    }

    #[test]
    fn only_what_everybody_has_is_given_back() {
        let cases = [
            (None, 10 * MIB, 10 * MIB, Some(HEAD_KEPT..9 * MIB)),
            (None, 10 * MIB, 5 * MIB, Some(HEAD_KEPT..5 * MIB - BLOCK)),
            (None, 10 * MIB, 5 * MIB + 4096, Some(HEAD_KEPT..5 * MIB)),
            (None, 10 * MIB, 0, None),
            (None, LEAST_FILE - 1, LEAST_FILE - 1, None),
            (None, LEAST_FILE, LEAST_FILE, Some(HEAD_KEPT..HEAD_KEPT + MIB)),
            (Some(HEAD_KEPT..8 * MIB), 10 * MIB, 10 * MIB, Some(8 * MIB..9 * MIB)),
            (Some(HEAD_KEPT..8 * MIB + 1), 10 * MIB, 10 * MIB, Some(8 * MIB..9 * MIB)),
            (Some(HEAD_KEPT..8 * MIB), 10 * MIB - 1, 10 * MIB - 1, None),
        ];
        for (given, size, slowest, expected) in cases {
            assert_eq!(
                next(given.clone(), size, slowest),
                expected,
                "{given:?} {size} {slowest}"
            );
        }
    }

    proptest! {
        #[test]
        fn beginning_end_and_what_is_needed_are_never_given_back(
            size in 0..40 * MIB, slowest in 0..40 * MIB, given in proptest::option::of(HEAD_KEPT..40 * MIB),
        ) {
            let given = given.map(|end| HEAD_KEPT..end);
            if let Some(range) = next(given, size, slowest.min(size)) {
                prop_assert!(range.start >= HEAD_KEPT && range.end + LAST_KEPT <= size);
                prop_assert!(range.end + TAIL as u64 <= slowest);
                prop_assert!(range.start % BLOCK == 0 && range.end % BLOCK == 0 && range.end - range.start >= LEAST);
            }
        }
    }

    #[test]
    fn a_file_that_was_shorter_once_is_left_alone() {
        let mut reclaimed = Reclaimed::default();
        reclaimed.gave(&(HEAD_KEPT..2 * MIB));
        reclaimed.content_began_anew();
        assert_eq!(reclaimed.next(100 * MIB, 100 * MIB, Instant::now()), None);
        assert_eq!(reclaimed.text_end(0, 7), 7, "the new content has no hole");
    }

    #[test]
    fn after_a_failure_it_waits() {
        let mut reclaimed = Reclaimed::default();
        let now = Instant::now();
        let later = now + std::time::Duration::from_secs(1);
        reclaimed.fail(Obstacle::ReadOnly, later);
        assert_eq!(reclaimed.next(10 * MIB, 10 * MIB, now), None);
        let range = reclaimed.next(10 * MIB, 10 * MIB, later).unwrap();
        reclaimed.gave(&range);
        assert_eq!(reclaimed.obstacle(), None);
    }

    #[test]
    fn text_ends_where_the_hole_begins_until_it_is_passed() {
        let mut reclaimed = Reclaimed::default();
        assert_eq!(reclaimed.text_end(5, 10 * MIB), 10 * MIB);
        reclaimed.gave(&(HEAD_KEPT..2 * MIB));
        reclaimed.gave(&(2 * MIB..3 * MIB));
        let ends = [0, HEAD_KEPT, HEAD_KEPT + 7, 3 * MIB - 1, 3 * MIB].map(|at| reclaimed.text_end(at, 10 * MIB));
        assert_eq!(ends, [HEAD_KEPT, HEAD_KEPT, HEAD_KEPT + 7, 3 * MIB - 1, 10 * MIB]);
        assert_eq!(
            (reclaimed.hole_ahead(0), reclaimed.hole_ahead(3 * MIB)),
            (Some(3 * MIB), None)
        );
    }
}
