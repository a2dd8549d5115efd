//! How many files may be open at once: what the system allows, less what sockets and events need. Delivered files are
//! closed to make room for others; undelivered ones never are, so a file may have to wait until they are delivered.

use std::time::Duration;

use super::Engine;
use super::changes::LET_GO_AFTER;
use super::clock::Now;
use super::files::FileId;

/// For sockets, events, positions, directories under way. Without a descriptor for its connection a destination would
/// never take what the open files hold.
const RESERVED: usize = 40;
/// However little is allowed.
const LEAST: usize = 4;
/// How soon a file that found no room is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// Delivered files that nobody writes to are closed after so long.
const CLOSE_AFTER: Duration = Duration::from_secs(300);
/// So many of them may be open all the same.
const IDLE_DESCRIPTORS: usize = 256;

/// Which delivered files are to be closed, of all that are open, each with the time since anybody wrote to it.
pub(super) fn superfluous<Id: Ord>(mut idle: Vec<(Duration, Id)>) -> Vec<Id> {
    idle.sort_unstable_by(|a, b| b.cmp(a));
    let excess = idle.len().saturating_sub(IDLE_DESCRIPTORS);
    let is_superfluous =
        |(index, since): (usize, Duration)| index < excess && since >= LET_GO_AFTER || since >= CLOSE_AFTER;
    let idle = idle.into_iter().enumerate();
    let idle = idle.filter(|(index, (since, _))| is_superfluous((*index, *since)));
    idle.map(|(_, (_, id))| id).collect()
}

impl Engine {
    /// Whether one more file may be opened.
    pub(super) fn has_descriptor(&mut self) -> bool {
        let most = self.options.descriptors.saturating_sub(RESERVED).max(LEAST);
        let open = self.files.count_open() + self.suspects.len();
        if open < most {
            return true;
        }
        // Some more at once, so that the next files needn't look again.
        let wanted = open - most + 1 + most / 8;
        self.close_delivered(wanted) > open - most
    }

    /// A file found no descriptor.
    pub(super) fn try_again_soon(&mut self, now: Now) {
        self.due.rescan = self.due.rescan.min(now.instant + AGAIN);
    }

    /// Closes delivered files, the quietest first; returns how many.
    fn close_delivered(&mut self, wanted: usize) -> usize {
        let delivered = self.files.opened().filter(|(id, file)| self.is_settled(*id, file.size));
        let mut delivered: Vec<_> = delivered.map(|(id, file)| (file.grew_at, id)).collect();
        delivered.sort_unstable();
        let closed: Vec<FileId> = delivered.into_iter().take(wanted).map(|(_, id)| id).collect();
        for id in &closed {
            self.close(*id);
        }
        closed.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delivered_files_are_closed_after_a_while_or_when_there_are_many_the_quietest_first() {
        let idle = |seconds: &[u64]| -> Vec<u64> {
            let files = seconds.iter().map(|since| (Duration::from_secs(*since), *since));
            superfluous(files.collect())
        };
        assert_eq!(idle(&[5, 299, 300, 400]), [400, 300]);
        let many: Vec<u64> = (1..=260).collect();
        assert_eq!(idle(&many), [260, 259, 258, 257]);
        assert_eq!(idle(&[1; 1000]), Vec::<u64>::new(), "just written");
    }
}
