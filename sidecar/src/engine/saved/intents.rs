//! The engine's side of the intents: what a batch is made of is on the disk before it leaves.

use super::{Now, Saved};
use crate::positions::{Intent, IntentId, LaneKey, Outcome};

impl Saved {
    /// Writes down what a batch is made of. `None` where it can't be; then it is sent all the same, and after a kill its
    /// bytes are sent again in other batches.
    pub(crate) fn intend(&mut self, intent: &Intent, now: Now) -> Option<IntentId> {
        if self.ahead || !self.store.has_room_for_an_intent() {
            self.write(now);
        }
        self.store.insert_intent(intent).unwrap_or_else(|error| {
            self.failed(&error);
            None
        })
    }

    /// A batch is settled without an intent: the next one goes on where it ends.
    pub(crate) const fn go_on_without(&mut self) {
        self.ahead = true;
    }

    /// A batch is settled, or nothing of it has to be sent, and so is everything of its lane that comes before `open`. It
    /// is kept until positions that say so are written.
    pub(crate) fn settle_intent(&mut self, id: IntentId, outcome: Outcome, (lane, open): (LaneKey, u64)) {
        if let Err(error) = self.store.settle_intent(id, outcome) {
            self.failed(&error);
        }
        self.store.cover_intents(lane, open);
    }

    /// What a lane has to send again, in order.
    pub(crate) fn take_intents(&mut self, lane: LaneKey) -> Vec<(IntentId, Intent)> {
        self.store.take_intents(lane).unwrap_or_else(|error| {
            self.failed(&error);
            Vec::new()
        })
    }

    /// A lane is gone; it may come back.
    pub(crate) fn leave_intents(&mut self, lane: LaneKey) {
        self.store.leave_intents(lane);
    }
}
