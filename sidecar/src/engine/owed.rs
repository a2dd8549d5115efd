//! The rest of files that were copied away and truncated while no process read them: `copytruncate` during a downtime. The
//! copy has another inode, and a name that the globs needn't take, so it is looked for among the siblings of what they
//! take, by what an earlier process saved of its beginning and of what stood before its position.

use std::collections::BTreeMap;

use crate::reading::walk::Entry;

use super::Engine;
use super::clock::Now;
use super::discover::{At, Caution};

/// Only the newest are looked into.
const MOST: usize = 1_000;

impl Engine {
    /// Looks through files of a first walk that no glob takes, if an earlier process has left a position that no file was
    /// found for.
    pub(super) fn seek_copies(&mut self, at: At, siblings: Vec<Entry>, now: Now) {
        if siblings.is_empty() || !self.is_owed(at) {
            return;
        }
        let volumes = &mut self.running[at.running].sources[at.source].walk.volumes;
        let mut dated: Vec<_> = siblings
            .into_iter()
            .filter_map(|entry| Some((volumes[entry.volume].find(&entry.resolved).ok()?.facts.modified, entry)))
            .collect();
        dated.sort_unstable_by_key(|(modified, _)| std::cmp::Reverse(*modified));
        for (_, entry) in dated.into_iter().take(MOST) {
            if !self.is_owed(at) {
                break;
            }
            self.take_in_file(at, &entry, &BTreeMap::new(), Caution::Decide, now);
        }
    }

    fn is_owed(&self, at: At) -> bool {
        let saved = self.saved.as_ref();
        saved.is_some_and(|saved| self.flows_of(at).any(|flow| saved.owes(flow.key)))
    }
}
