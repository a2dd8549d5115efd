//! Holes that were made by giving delivered text back to the volume (`reclaim`): what a lane still needs of a file, and
//! how one that came later passes over what isn't there any more.

use super::super::cursor::NextLine;
use super::{Amount, FileId, Lane, Loss, Position, SourceId, estimate_records};
use crate::positions::RecordId;
use crate::reading::lines::LineState;

impl Lane {
    /// The place from which on this lane needs a file, and the record that says so. `None` if nothing is to be saved yet.
    pub(crate) fn needs_from(&self, source: SourceId, file: FileId) -> Option<(Position, RecordId)> {
        let id = self.by_file.get(&(source, file))?;
        let cursor = self.cursors.get(id).filter(|_| !self.unsaved.contains(id))?;
        Some((cursor.settled, cursor.record?))
    }

    /// Whoever stands before a hole that ends at `end` goes on there. What was in it was delivered to those who were
    /// there at the time, but is lost for this lane; so are the ends of lines that were cut by it.
    pub(crate) fn pass_hole(&mut self, file: FileId, end: u64) {
        for id in self.cursors_of(file) {
            let Some(cursor) = self.cursors.get_mut(&id) else {
                continue;
            };
            if cursor.next_line != NextLine::Reclaimed || cursor.read >= end {
                continue;
            }
            // What was read before the hole has to be settled first.
            if cursor.is_quiet() {
                let bytes = end - cursor.read;
                cursor.pass_to(Position {
                    offset: end,
                    state: LineState::RestOfPartial,
                    ..Position::default()
                });
                tracing::warn!(destination = %self.destination.name, path = %cursor.origin.path, bytes,
                    "what was delivered to others has been given back to the volume, and is missing here");
                if let Some(flow) = self.flows.get_mut(&cursor.source) {
                    let records = estimate_records(&flow.account, bytes);
                    flow.account.lose(Loss::Vanished, Amount { records, bytes });
                }
            }
            self.enqueue(id);
        }
    }
}
