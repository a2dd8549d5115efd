//! Which files there are: taking in what the walks find.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use pipeline::source::StartAt;
use rustix::io::Errno;

use crate::reading::compressed;
use crate::reading::facts::Facts;
use crate::reading::volume::{Opened, Refusal};
use crate::reading::walk::{Entry, Findings, Listed};
use crate::reading::watcher::WatchId;

use super::Engine;
use super::clock::Now;
use super::content::hole_at;
use super::files::{File, FileId};
use super::head::HEAD;
use super::lane::Flow;
use super::reclaim::{HEAD_KEPT, Reclaimed};
use super::source::{Source, Tail, Walked, identity};
use super::start::{self, Start};

/// More files than that are reported, not tailed.
const MAX_FILES: usize = 50_000;
/// Which source of which pipeline.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    pub(super) running: usize,
    pub(super) source: usize,
}

/// Why a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ground {
    Matches,
    /// Only by what an earlier process saved of it: a name that doesn't match says nothing, and an inode is used again.
    IsOwed,
}

/// Whether a suspicion holds a file back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caution {
    Wait,
    Decide,
}

impl Engine {
    pub(super) fn sources(&self) -> Vec<At> {
        let each = |(running, known): (usize, &super::Running)| {
            (0..known.sources.len())
                .map(move |source| At { running, source })
                .collect::<Vec<_>>()
        };
        self.running.iter().enumerate().flat_map(each).collect()
    }

    /// The ways of a source to the destinations that take it.
    pub(super) fn flows_of(&self, at: At) -> impl Iterator<Item = &Flow> {
        let running = &self.running[at.running];
        let source = running.sources[at.source].id;
        running.lanes.iter().filter_map(move |lane| lane.flows.get(&source))
    }

    /// Walks all sources.
    pub(super) fn scan_all(&mut self, now: Now) {
        for at in self.sources() {
            self.scan(at, now);
        }
    }

