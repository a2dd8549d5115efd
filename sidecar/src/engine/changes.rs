//! What happened to names and files: events, and looks at files without them.

use std::collections::HashSet;
use std::ffi::OsString;
use std::time::{Duration, Instant};

use pipeline::report::State;

use crate::reading::facts::Facts;
use crate::reading::watcher::{Change, WatchId, What};

use super::clock::Now;
use super::descriptors::superfluous;
use super::due::ROUND;
use super::files::{FileId, Seen};
use super::lane::{Fate, Turn};
use super::{Engine, GATHER, POLL, SWEEP, suspects};

/// The two halves of a rename are in the queue together, or nearly.
const RENAME_WITHIN: Duration = Duration::from_secs(1);
/// For each so many files that something has happened to lately, the next look at them comes so much later.
const MANY: usize = 1000;
/// Where there are very many files, walks are so many times rarer than they take: those that something waits for,
const HASTE: u32 = 4;
/// and those that only make sure.
const LEISURE: u32 = 400;
/// A deleted or moved file whose writer is silent for so long is let go, once it is delivered.
pub(super) const LET_GO_AFTER: Duration = Duration::from_secs(10);

type Name = (WatchId, OsString);

/// A file that is being renamed.
#[derive(Debug)]
pub(super) struct Mover {
    /// What was known under the old name.
    id: Option<FileId>,
    /// The path that it is followed as.
    path: String,
}

impl Engine {
    /// Takes the kernel's events, when the time to gather them is over.
    pub(super) fn hear(&mut self, now: Now) {
        if now.instant < self.due.events {
            return;
        }
        let changes = self.watcher.changes();
        if changes.overflow {
            tracing::warn!("the kernel dropped events, everything is looked at");
            self.due.rescan = now.instant;
            (self.due.sweep, self.due.quiet) = (now.instant, now.instant);
            self.due.config = now.instant;
        }
        if changes.list.is_empty() && changes.lost.is_empty() {
            return;
        }
        self.due.events = now.instant + GATHER;
        self.publish_soon(now);
        for watch in changes.lost {
            if self.config_watch == Some(watch) {
                self.config_watch = None;
            }
            self.names.forget_directory(watch);
            self.owed.retain(|(known, _), _| *known != watch);
            self.due.rescan = now.instant;
        }
        for change in changes.list {
            self.change(change, now);
        }
        self.moved.retain(|_, (_, since)| now.instant < *since + RENAME_WITHIN);
    }

    fn change(&mut self, change: Change, now: Now) {
        if self.config_watch == Some(change.directory) {
            self.due.config = now.instant;
        }
        let name = (change.directory, change.name);
        let known = self.names.get(name.0, &name.1);
        match (change.what, known) {
            (What::Modified | What::Closed, Some(id)) => {
                if self.files.get(id).is_some_and(|file| file.fd().is_none()) {
                    self.look_at_name(&name, now);
                }
                self.dirty.insert(id);
                if change.what == What::Modified {
                    self.is_written(id, now);
                } else {
                    // What was written before belongs to who closes it now.
                    self.look_at_file(id, now);
                    self.closed(id);
                }
            }
            // Perhaps its mode was changed and it can be read now.
            (What::Modified, None) => self.look_at_name(&name, now),
            (What::Closed, None) => {}
            (What::Appeared { cookie }, _) => {
                if let Some((mover, _)) = self.moved.remove(&cookie) {
                    self.arrived(mover, &name, now);
                }
                self.look_at_name(&name, now);
            }
            (What::Gone { cookie }, known) => {
                let mover = self.leaves(&name, known);
                if let Some(mover) = mover.filter(|_| cookie != 0) {
                    self.moved.insert(cookie, (mover, now.instant));
                }
            }
        }
    }

    /// A file that was just found has no growth to be told by.
    fn is_written(&mut self, id: FileId, now: Now) {
        if let Some(file) = self.files.get_mut(id) {
            file.being_written |= file.grew_at == now.instant;
        }
    }

