//! A pipeline that runs: its sources and its lanes.

use super::clock::Now;
use super::files::{FileId, Files};
use super::lane::{Fate, Lane};
use super::lockstep::Stock;
use super::saved::Saved;
use super::source::{Source, SourceId};

#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) pipeline: pipeline::Pipeline,
    pub(crate) sources: Vec<Source>,
    pub(crate) lanes: Vec<Lane>,
    pub(crate) stock: Stock,
}

/// What a change of a pipeline works with.
pub(crate) type Shared<'a> = (&'a Files, &'a mut Saved, Now);

impl Running {
    pub(crate) fn follows(&self, id: FileId) -> bool {
        self.sources.iter().any(|source| source.tails.contains_key(&id))
    }

    /// A source no longer concerns itself with a file. Positions are kept for a day, unless the file is deleted.
    pub(crate) fn detach(&mut self, source: SourceId, id: FileId, fate: Fate, (files, saved, now): Shared<'_>) {
        for lane in &mut self.lanes {
            detach(lane, (source, id), fate, (files, &mut *saved, now));
        }
        if let Some(source) = self.sources.iter_mut().find(|known| known.id == source) {
            source.tails.remove(&id);
        }
    }

    /// No source does.
    pub(crate) fn detach_all(&mut self, id: FileId, fate: Fate, (files, saved, now): Shared<'_>) {
        let sources: Vec<_> = self.sources.iter().map(|source| source.id).collect();
        for source in sources {
            self.detach(source, id, fate, (files, &mut *saved, now));
        }
    }

    /// A lane ends: its positions are kept for a day.
    pub(crate) fn end_lane(&self, mut lane: Lane, (files, saved, now): Shared<'_>) {
        for source in &self.sources {
            for id in source.tails.keys() {
                detach(&mut lane, (source.id, *id), Fate::Withdrawn, (files, &mut *saved, now));
            }
        }
        lane.leave_intents(saved);
    }

    /// The pipeline ends.
    pub(crate) fn end(mut self, (files, saved, now): Shared<'_>) {
        for lane in std::mem::take(&mut self.lanes) {
            self.end_lane(lane, (files, &mut *saved, now));
        }
    }
}

/// Also when a destination stops taking a source.
pub(crate) fn detach(lane: &mut Lane, (source, id): (SourceId, FileId), fate: Fate, (files, saved, now): Shared<'_>) {
    let Some(file) = files.get(id) else {
        return;
    };
    if let Some((record, position)) = lane.detach(source, (id, file), fate, now) {
        if file.deleted {
            saved.forget(record, now);
        } else {
            saved.release(record, position);
        }
    }
}
