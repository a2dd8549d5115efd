//! Taking back what is settled: the accounts, the window, the position.

use std::sync::Arc;

use crate::batch::{Batch, DropCause, Settled};
use crate::metrics::Amount;

use super::super::account::Counters;
use super::{FileId, Files, InFlight, Lane, Loss, Now, Saved, Share, SourceId};

/// More files than most applications have.
const MANY: usize = 1000;

impl Lane {
    /// Every record of a batch met its fate. Its buffers are given back, unless another destination still has them.
    pub(crate) fn settle(&mut self, settled: Settled, files: &Files, saved: &mut Saved, now: Now) -> Option<Batch> {
        let InFlight { shares, intent, .. } = self.in_flight.remove(&settled.sequence)?;
        for (index, share) in shares.iter().enumerate() {
            self.settle_share(&settled, (index, share), (files, saved, now));
        }
        if let Some(intent) = intent {
            self.settle_intent(intent, &settled, saved);
        }
        Arc::into_inner(settled.batch)
    }

    fn settle_share(
        &mut self,
        settled: &Settled,
        (index, share): (usize, &Share),
        (files, saved, now): (&Files, &mut Saved, Now),
    ) {
        let Some(cursor) = self.cursors.get_mut(&share.cursor) else {
            return;
        };
        let Some(flow) = self.flows.get_mut(&cursor.source) else {
            // The source was taken away meanwhile: nothing counts any more, but the file has to be let go.
            cursor
                .window
                .settle(settled.sequence, Counters::default())
                .for_each(drop);
            if cursor.is_quiet() {
                self.remove(share.cursor);
            }
            return;
        };
        let before = cursor.settled.offset;
        for (position, outcome) in cursor.window.settle(
            settled.sequence,
            outcome(&settled.batch, (index, share), &settled.dropped),
        ) {
            cursor.settled = position;
            flow.account.settle(&outcome);
        }
        let moved = cursor.settled.offset - before;
        if moved > 0 {
            saved.put_counters(flow.key, flow.account.counters, now);
        }
        if !cursor.ended && moved > 0 {
            self.save(share.cursor, moved, files, saved, now);
            self.rest_if_many(share.cursor);
        } else if cursor.ended && cursor.is_quiet() {
            self.remove(share.cursor);
        }
    }

    /// Of many delivered files, the last bytes of each are too much to keep; the saved hash of them does.
    fn rest_if_many(&mut self, id: super::CursorId) {
        let is_one_of_many = self.cursors.len() > MANY;
        let cursor = self.cursors.get_mut(&id).filter(|_| is_one_of_many);
        if let Some(cursor) = cursor.filter(|cursor| cursor.is_quiet() && !cursor.queued) {
            cursor.rest();
        }
    }

    fn remove(&mut self, id: super::CursorId) {
        self.cursors.remove(&id);
        self.leaving.remove(&id);
    }

    /// Saves where a lane begins in a file, so that a restart begins there too, whatever was written meanwhile.
    pub(crate) fn save_start(&mut self, key: (SourceId, FileId), files: &Files, saved: &mut Saved, now: Now) {
        if let Some(&id) = self.by_file.get(&key) {
            self.save(id, 0, files, saved, now);
        }
    }

    /// What was read of the original before the copy goes on must be settled first, else a new process would miss it.
    fn waits_for_its_original(&mut self, id: super::CursorId) -> bool {
        let after = self.cursors.get(&id).and_then(|cursor| cursor.after);
        let original = after.and_then(|(original, read_to)| Some((self.cursors.get(&original)?, read_to)));
        let waits = original.is_some_and(|(original, read_to)| {
            let is_done = original.settled.offset >= read_to || (original.ended && original.is_quiet());
            !is_done
        });
        if !waits {
            self.unsaved.remove(&id);
            if let Some(cursor) = self.cursors.get_mut(&id) {
                cursor.after = None;
            }
        }
        waits
    }

    pub(super) fn save(&mut self, id: super::CursorId, bytes: u64, files: &Files, saved: &mut Saved, now: Now) {
        if self.waits_for_its_original(id) {
            return;
        }
        let Some(file) = self.cursors.get(&id).and_then(|cursor| files.get(cursor.file)) else {
            return;
        };
        let position = self.saved_position(id, file, now);
        if let (Some(position), Some(cursor)) = (position, self.cursors.get_mut(&id)) {
            cursor.saved_content = position.content;
            cursor.saved_at = Some(now.instant);
            saved.put(&mut cursor.record, position, bytes, now);
        }
    }
}

/// What came of one cursor's part of a batch.
fn outcome(batch: &Batch, (index, share): (usize, &Share), dropped: &[(usize, DropCause)]) -> Counters {
    let mut outcome = Counters::default();
    let bytes = batch
        .files
        .get(index)
        .map_or(0, |file| file.bytes.end - file.bytes.start);
    let mut stored = Amount {
        records: share.records,
        bytes,
    };
    for &(record, cause) in dropped {
        let Some(record) = batch.records.get(record).filter(|record| record.file as usize == index) else {
            continue;
        };
        let lost = Amount {
            records: 1,
            bytes: u64::from(record.source_bytes).min(stored.bytes),
        };
        stored.records = stored.records.saturating_sub(1);
        stored.bytes -= lost.bytes;
        outcome.lose(Loss::Dropped(cause), lost);
    }
    for (total, amount) in outcome.filtered.iter_mut().zip(share.filtered) {
        *total = Amount {
            records: amount.records,
            bytes: amount.bytes.min(stored.bytes),
        };
        stored.records = stored.records.saturating_sub(total.records);
        stored.bytes -= total.bytes;
    }
    outcome.acknowledged = stored;
    outcome
}
