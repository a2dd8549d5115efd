//! Files of the sidecar's own that stand among logs: a state directory that a pattern reaches into. They are told by what
//! they are, whatever leads to them; those of other sidecars by the name of the directory, which no walk enters
//! ([`pipeline::config::STATE_DIRECTORY`]).

use std::collections::HashSet;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use crate::reading::facts::{Facts, FileKey};

/// What stands in the state directory once the positions are open.
pub(super) fn files(state: &Path) -> HashSet<FileKey> {
    let entries = std::fs::read_dir(state).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let fd = rustix::fs::open(entry.path(), flags, Mode::empty()).ok()?;
            Some(Facts::of(&fd).ok()?.id)
        })
        .collect()
}