    pub(super) fn scan(&mut self, at: At, now: Now) {
        let source = &mut self.running[at.running].sources[at.source];
        let Source { walk, tails, .. } = source;
        let is_known = |listed: &Listed<'_>| {
            let id = self.names.get(listed.watch, listed.name);
            let file = id.filter(|id| tails.contains_key(id)).and_then(|id| self.files.get(id));
            file.is_some_and(|file| {
                let is_as_it_was = || listed.facts().is_some_and(|facts| file.is_as(&facts));
                file.key.inode == listed.inode && (file.fd().is_some() || is_as_it_was())
            })
        };
        let findings = walk.scan(&mut self.watcher, &is_known);
        source.measure();
        let before = std::mem::take(&mut source.unreadable);
        let siblings = match source.walked {
            Walked::Stale => findings
                .entries
                .iter()
                .filter(|entry| !entry.is_match)
                .cloned()
                .collect(),
            Walked::Current => Vec::new(),
        };
        self.take_in(at, findings, &before, now);
        self.seek_copies(at, siblings, now);
        self.running[at.running].sources[at.source].walked = Walked::Current;
    }

    /// Looks at one name of a watched directory.
    pub(super) fn look_at_name(&mut self, (watch, name): &(WatchId, OsString), now: Now) {
        for at in self.sources() {
            let source = &mut self.running[at.running].sources[at.source];
            if source.walk.watches(*watch) {
                let findings = source.walk.look(*watch, name, &mut self.watcher);
                self.take_in(at, findings, &BTreeMap::new(), now);
            }
        }
    }

    fn take_in(&mut self, at: At, findings: Findings, before: &BTreeMap<String, Refusal>, now: Now) {
        for (path, refusal) in findings.refused {
            self.refuse(at, path, refusal, before);
        }
        let mut entries = findings.entries;
        // Those that an earlier process knew come before others can be taken for their copies.
        let missed: Vec<Entry> = entries.extract_if(.., |entry| self.is_missed(at, entry)).collect();
        entries.retain(|entry| entry.is_match);
        for entry in missed.into_iter().chain(entries) {
            self.take_in_file(at, &entry, before, Caution::Wait, now);
        }
    }

    /// A file that was read by an earlier process under another name: the rest of it is still owed.
    fn is_missed(&self, at: At, entry: &Entry) -> bool {
        let saved = self.saved.as_ref();
        saved.is_some_and(|saved| self.flows_of(at).any(|flow| saved.misses(flow.key, entry.inode)))
    }

    /// The same of one that was opened, and isn't another one with its inode.
    fn was_known(&self, at: At, facts: &Facts) -> bool {
        let saved = self.saved.as_ref();
        saved.is_some_and(|saved| self.flows_of(at).any(|flow| saved.knows(flow.key, facts.id)))
    }

    fn refuse(&mut self, at: At, path: String, refusal: Refusal, before: &BTreeMap<String, Refusal>) {
        let source = &mut self.running[at.running].sources[at.source];
        if before.get(&path) == Some(&refusal) {
            // Known already: neither counted nor logged again.
            source.unreadable.insert(path, refusal);
        } else {
            source.refuse(path, refusal);
        }
    }

    pub(super) fn take_in_file(
        &mut self,
        at: At,
        entry: &Entry,
        before: &BTreeMap<String, Refusal>,
        caution: Caution,
        now: Now,
    ) {
        if self.is_known(entry) || compressed::is_named_so(entry.name()) {
            return;
        }
        if !self.has_descriptor() {
            self.try_again_soon(now);
            return self.refuse(at, entry.path.clone(), Refusal::System(Errno::MFILE), before);
        }
        let source = &mut self.running[at.running].sources[at.source];
        // An entry that was held back may be older than the source's mounts.
        let Some(volume) = source.walk.volumes.get_mut(entry.volume) else {
            return;
        };
        let opened = match volume.open_file(&entry.resolved) {
            Ok(opened) => opened,
            // A directory whose name matches is no fault of the file's.
            Err(Refusal::Absent | Refusal::NotRegular("a directory")) => return,
            Err(_) if !entry.is_match => return,
            Err(refusal) => {
                if matches!(refusal, Refusal::System(Errno::MFILE | Errno::NFILE)) {
                    self.try_again_soon(now);
                }
                return self.refuse(at, entry.path.clone(), refusal, before);
            }
        };
        source.unreadable.remove(&entry.path);
        if self.files.len() >= MAX_FILES && self.files.find(opened.facts.id).is_none() {
            return self.refuse(at, entry.path.clone(), Refusal::System(Errno::MFILE), before);
        }
        let is_new = self.files.find(opened.facts.id).is_none();
        if is_new && compressed::begins_so(&start::read_head(&opened.fd, compressed::TELLING)) {
            return;
        }
        self.adopt(at, entry, opened, caution, now);
    }

    /// Nothing new: the name means what it meant, and the file is open.
    fn is_known(&self, entry: &Entry) -> bool {
        let Some(watch) = entry.watch else {
            return false;
        };
        let id = self.names.get(watch, entry.name());
        let file = id.and_then(|id| self.files.get(id));
        entry.inode != 0
            && file.is_some_and(|file| file.fd().is_some() && file.key.inode == entry.inode)
            && self.running.iter().flat_map(|running| &running.sources).all(|source| {
                let follows = id.is_some_and(|id| source.tails.contains_key(&id));
                follows || !entry.is_match
            })
    }

    /// Makes an open file one of the source's.
    pub(super) fn adopt(&mut self, at: At, entry: &Entry, opened: Opened, caution: Caution, now: Now) {
        let Opened { fd, facts, resolved } = opened;
        if self.own_files.contains(&facts.id) {
            return;
        }
        let id = if let Some(id) = self.files.find(facts.id) {
            self.reopen(id, fd, &facts);
            id
        } else {
            let source = &self.running[at.running].sources[at.source];
            if is_too_old(source.config.ignore_older, &facts, now) && entry.is_match && !self.is_missed(at, entry) {
                return;
            }
            let head = start::read_head(&fd, HEAD);
            let may_wait = caution == Caution::Wait && !self.was_known(at, &facts) && !self.begins_at_end(at);
            if may_wait && self.begins_alike(at, &head, facts.size) {
                return self.suspect(at, entry, Opened { fd, facts, resolved }, now);
            }
            let id = self.files.insert(fd, &facts, head, now);
            self.know_hole(id);
            id
        };
        if let Some(watch) = entry.watch {
            self.names.insert(watch, entry.name(), id);
        }
        let ground = if entry.is_match {
            Ground::Matches
        } else {
            Ground::IsOwed
        };
        self.follow(at, id, (&entry.path, ground), (entry.volume, resolved), now);
        self.skip_hole(id);
        let mut sources = self.running.iter().flat_map(|running| &running.sources);
        if !sources.any(|source| source.tails.contains_key(&id)) {
            self.forget(id, now);
        }
    }

    /// What is found now is old, and is passed over by a destination that wasn't there before.
    fn begins_at_end(&self, at: At) -> bool {
        let source = &self.running[at.running].sources[at.source];
        let is_new = |key| self.saved.as_ref().is_some_and(|saved| saved.counters(key).is_none());
        source.config.start_at == Some(StartAt::End) && self.flows_of(at).any(|flow| is_new(flow.key))
    }

    /// An earlier process may have given a part of it back to the volume.
    fn know_hole(&mut self, id: FileId) {
        if let Some(file) = self.files.get_mut(id) {
            file.reclaimed = Reclaimed::found(hole_at(file, HEAD_KEPT));
        }
    }

    /// A file that was closed has news.
    fn reopen(&mut self, id: FileId, fd: std::os::fd::OwnedFd, facts: &Facts) {
        let has_news = |file: &File| file.fd().is_none() && file.size != facts.size;
        if self.files.get(id).is_some_and(has_news) {
            self.files.open(id, fd);
            self.dirty.insert(id);
        }
    }

    /// Follows a file in all lanes that take the source and don't follow it yet.
    pub(super) fn follow(
        &mut self,
        at: At,
        id: FileId,
        (path, ground): (&str, Ground),
        place: (usize, PathBuf),
        now: Now,
    ) {
        let (Some(file), Some(saved)) = (self.files.get(id), &mut self.saved) else {
            return;
        };
        let running = &mut self.running[at.running];
        let source = &mut running.sources[at.source];
        let starts: Vec<Option<Start>> = running
            .lanes
            .iter()
            .map(|lane| {
                let wanted = lane.takes(&source.config.name) && !lane.has(source.id, id);
                let start = wanted
                    .then(|| start::find(lane, source, (file, &self.files), saved))
                    .flatten();
                start.filter(|start| ground == Ground::Matches || start.record.is_some())
            })
            .collect();
        if ground == Ground::IsOwed && starts.iter().all(Option::is_none) {
            return;
        }
        let least = starts.iter().flatten().map(|start| start.position.offset).min();
        if !source.tails.contains_key(&id) {
            let path = start::first_path(&starts, source, path);
            let (origin, read) = (source.origin(path, identity(file.key)), least.unwrap_or(0));
            let generation = file.generation;
            let tail = Tail::new(origin, place, (read, generation), self.files.next_slot());
            source.tails.insert(id, tail);
        }
        if let Some(file) = self.files.get_mut(id) {
            start::recall(&starts, &mut file.marks);
        }
        let Some(file) = self.files.get(id) else {
            return;
        };
        tracing::debug!(path, size = file.size, "a file is followed");
        for (lane, start) in running.lanes.iter_mut().zip(starts) {
            if let Some(start) = start {
                lane.attach(source, (id, file), &start);
                lane.save_start((source.id, id), &self.files, saved, now);
            }
        }
    }

    /// Follows what stands at a name that doesn't match, because it came from one that does. False if nothing does.
    pub(super) fn adopt_renamed(&mut self, path: &str, (watch, name): &(WatchId, OsString), now: Now) -> bool {
        let mut found = false;
        for at in self.sources() {
            let walk = &mut self.running[at.running].sources[at.source].walk;
            let Some((volume, resolved)) = walk.place(*watch, name).filter(|_| walk.matches(path)) else {
                continue;
            };
            let Ok(opened) = walk.volumes[volume].open_file(&resolved) else {
                continue;
            };
            found = true;
            let entry = Entry {
                path: path.to_owned(),
                volume,
                resolved,
                watch: Some(*watch),
                inode: opened.facts.id.inode,
                is_match: true,
            };
            self.adopt(at, &entry, opened, Caution::Wait, now);
        }
        found
    }
}

fn is_too_old(ignore_older: Option<pipeline::Duration>, facts: &Facts, now: Now) -> bool {
    ignore_older.is_some_and(|limit| {
        let age = now.wall.saturating_sub(facts.modified) / 1_000_000;
        u64::try_from(age).unwrap_or(0) > limit.as_millis()
    })
}
