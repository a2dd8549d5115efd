//! A pipeline that runs: its sources and its lanes.

use super::clock::Now;
use super::files::{FileId, Files};
use super::lane::{Fate, Lane};
use super::saved::Saved;
use super::source::{Source, SourceId};

#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) pipeline: pipeline::Pipeline,
    pub(crate) sources: Vec<Source>,
    pub(crate) lanes: Vec<Lane>,
}

impl Running {
    /// A source no longer concerns itself with a file. Positions are kept for a day, unless the file is deleted.
    pub(crate) fn detach(&mut self, source: SourceId, id: FileId, files: &Files, saved: &mut Saved, now: Now) {
        for lane in &mut self.lanes {
            detach(lane, source, id, files, saved, now);
        }
        if let Some(source) = self.sources.iter_mut().find(|known| known.id == source) {
            source.tails.remove(&id);
        }
    }

    /// A lane ends: its positions are kept for a day.
    pub(crate) fn end_lane(&self, mut lane: Lane, files: &Files, saved: &mut Saved, now: Now) {
        for source in &self.sources {
            for id in source.tails.keys() {
                detach(&mut lane, source.id, *id, files, saved, now);
            }
        }
    }

    /// The pipeline ends.
    pub(crate) fn end(mut self, files: &Files, saved: &mut Saved, now: Now) {
        for lane in std::mem::take(&mut self.lanes) {
            self.end_lane(lane, files, saved, now);
        }
    }
}

/// Also when a destination stops taking a source.
pub(crate) fn detach(lane: &mut Lane, source: SourceId, id: FileId, files: &Files, saved: &mut Saved, now: Now) {
    let Some(file) = files.get(id) else {
        return;
    };
    if let Some((record, position)) = lane.detach(source, (id, file), Fate::Withdrawn, now) {
        if file.deleted {
            saved.forget(record, now);
        } else {
            saved.release(record, position);
        }
    }
}
