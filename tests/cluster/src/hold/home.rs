//! The folder of a cluster: claimed by a lock, removed at the end, and swept up after holders that were killed.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use crate::files::remove_folder;
use crate::layout::Layout;
use crate::node::cgroups;
use crate::privilege;

/// How long mounts and dying processes may keep a folder busy.
const REMOVAL: Duration = Duration::from_secs(10);
/// Beside the clusters; no cluster can be called that.
const SWEEPING: &str = ".sweeping";
/// Logs of clusters that failed, by the cluster's name.
const FAILED: &str = ".failed";
/// Beside those logs, what the failure was.
const REASON: &str = "reason.txt";

/// Why a folder can't be claimed.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// Somebody has it.
    #[error(
        "a cluster named {0} is there already; take it down first (`cluster down --name {0}`) or choose another name"
    )]
    Taken(String),
    /// The file system refuses.
    #[error("cannot make the cluster's folder {}", folder.display())]
    Folder {
        /// The cluster's folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A claimed folder. Dropping it removes the folder, so it must be dropped after everything that uses it.
#[derive(Debug)]
pub(crate) struct Home {
    layout: Layout,
    _lock: File,
}

impl Home {
    /// Makes and locks the folder, after sweeping up what killed holders left beside it.
    pub(crate) fn claim(layout: Layout, name: &str) -> Result<Self, HomeError> {
        let failed = |source| HomeError::Folder {
            folder: layout.folder().to_owned(),
            source,
        };
        let root = layout.folder().parent().unwrap_or(Path::new("/")).to_owned();
        fs::create_dir_all(&root).map_err(failed)?;
        // Between the making of a folder and its locking it looks like one that was left behind.
        let sweeping = File::create(root.join(SWEEPING)).map_err(failed)?;
        flock(&sweeping, FlockOperation::LockExclusive).map_err(|error| failed(error.into()))?;
        privilege::hand_over(&root.join(SWEEPING), &root).map_err(failed)?;
        remove_left_behind(&root);
        if layout.folder().exists() {
            return Err(HomeError::Taken(name.to_owned()));
        }
        remove_folder(&failure_folder(&layout), Duration::ZERO).map_err(failed)?;
        fs::create_dir(layout.folder())
            .and_then(|()| layout.make_folders())
            .map_err(failed)?;
        let mut lock = File::create(layout.lock()).map_err(failed)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|error| failed(error.into()))?;
        writeln!(lock, "{}", std::process::id()).map_err(failed)?;
        privilege::hand_over(layout.folder(), &root).map_err(failed)?;
        Ok(Self { layout, _lock: lock })
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Puts the logs where they survive the folder, in place of those of the cluster's last failure, and the reason
    /// with them. Returns the reason with the place of the logs.
    pub(crate) fn keep_logs(&self, reason: &str) -> String {
        let kept = failure_folder(&self.layout);
        let keep = || {
            fs::create_dir_all(kept.parent().unwrap_or(Path::new("/")))?;
            remove_folder(&kept, Duration::ZERO)?;
            fs::rename(self.layout.logs(), &kept)?;
            let sentence = format!("{reason}\nall logs are in {}", kept.display());
            fs::write(kept.join(REASON), &sentence)?;
            let failures = kept.parent().unwrap_or(&kept);
            privilege::hand_over(failures, failures.parent().unwrap_or(failures))?;
            io::Result::Ok(sentence)
        };
        keep().unwrap_or_else(|_| reason.to_owned())
    }
}

/// Where the logs of a cluster go that fails.
fn failure_folder(layout: &Layout) -> PathBuf {
    let root = layout.folder().parent().unwrap_or(Path::new("/"));
    root.join(FAILED).join(layout.folder().file_name().unwrap_or_default())
}

/// Why the last cluster of that folder failed, until the next one starts there.
pub(crate) fn last_failure(layout: &Layout) -> Option<String> {
    fs::read_to_string(failure_folder(layout).join(REASON)).ok()
}

impl Drop for Home {
    fn drop(&mut self) {
        // What can't be removed now is swept up by the next start.
        let _ = remove_folder(self.layout.folder(), REMOVAL);
    }
}

/// Whether a holder lives in the folder.
pub(crate) fn is_held(layout: &Layout) -> bool {
    let lock = File::open(layout.lock());
    lock.is_ok_and(|file| flock(&file, FlockOperation::NonBlockingLockShared).is_err())
}

/// The holder's process, when one lives in the folder.
pub(crate) fn holder(layout: &Layout) -> Option<u32> {
    if !is_held(layout) {
        return None;
    }
    fs::read_to_string(layout.lock()).ok()?.trim().parse().ok()
}

/// The clusters below `root`, running or left behind.
pub(crate) fn clusters(root: &Path) -> Vec<Layout> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let named = folders.filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
    named.map(|entry| Layout::at(entry.path())).collect()
}

/// Removes what killed holders left below `root`.
pub(crate) fn sweep_up(root: &Path) {
    let locked =
        File::create(root.join(SWEEPING)).map(|sweeping| (flock(&sweeping, FlockOperation::LockExclusive), sweeping));
    if let Ok((Ok(()), _sweeping)) = locked {
        remove_left_behind(root);
    }
}

fn remove_left_behind(root: &Path) {
    for left_behind in clusters(root).into_iter().filter(|layout| !is_held(layout)) {
        cgroups::remove_left_behind(&left_behind);
        let _ = remove_folder(left_behind.folder(), Duration::ZERO);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_taken_while_it_is_held_and_free_afterwards() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::at(root.path().join("one"));
        let home = Home::claim(layout.clone(), "one").unwrap();
        assert_eq!(holder(&layout), Some(std::process::id()));
        assert!(matches!(Home::claim(layout.clone(), "one"), Err(HomeError::Taken(_))));
        drop(home);
        assert!(!layout.folder().exists());
        Home::claim(layout, "one").unwrap();
    }

    #[test]
    fn what_a_killed_holder_left_is_swept_up_and_what_is_held_is_not() {
        let root = tempfile::tempdir().unwrap();
        let held = Home::claim(Layout::at(root.path().join("held")), "held").unwrap();
        let left = Layout::at(root.path().join("left"));
        fs::create_dir_all(left.folder()).unwrap();
        fs::write(left.lock(), "1\n").unwrap();
        let _new = Home::claim(Layout::at(root.path().join("new")), "new").unwrap();
        assert!(!left.folder().exists());
        assert!(held.layout().folder().exists());
    }

    #[test]
    fn the_logs_of_a_failure_outlive_the_cluster() {
        let root = tempfile::tempdir().unwrap();
        let home = Home::claim(Layout::at(root.path().join("one")), "one").unwrap();
        fs::write(home.layout().log_of("etcd"), "no luck").unwrap();
        let layout = home.layout().clone();
        let sentence = home.keep_logs("etcd ended");
        drop(home);
        let (reason, logs) = sentence.split_once("\nall logs are in ").unwrap();
        assert_eq!(reason, "etcd ended");
        assert_eq!(fs::read_to_string(Path::new(logs).join("etcd.log")).unwrap(), "no luck");
        assert_eq!(last_failure(&layout), Some(sentence));
        assert!(clusters(root.path()).is_empty());
        let _next = Home::claim(layout.clone(), "one").unwrap();
        assert_eq!(last_failure(&layout), None);
    }
}