    fn closed(&mut self, id: FileId) {
        if let Some(file) = self.files.get_mut(id) {
            file.being_written = false;
        }
        if let Some(draining) = &mut self.draining {
            draining.open.remove(&id);
        }
    }

    /// A name of ours is gone.
    fn leaves(&mut self, name: &Name, known: Option<FileId>) -> Option<Mover> {
        self.names.remove(name.0, &name.1);
        let owed = self.owed.remove(name);
        let path = owed.or_else(|| {
            let id = known?;
            self.dirty.insert(id);
            let mut sources = self.running.iter().flat_map(|running| &running.sources);
            sources.find_map(|source| Some(source.tails.get(&id)?.origin.path.clone()))
        });
        let path = path.or_else(|| {
            let mut sources = self.running.iter().flat_map(|running| &running.sources);
            sources.find_map(|source| source.walk.match_of(name.0, &name.1))
        })?;
        Some(Mover { id: known, path })
    }

    /// What had a name of ours has another one now. It is followed to its end under it, whether the name matches or
    /// not. Events are late: what stands there may be a later file than the event is about, and be known or not.
    fn arrived(&mut self, mover: Mover, name: &Name, now: Now) {
        if let Some(id) = mover.id {
            self.renamed(id, name);
        }
        if !self.adopt_renamed(&mover.path, name, now) {
            self.owed.insert(name.clone(), mover.path);
        }
    }

    fn renamed(&mut self, id: FileId, name: &Name) {
        self.names.insert(name.0, &name.1, id);
        self.dirty.insert(id);
        for source in self.running.iter_mut().flat_map(|running| &mut running.sources) {
            let place = source.walk.place(name.0, &name.1);
            if let (Some(tail), Some(place)) = (source.tails.get_mut(&id), place) {
                tail.place = place;
                source.read.rotated_files += 1;
            }
        }
    }

    /// Looks at files with news, at all open ones now and then, and walks everything now and then.
    pub(super) fn look_at_files(&mut self, now: Now) {
        if now.instant >= self.due.sweep {
            self.sweep(now);
            self.due.sweep = self.due.round_after(now.instant);
            self.bound_held(now);
            self.reclaimer.stir(0);
        }
        // Also where something has happened to a file since.
        self.due.sweep = self.due.sweep.min(now.instant + self.sweep_pause());
        if self.watcher.must_poll() {
            // Also where that turned out since the last walk.
            let pause = POLL.max(self.walk_took * HASTE);
            self.due.rescan = self.due.rescan.min(now.instant + pause);
        }
        if now.instant >= self.due.rescan {
            let (began, usual) = (Instant::now(), self.due.usual_rescan(now.instant));
            self.due.rescan = usual;
            self.walk_everything(now);
            self.walk_took = began.elapsed();
            // A file that found no descriptor asks for another walk soon.
            let cost = if self.due.rescan < usual { HASTE } else { LEISURE };
            self.due.rescan = self.due.rescan.max(now.instant + self.walk_took * cost);
        }
        self.look_at_suspects(now);
        for id in std::mem::take(&mut self.dirty) {
            self.look_at_file(id, now);
        }
    }

