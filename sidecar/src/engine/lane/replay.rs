//! Sending again what isn't settled, as it was sent before: after a restart, and when another sending task takes over.
//!
//! An intent is followed stretch by stretch. A file may be gone, or hold something else now; then what is left of the batch
//! is sent, and whatever isn't settled of that file is read from its position on. A batch that was stored before, while
//! an earlier one wasn't, is made again too, for the sake of the accounts, but not sent.

use std::collections::{HashMap, VecDeque};

use crate::positions::{ContentKey, Intent, IntentId, LaneKey, Outcome, Stretch};
use crate::processing::Processing;

use super::fill::guarded;
use super::intents::Again;
use super::{Batch, CursorId, Lane, Leaving, Now, OpenBatch, Saved, Source, Turn};

/// A sequence begins with the milliseconds of the clock, so that it goes on rising even where all intents are lost. There
/// is room for so many batches in each of them.
const PER_MILLISECOND: u64 = 1 << 12;

#[derive(Debug, Default)]
pub(super) struct Replay {
    pub(super) lane: LaneKey,
    progress: Progress,
    /// What is to be sent again, in order.
    intents: VecDeque<(IntentId, Intent)>,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Progress {
    #[default]
    ToBegin,
    Begun,
}

impl Replay {
    /// There is something to send again, or it isn't known.
    pub(super) fn is_owed(&self) -> bool {
        self.progress == Progress::ToBegin || !self.intents.is_empty()
    }

    /// What is under way comes back never.
    pub(super) fn begin(&mut self) {
        *self = Self {
            lane: self.lane,
            ..Self::default()
        };
    }
}

impl Lane {
    /// Looks for what has to be sent again, where that wasn't done yet.
    pub(crate) fn begin_replay(&mut self, saved: &mut Saved, now: Now) {
        if self.replay.progress == Progress::Begun {
            return;
        }
        self.replay.progress = Progress::Begun;
        let intents = saved.take_intents(self.replay.lane);
        let milliseconds = u64::try_from(now.wall / 1_000_000).unwrap_or(0);
        let last = intents.last().map_or(0, |(_, intent)| intent.sequence);
        self.sequence = self.sequence.max(last).max(milliseconds * PER_MILLISECOND);
        self.replay.intents = intents.into();
    }

    pub(crate) fn is_replaying(&self) -> bool {
        self.replay.is_owed()
    }

    /// Sends again what has to be, as far as window and memory allow. False while there is more of it.
    pub(crate) fn replay(&mut self, turn: &mut Turn<'_>, sources: &mut [Source], spare: &mut Vec<Batch>) -> bool {
        while self.has_room() {
            let Some((_, intent)) = self.replay.intents.front() else {
                break;
            };
            let bytes: u64 = intent.stretches.iter().map(|stretch| u64::from(stretch.length)).sum();
            let cost = usize::try_from(bytes)
                .unwrap_or(usize::MAX)
                .saturating_mul(self.limits.memory_per_byte);
            if !self.in_flight.is_empty() && self.reserved().saturating_add(cost) > turn.memory {
                break;
            }
            if let Some((id, intent)) = self.replay.intents.pop_front() {
                self.send_again(id, &intent, turn, (&mut *sources, &mut *spare));
            }
        }
        !self.replay.is_owed()
    }

    fn send_again(
        &mut self,
        id: IntentId,
        intent: &Intent,
        turn: &mut Turn<'_>,
        (sources, spare): (&mut [Source], &mut Vec<Batch>),
    ) {
        let live = self.cursors.iter().filter(|(_, cursor)| !cursor.ended);
        let mut cursors: HashMap<ContentKey, CursorId> = live.map(|(id, cursor)| (cursor.content, *id)).collect();
        let mut open = OpenBatch::new(spare.pop().unwrap_or_default());
        for stretch in &intent.stretches {
            let Some(&cursor) = cursors.get(&stretch.content) else {
                continue;
            };
            if self.read_again(&mut open, (cursor, stretch), turn, sources).is_none() {
                cursors.remove(&stretch.content);
                self.name_anew(cursor);
            }
        }
        self.open = Some(open);
        let again = Again {
            intent: id,
            sequence: intent.sequence,
            outcome: intent.outcome,
        };
        if let Some(leaving) = self.close() {
            let charge = leaving.batch.memory();
            let again = Some(again);
            spare.extend(self.hand_over(Leaving { again, ..leaving }, charge, turn.shared()));
        } else {
            let open = self.in_flight.keys().next().copied().unwrap_or(intent.sequence + 1);
            turn.saved.settle_intent(id, Outcome::Open, (self.replay.lane, open));
        }
    }

    /// A file isn't what it was: nothing else that was meant for it is taken for what it holds now.
    fn name_anew(&mut self, id: CursorId) {
        let name = self.cursors.get(&id).map(|cursor| self.new_content(cursor, id));
        if let (Some(name), Some(cursor)) = (name, self.cursors.get_mut(&id)) {
            cursor.content = name;
        }
    }

    /// `None` where the file isn't what it was.
    fn read_again(
        &mut self,
        open: &mut OpenBatch,
        (id, stretch): (CursorId, &Stretch),
        turn: &mut Turn<'_>,
        sources: &mut [Source],
    ) -> Option<()> {
        let cursor = self.cursors.get_mut(&id)?;
        if cursor.read >= stretch.end() {
            // A position says that it is settled.
            return Some(());
        }
        if cursor.read != stretch.start {
            return None;
        }
        let (file_id, source_id) = (cursor.file, cursor.source);
        let source = sources.iter_mut().find(|source| source.id == source_id)?;
        let file = turn.files.get_mut(file_id)?;
        let max_line = self.limits.longest_line(&source.config).min(turn.ledger.longest_line());
        let mut processing = Processing {
            charset: source.charset,
            // What was read once is read again, whatever rate is asked for.
            most: usize::MAX,
            grouping: source.grouping.as_deref(),
            program: source.program.as_deref(),
            memory: &mut self.flows.get_mut(&source_id)?.memory,
            scratch: &mut self.scratch,
        };
        let piece = guarded(open, cursor, |open, cursor| {
            open.read_again(id, cursor, file, (stretch, max_line), &mut processing)
        });
        let piece = piece.ok().flatten()?;
        source.count(file_id, cursor.generation, (piece, cursor.read), turn.now.wall);
        Some(())
    }
}
