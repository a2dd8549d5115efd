//! How many files may be open at once: what the system allows, less what sockets and events need. Delivered files are
//! closed to make room for others; undelivered ones never are, so a file may have to wait until they are delivered.

use std::time::Duration;

use super::Engine;
use super::clock::Now;
use super::files::FileId;

/// For sockets, events, positions, directories under way. Without a descriptor for its connection a destination would
/// never take what the open files hold.
const RESERVED: usize = 40;
/// However little is allowed.
const LEAST: usize = 4;
/// How soon a file that found no room is tried again.
const AGAIN: Duration = Duration::from_secs(1);

impl Engine {
    /// Whether one more file may be opened.
    pub(super) fn has_descriptor(&mut self) -> bool {
        let most = self.options.descriptors.saturating_sub(RESERVED).max(LEAST);
        if self.files.len() < most {
            return true;
        }
        let open = self.files.iter().filter(|(_, file)| file.fd.is_some()).count();
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
        let open = self.files.iter().filter(|(_, file)| file.fd.is_some());
        let delivered = open.filter(|(id, file)| self.is_settled(*id, file.size));
        let mut delivered: Vec<_> = delivered.map(|(id, file)| (file.grew_at, id)).collect();
        delivered.sort_unstable();
        let closed: Vec<FileId> = delivered.into_iter().take(wanted).map(|(_, id)| id).collect();
        for id in &closed {
            self.close(*id);
        }
        closed.len()
    }
}