    /// How long after one sweep the next is due.
    fn sweep_pause(&self) -> Duration {
        let lively = self.files.count_lively();
        let least = match (self.watcher.must_poll(), lively) {
            (true, _) => POLL,
            (false, 0) => ROUND,
            (false, _) => SWEEP,
        };
        least * u32::try_from(lively / MANY).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// And forgets what is no longer there.
    fn walk_everything(&mut self, now: Now) {
        self.scan_all(now);
        self.forget_closed(now);
        // Before a configuration has claimed its positions, none can be told to be of no use.
        if let (Some(saved), State::Running) = (&mut self.saved, self.state) {
            let lanes = self.running.iter().flat_map(|running| &running.lanes);
            let named = lanes
                .flat_map(|lane| lane.flows.values())
                .map(|flow| flow.key)
                .collect();
            let gone = saved.expire(&named, now);
            for lane in self.running.iter_mut().flat_map(|running| &mut running.lanes) {
                lane.lost_sight(&gone, saved, now);
            }
        }
    }

    pub(super) fn look_at_file(&mut self, id: FileId, now: Now) {
        let Some(file) = self.files.get_mut(id) else {
            return;
        };
        let Some(fd) = file.fd() else {
            return;
        };
        let before = file.size;
        let mut seen = match Facts::of(fd) {
            Ok(facts) => file.observe(&facts, now),
            Err(errno) => {
                file.error = Some(errno.to_string());
                return;
            }
        };
        let mut lanes = self.running.iter().flat_map(|running| &running.lanes);
        // Before the growth is counted: of a content that was replaced nothing is pending.
        if seen != Seen::Same && lanes.any(|lane| lane.is_rewritten((id, file))) {
            file.begin_anew(now);
            seen = Seen::Replaced;
        }
        if file.deleted {
            self.files.note_deleted(id, now);
        }
        if seen != Seen::Same {
            self.files.stir(id);
            self.publish_soon(now);
        }
        match seen {
            Seen::Same | Seen::Touched => {}
            Seen::Grew { by } => {
                self.lanes_mut().for_each(|lane| lane.grew(id, by));
                if let Some(draining) = &mut self.draining {
                    draining.grew_at = now.instant;
                    draining.open.insert(id);
                }
                self.skip_hole(id);
            }
            Seen::Replaced => self.begin_anew(id, before, now),
        }
    }

    /// The content of a file was replaced; it had `before` bytes.
    pub(super) fn begin_anew(&mut self, id: FileId, before: u64, now: Now) {
        // Not the beginning of the turn: what was made since may be a copy of it.
        let now = Now {
            wall: Now::read().wall,
            ..now
        };
        self.share_open(id, now);
        self.files.note_beginning(id);
        let Some(file) = self.files.get(id) else {
            return;
        };
        for running in &mut self.running {
            running
                .lanes
                .iter_mut()
                .for_each(|lane| lane.began_anew(id, file, (before, now)));
            for source in running
                .sources
                .iter_mut()
                .filter(|source| source.tails.contains_key(&id))
            {
                source.read.truncated_files += 1;
            }
        }
        self.skip_hole(id);
    }

    /// Gives every lane what another has read of a file for it.
    fn share_open(&mut self, id: FileId, now: Now) {
        let mut ledger = self.ledger();
        let Some(saved) = &mut self.saved else {
            return;
        };
        let mut turn = Turn::new((&mut self.files, saved, now), &mut ledger);
        for (pipeline, running) in self.running.iter_mut().enumerate() {
            turn.pipeline = pipeline;
            if running.sources.iter().any(|source| source.tails.contains_key(&id)) {
                running.share_open(&mut turn);
            }
        }
    }

    /// A writer without `O_APPEND` goes on at its old offset after a truncate and leaves a hole. An earlier process may
    /// have read what was there before.
    pub(super) fn skip_hole(&mut self, id: FileId) {
        let Some(file) = self.files.get(id) else {
            return;
        };
        for running in &mut self.running {
            running.lanes.iter_mut().for_each(|lane| lane.skip_hole((id, file)));
        }
    }

    /// Looks at open files, tries failed ones again, and closes what is no longer needed. Closed files were delivered and cost
    /// nothing here, however many there are: their news come as events, or with the next walk.
    fn sweep(&mut self, now: Now) {
        self.files.note_short_beginnings();
        let is_thorough = now.instant >= self.due.quiet || self.watcher.must_poll() || self.draining.is_some();
        if is_thorough {
            self.due.quiet = self.due.round_after(now.instant);
            let all = self.files.opened().map(|(id, _)| id).collect();
            let delivered = self.sweep_these(all, now);
            self.close_some(delivered, now);
        } else {
            let lively = self.files.lively().collect();
            self.sweep_these(lively, now);
        }
    }

    /// Gives the delivered ones, each with the time since it grew.
    fn sweep_these(&mut self, files: Vec<FileId>, now: Now) -> Vec<(Duration, FileId)> {
        let mut delivered = Vec::new();
        for id in files {
            self.dirty.remove(&id);
            self.look_at_file(id, now);
            let Some(file) = self.files.get(id) else {
                continue;
            };
            let (failed, size, since) = (file.error.is_some(), file.size, now.instant - file.grew_at);
            if failed {
                self.lanes_mut().for_each(|lane| lane.grew(id, 0));
            }
            self.forget_marks(id);
            self.save_backlog(id, now);
            if !self.is_settled(id, size) {
                self.files.stir(id);
                continue;
            }
            if since >= LET_GO_AFTER {
                self.files.calm(id);
            }
            delivered.push((since, id));
        }
        delivered
    }

    fn close_some(&mut self, mut delivered: Vec<(Duration, FileId)>, now: Now) {
        self.let_go_of_gone(&mut delivered, now);
        for id in superfluous(delivered) {
            self.close(id);
        }
    }

    /// Forgets those delivered files that no name leads to any more.
    fn let_go_of_gone(&mut self, delivered: &mut Vec<(Duration, FileId)>, now: Now) {
        let silent = delivered.iter().filter(|(since, _)| *since >= LET_GO_AFTER);
        let gone = silent.map(|(_, id)| *id);
        let gone: HashSet<FileId> = gone
            .filter(|id| self.is_gone(*id) && !self.may_have_copies(*id, now))
            .collect();
        delivered.retain(|(_, id)| !gone.contains(id));
        for id in gone {
            self.forget(id, now);
        }
    }

    fn is_gone(&self, id: FileId) -> bool {
        // Without events, names aren't known well enough to conclude anything from their absence.
        let has_name = self.watcher.must_poll() || self.names.lead_to(id);
        !has_name || self.files.get(id).is_some_and(|file| file.deleted)
    }

    /// One that isn't found yet, or is held back, may have been made of it before it was deleted.
    fn may_have_copies(&self, id: FileId, now: Now) -> bool {
        let deleted = self.files.deleted_at(id);
        deleted.is_some_and(|at| now.instant < at + suspects::AT_LAST)
    }

    /// The same for closed files, now and then.
    fn forget_closed(&mut self, now: Now) {
        let closed = self.files.iter().filter(|(_, file)| file.fd().is_none());
        let mut closed: Vec<_> = closed.map(|(id, file)| (now.instant - file.grew_at, id)).collect();
        self.let_go_of_gone(&mut closed, now);
    }

    /// Marks of settled bytes are of no use.
    fn forget_marks(&mut self, id: FileId) {
        let lanes = self.running.iter().flat_map(|running| &running.lanes);
        let settled = lanes.filter_map(|lane| lane.settled_to(id)).min();
        if let (Some(settled), Some(file)) = (settled, self.files.get_mut(id)) {
            file.marks.settled(settled);
        }
    }

    fn save_backlog(&mut self, id: FileId, now: Now) {
        let (Some(saved), files) = (&mut self.saved, &self.files) else {
            return;
        };
        let lanes = self.running.iter_mut().flat_map(|running| &mut running.lanes);
        lanes.for_each(|lane| lane.save_backlog(id, files, saved, now));
    }

    pub(super) fn is_settled(&self, id: FileId, size: u64) -> bool {
        self.running
            .iter()
            .flat_map(|running| &running.lanes)
            .all(|lane| lane.is_settled(id, size))
    }

    pub(super) fn close(&mut self, id: FileId) {
        self.files.close(id);
        self.lanes_mut().for_each(|lane| lane.rest(id));
    }

    /// Lets go of a file that is delivered and gone.
    pub(super) fn forget(&mut self, id: FileId, now: Now) {
        if let Some(saved) = &mut self.saved {
            for running in &mut self.running {
                running.detach_all(id, Fate::Withdrawn, (&self.files, &mut *saved, now));
            }
        }
        self.names.forget_file(id);
        self.files.remove(id);
    }

    pub(super) fn lanes_mut(&mut self) -> impl Iterator<Item = &mut super::lane::Lane> {
        self.running.iter_mut().flat_map(|running| &mut running.lanes)
    }
}
