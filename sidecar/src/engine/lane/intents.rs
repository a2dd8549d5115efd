//! What is written down of a batch before it is sent for the first time, and when that has served its purpose.

use std::sync::Arc;

use crate::batch::{Batch, Settled};
use crate::positions::{ContentKey, Intent, IntentId, Outcome};

use super::super::open_batch::Share;
use super::super::running::Shared;
use super::super::stretches::Stretches;
use super::{Cursor, CursorId, Lane, OpenBatch, Saved};

/// A batch that is complete.
#[derive(Debug)]
pub(crate) struct Leaving {
    pub(crate) batch: Arc<Batch>,
    /// One per entry of [`Batch::files`].
    pub(super) shares: Vec<Share>,
    pub(super) stretches: Arc<Stretches>,
    /// It was made of what an intent says.
    pub(super) again: Option<Again>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Again {
    pub(super) intent: IntentId,
    pub(super) sequence: u64,
    pub(super) outcome: Outcome,
}

impl Leaving {
    pub(super) fn new(open: OpenBatch) -> Self {
        let OpenBatch {
            batch,
            shares,
            stretches,
        } = open;
        Self {
            batch: Arc::new(batch),
            shares,
            stretches: Arc::new(stretches),
            again: None,
        }
    }
}

impl Lane {
    /// The name of a content that has none yet. Only lanes with the same flow could give it twice, and of these there is
    /// one at a time, in one process at a time.
    pub(super) fn new_content(&self, cursor: &Cursor, id: CursorId) -> ContentKey {
        let flow = self.flows.get(&cursor.source).map(|flow| flow.key).unwrap_or_default();
        ContentKey::new(flow, id.0, super::Now::read().wall)
    }

    /// Gives a batch its number and writes down what it is made of. No intent where that can't be done, and where nothing
    /// would be sent twice.
    pub(super) fn intend(&mut self, leaving: &Leaving, shared: Shared<'_>) -> (u64, Option<IntentId>, Outcome) {
        if let Some(again) = leaving.again {
            return (again.sequence, Some(again.intent), again.outcome);
        }
        self.sequence += 1;
        if leaving.batch.records.is_empty() && self.in_flight.is_empty() {
            shared.1.go_on_without();
            return (self.sequence, None, Outcome::Open);
        }
        let intent = self.write_down(leaving, shared);
        (self.sequence, intent, Outcome::Open)
    }

    fn write_down(&mut self, leaving: &Leaving, (files, saved, now): Shared<'_>) -> Option<IntentId> {
        for share in &leaving.shares {
            let cursor = self.cursors.get(&share.cursor);
            if cursor.is_some_and(|cursor| !cursor.ended && cursor.saved_content != cursor.content) {
                self.save(share.cursor, 0, files, saved, now);
            }
        }
        let content = |share: usize| {
            let share = leaving.shares.get(share);
            let cursor = share.and_then(|share| self.cursors.get(&share.cursor));
            cursor.map(|cursor| cursor.content).unwrap_or_default()
        };
        let intent = Intent {
            lane: self.replay.lane,
            sequence: self.sequence,
            formed_at: now.wall,
            outcome: Outcome::Open,
            stretches: leaving.stretches.with(content),
        };
        saved.intend(&intent, now)
    }

    /// A batch came back: its intent is of use until everything before it came back, too.
    pub(super) fn settle_intent(&mut self, intent: IntentId, settled: &Settled, saved: &mut Saved) {
        // What was dropped isn't written down; a process that is killed now sends the batch again and hears it again.
        let outcome = if settled.dropped.is_empty() {
            Outcome::Stored
        } else {
            Outcome::Open
        };
        let open = self.in_flight.keys().next().copied().unwrap_or(settled.sequence + 1);
        saved.settle_intent(intent, outcome, (self.replay.lane, open));
    }

    /// The lane ends; what it has under way may be settled by another of its name.
    pub(crate) fn leave_intents(&self, saved: &mut Saved) {
        saved.leave_intents(self.replay.lane);
    }
}
