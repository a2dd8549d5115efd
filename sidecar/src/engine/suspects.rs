//! New files that begin like a known one: copies under way, as `copytruncate` makes them, or files of their own. They are
//! held back for a moment, and held open, so that one that is deleted meanwhile is not lost. What makes a copy is in
//! [`copies`](super::copies).

use std::time::{Duration, Instant};

use super::Engine;
use super::clock::Now;
use super::content::hash_of;
use super::copies::{Look, copied};
use super::discover::{At, Caution};
use super::head::{HEAD, LEAST_HEAD};
use super::lane::Lane;
use super::source::SourceId;
use super::start;
use super::unclaimed::Candidate;
use crate::reading::facts::Facts;
use crate::reading::volume::Opened;
use crate::reading::walk::Entry;

/// How often a copy that may be under way is looked at,
const LOOK: Duration = Duration::from_millis(100);
/// and for each so many of them, so much more rarely.
const MANY: usize = 1_000;
/// A copy that doesn't grow for so long is a file of its own.
const PATIENCE: Duration = Duration::from_secs(2);
/// The same for one with so few bytes that they tell little.
const SHORT_PATIENCE: Duration = Duration::from_millis(200);
/// The same for either when the process is about to end.
const LAST_PATIENCE: Duration = Duration::from_millis(300);
/// A file that goes on growing isn't held back longer.
pub(super) const AT_LAST: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Suspect {
    source: SourceId,
    entry: Entry,
    opened: Opened,
    /// If it doesn't grow.
    until: Instant,
    /// In any case.
    at_last: Instant,
    pub(super) look_at: Instant,
}

impl Engine {
    /// How long a file of this size may be held back.
    fn patience(&self, size: u64) -> Duration {
        // A short beginning that is the same by chance costs little; nothing at all costs nothing.
        let is_short = (1..LEAST_HEAD as u64).contains(&size);
        let usual = if is_short { SHORT_PATIENCE } else { PATIENCE };
        let most = if self.is_last_call() { LAST_PATIENCE } else { usual };
        usual.min(most)
    }

    /// Holds a file back that may become a copy of another.
    pub(super) fn suspect(&mut self, at: At, entry: &Entry, opened: Opened, now: Now) {
        let patience = self.patience(opened.facts.size);
        let source = self.running[at.running].sources[at.source].id;
        let is_known = |known: &&mut Suspect| known.source == source && known.opened.facts.id == opened.facts.id;
        if let Some(known) = self.suspects.iter_mut().find(is_known) {
            // Perhaps it has another name now.
            known.entry.clone_from(entry);
            known.grew(opened.facts, patience, now);
            return;
        }
        self.suspects.push(Suspect {
            source,
            entry: entry.clone(),
            opened,
            until: now.instant + patience,
            at_last: now.instant + AT_LAST,
            look_at: now.instant,
        });
    }

    /// Decides on files that were held back.
    pub(super) fn look_at_suspects(&mut self, now: Now) {
        let is_last_call = self.is_last_call();
        let suspects = std::mem::take(&mut self.suspects);
        let is_due = |suspect: &Suspect| now.instant >= suspect.look_at || is_last_call;
        let (due, wait): (Vec<_>, _) = suspects.into_iter().partition(is_due);
        self.suspects = wait;
        for suspect in due {
            self.look_at_suspect(suspect, now);
        }
    }

    /// The process is to end, and nothing more is expected of the application, or there is no time for it.
    fn is_last_call(&self) -> bool {
        self.draining.as_ref().is_some_and(|draining| draining.ship_rest)
    }

    /// Bytes of files of which it isn't known yet whether they are anything new to a destination.
    pub(super) fn suspected_bytes(&self, lane: &Lane) -> u64 {
        let suspects = self.suspects.iter();
        let suspects = suspects.filter(|suspect| lane.flows.contains_key(&suspect.source));
        suspects.map(|suspect| suspect.opened.facts.size).sum()
    }

    fn look_at_suspect(&mut self, mut suspect: Suspect, now: Now) {
        let Ok(facts) = Facts::of(&suspect.opened.fd) else {
            return;
        };
        let Some(at) = self.wants(&suspect, facts) else {
            return;
        };
        let is_growing = facts.size != suspect.opened.facts.size;
        if let Some(draining) = self.draining.as_mut().filter(|_| is_growing) {
            draining.grew_at = now.instant;
        }
        if self.is_last_call() {
            suspect.until = suspect.until.min(now.instant + LAST_PATIENCE);
        }
        let is_over = now.instant >= suspect.until || facts.links == 0;
        let head = start::read_head(&suspect.opened.fd, HEAD);
        let look = if is_over { Look::AtAll } else { Look::UntilFound };
        let is_suspicious = !self.is_copy(at, &suspect.opened, (&head, facts.size))
            && self.may_become_copy(at, (&head, facts.size), look, now);
        if is_suspicious && !is_over {
            let patience = self.patience(facts.size);
            suspect.grew(facts, patience, now);
            suspect.look_at = now.instant + LOOK * u32::try_from(self.suspects.len() / MANY + 1).unwrap_or(u32::MAX);
            self.suspects.push(suspect);
            return;
        }
        let Suspect { mut entry, opened, .. } = suspect;
        if !self.is_at(at, &entry, facts) {
            entry.watch = None;
        }
        self.adopt(at, &entry, Opened { facts, ..opened }, Caution::Decide, now);
    }

    /// The source that a suspect is held back for, unless it has the file by another name, or a reload left it out.
    fn wants(&self, suspect: &Suspect, facts: Facts) -> Option<At> {
        let source = |at: &At| &self.running[at.running].sources[at.source];
        let at = self.sources().into_iter().find(|at| source(at).id == suspect.source)?;
        let id = self.files.find(facts.id);
        let is_taken_in = id.is_some_and(|id| source(&at).tails.contains_key(&id));
        let is_left_out = suspect.entry.is_match && !source(&at).walk.matches(&suspect.entry.path);
        (!is_taken_in && !is_left_out).then_some(at)
    }

    /// It is known by now what it is a copy of.
    fn is_copy(&self, at: At, opened: &Opened, (head, size): (&[u8], u64)) -> bool {
        let running = &self.running[at.running];
        let source = &running.sources[at.source];
        let candidate = Candidate {
            key: opened.facts.id,
            size,
            head,
            hash: &|offset, length| hash_of(&opened.fd, offset, length),
        };
        let mut lanes = running.lanes.iter();
        lanes.any(|lane| copied(lane, source, &candidate, &self.files).is_some())
    }

    /// Whether the file still stands at its name, which may be another one's by now, or nobody's.
    fn is_at(&mut self, at: At, entry: &Entry, facts: Facts) -> bool {
        let volumes = &mut self.running[at.running].sources[at.source].walk.volumes;
        let found = volumes.get_mut(entry.volume).map(|volume| volume.find(&entry.resolved));
        matches!(found, Some(Ok(found)) if found.facts.id == facts.id)
    }
}

impl Suspect {
    fn grew(&mut self, facts: Facts, patience: Duration, now: Now) {
        if self.opened.facts.size != facts.size {
            self.until = (now.instant + patience).min(self.at_last);
        }
        self.opened.facts = facts;
    }
}
