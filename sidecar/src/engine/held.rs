//! Deleted files that are held open until they are delivered. `du` doesn't see them, but the node's disk does, so a
//! pipeline bounds them (`maxHeldBytes`): beyond that the oldest is let go, counted as vanished, loudly.

use super::Engine;
use super::clock::Now;
use super::files::{File, FileId, Files};
use super::lane::Fate;
use super::running::Running;

impl Engine {
    pub(super) fn held_deleted_bytes(&self) -> u64 {
        let held = self.files.opened().filter(|(_, file)| file.deleted);
        let held = held.filter(|(id, file)| !self.is_settled(*id, file.size));
        held.map(|(_, file)| file.allocated).sum()
    }

    /// Lets go of what is too much.
    pub(super) fn bound_held(&mut self, now: Now) {
        let Some(saved) = &mut self.saved else {
            return;
        };
        let mut let_go = Vec::new();
        for running in &mut self.running {
            let limit = running.pipeline.max_held_bytes.as_bytes();
            let mut held: Vec<_> = running.held(&self.files).collect();
            let mut bytes: u64 = held.iter().map(|(_, file)| file.allocated).sum();
            held.sort_by_key(|(_, file)| file.grew_at);
            let mut released = Vec::new();
            for (id, file) in held {
                if bytes > limit {
                    bytes -= file.allocated;
                    released.push((id, file.allocated));
                }
            }
            for (id, allocated) in released {
                tracing::error!(pipeline = %running.pipeline.name, bytes = allocated, limit,
                    "too much is held of deleted files, the oldest is let go undelivered");
                running.detach_all(id, Fate::Vanished, (&self.files, saved, now));
                let_go.push(id);
            }
        }
        for id in let_go {
            let mut sources = self.running.iter().flat_map(|running| &running.sources);
            // What is read of it may still be under way, but needs no descriptor.
            if !sources.any(|source| source.tails.contains_key(&id)) {
                self.files.close(id);
            }
        }
    }
}

impl Running {
    /// Deleted files that the pipeline hasn't delivered.
    fn held<'a>(&'a self, files: &'a Files) -> impl Iterator<Item = (FileId, &'a File)> + 'a {
        let deleted = files.opened().filter(|(_, file)| file.deleted);
        deleted.filter(|(id, file)| {
            let is_ours = self.sources.iter().any(|source| source.tails.contains_key(id));
            is_ours && !self.lanes.iter().all(|lane| lane.is_settled(*id, file.size))
        })
    }
}
