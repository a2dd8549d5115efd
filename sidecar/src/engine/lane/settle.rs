//! Taking back what is settled: the accounts, the window, the position.

use crate::batch::{Batch, DropCause, Settled};
use crate::metrics::Amount;

use super::{Files, Lane, Loss, Now, Saved, Share};

/// A busy lane keeps so many buffers for the next batches.
const SPARES: usize = 2;

impl Lane {
    /// Every record of a batch met its fate.
    pub(crate) fn settle(&mut self, settled: Settled, files: &Files, saved: &mut Saved, now: Now) {
        let Settled { batch, dropped } = settled;
        let Some(in_flight) = self.in_flight.remove(&batch.sequence) else {
            return;
        };
        for (index, share) in in_flight.shares.iter().enumerate() {
            self.settle_share(&batch, (index, share), &dropped, (files, saved, now));
        }
        if self.spare.len() < SPARES && !self.queue.is_empty() {
            self.spare.push((batch.text, batch.records));
        }
    }

    fn settle_share(
        &mut self,
        batch: &Batch,
        (index, share): (usize, &Share),
        dropped: &[(usize, DropCause)],
        (files, saved, now): (&Files, &mut Saved, Now),
    ) {
        let Some(cursor) = self.cursors.get_mut(&share.cursor) else {
            return;
        };
        let Some(flow) = self.flows.get_mut(&cursor.source) else {
            return;
        };
        let bytes = batch
            .files
            .get(index)
            .map_or(0, |file| file.bytes.end - file.bytes.start);
        let mut acknowledged = Amount {
            records: share.records,
            bytes,
        };
        for &(record, cause) in dropped {
            let Some(record) = batch.records.get(record).filter(|record| record.file as usize == index) else {
                continue;
            };
            let lost = Amount {
                records: 1,
                bytes: u64::from(record.source_bytes).min(acknowledged.bytes),
            };
            acknowledged.records -= lost.records.min(acknowledged.records);
            acknowledged.bytes -= lost.bytes;
            flow.account.lose(Loss::Dropped(cause), lost);
        }
        flow.account.acknowledge(acknowledged);
        saved.put_counters(flow.key, flow.account.counters, now);
        let moved = cursor.window.settle(batch.sequence);
        if let Some(position) = moved {
            cursor.settled = position;
        }
        if cursor.ended {
            if cursor.is_quiet() {
                self.cursors.remove(&share.cursor);
            }
        } else if moved.is_some() {
            self.save(share.cursor, bytes, files, saved, now);
        }
    }

    fn save(&mut self, id: super::CursorId, bytes: u64, files: &Files, saved: &mut Saved, now: Now) {
        let Some(file) = self.cursors.get(&id).and_then(|cursor| files.get(cursor.file)) else {
            return;
        };
        let position = self.saved_position(id, file, now);
        if let (Some(position), Some(cursor)) = (position, self.cursors.get_mut(&id)) {
            saved.put(&mut cursor.record, position, bytes, now);
        }
    }
}
