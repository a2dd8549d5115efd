//! `giveUpAfter`: records that are too old are given up where they can't be delivered.
//!
//! A destination that accepts gets everything, however old it is: after an outage a backlog is delivered and not thrown
//! away. While it accepts nothing, everything that waits and is too old is given up, tried or not, or else each batch of
//! the backlog would have to fail first.

use super::{Notice, Piece, Sent, What, Window, by_file};
use crate::batch::DropCause;

/// Which pieces may hold records that are too old to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sending) enum TooOld {
    /// All that wait: the destination accepts nothing.
    Anywhere,
    /// Those that failed: the destination accepts others.
    InFailed,
}

impl Window {
    /// Gives up what is older than `before` (nanoseconds since the Unix epoch) in pieces that wait.
    pub(in crate::sending) fn give_up(&mut self, before: i64, which: TooOld) -> Vec<Notice> {
        let aside = self.aside.take();
        let ready = std::mem::take(&mut self.ready).into_values().chain(aside);
        let suspects = std::mem::take(&mut self.suspects);
        let found = std::mem::take(&mut self.found);
        let mut notices = Vec::new();
        for piece in ready {
            if let Some(piece) = self.without_old(piece, (before, which), &mut notices) {
                self.make_ready(piece);
            }
        }
        for piece in suspects {
            let left = self.without_old(piece, (before, which), &mut notices);
            self.suspects.extend(left);
        }
        for (at, piece) in found {
            let left = self.without_old(piece, (before, which), &mut notices);
            self.found.extend(left.map(|piece| (at, piece)));
        }
        notices
    }

    /// What is left of a piece; it is then another request.
    fn without_old(
        &mut self,
        mut piece: Piece,
        (before, which): (i64, TooOld),
        notices: &mut Vec<Notice>,
    ) -> Option<Piece> {
        let held = self.held.get_mut(&piece.sequence)?;
        let is_old = |index: &u32| held.times.of(&held.batch, *index) < before;
        let is_concerned = which == TooOld::Anywhere || piece.was_sent == Sent::InVain;
        if !is_concerned || !piece.records.iter().any(is_old) {
            return Some(piece);
        }
        let (old, young): (Vec<u32>, Vec<u32>) = piece.records.iter().partition(|index| is_old(index));
        if young.is_empty() {
            notices.extend(self.close(&piece, &old, DropCause::GaveUp));
            return None;
        }
        notices.extend(by_file(&held.batch, &old, What::GivenUp(DropCause::GaveUp)));
        held.dropped
            .extend(old.iter().map(|index| (*index as usize, DropCause::GaveUp)));
        (piece.records, piece.body) = (young, None);
        Some(piece)
    }
}
