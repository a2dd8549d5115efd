//! One inotify instance for everything: log directories and the configuration's directory.
//!
//! A node allows 128 instances per user, and all sidecars of a node may share one user, so a second instance would be
//! a luxury. Directories are watched, never files: a file's events come with its name, and a rename says so.
//! Where inotify can't be had, or the file system sends no events, the engine polls and says so.

use std::ffi::OsString;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

/// Identifies a watched directory as long as it is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct WatchId(i32);

#[cfg(test)]
impl WatchId {
    pub(crate) const fn numbered(number: i32) -> Self {
        Self(number)
    }
}

/// Something happened to a name in a watched directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) directory: WatchId,
    pub(crate) name: OsString,
    pub(crate) what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Written to, or its attributes changed.
    Modified,
    /// A writer closed it.
    Closed,
    /// The name is new, or means something else now. The cookie pairs the two ends of a rename.
    Appeared { cookie: u32 },
    /// The name is gone.
    Gone { cookie: u32 },
}

/// What a look into the queue found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// In order, without immediate repetitions.
    pub(crate) list: Vec<Change>,
    /// Directories that are watched no longer: removed or unmounted.
    pub(crate) lost: Vec<WatchId>,
    /// The kernel's queue overflowed: anything may have changed.
    pub(crate) overflow: bool,
}

/// The inotify instance, or none.
#[derive(Debug)]
pub(crate) struct Watcher {
    instance: Option<OwnedFd>,
    /// A file system without events, or a watch that was refused: poll.
    must_poll: bool,
}

/// What is worth knowing about a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interest {
    /// Which names it has.
    Names,
    /// What happens to the files in it.
    Files,
}

impl Interest {
    /// Added to what another source already wants from the same directory.
    fn flags(self) -> WatchFlags {
        let names = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::ATTRIB
            | WatchFlags::ONLYDIR
            | WatchFlags::MASK_ADD;
        match self {
            Self::Names => names,
            Self::Files => names | WatchFlags::MODIFY | WatchFlags::CLOSE_WRITE,
        }
    }
}

/// File systems whose writers may be on another machine or in user space: no events come from them.
/// Numbers of `statfs(2)`: NFS, FUSE, 9p, SMB, SMB2, Ceph. virtiofs reports FUSE's number.
const WITHOUT_EVENTS: [i64; 6] = [0x6969, 0x6573_5546, 0x0102_1997, 0xff53_4d42, 0xfe53_4d42, 0x00c3_6400];

impl Watcher {
    /// Falls back to polling when no instance can be had.
    pub(crate) fn new() -> Self {
        let instance = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC);
        if let Err(error) = &instance {
            tracing::warn!(%error, "inotify is not available, files are polled");
        }
        Self {
            must_poll: instance.is_err(),
            instance: instance.ok(),
        }
    }

    pub(crate) const fn must_poll(&self) -> bool {
        self.must_poll
    }

    /// To wait on.
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.instance.as_ref().map(AsFd::as_fd)
    }

    /// Watches an open directory; `path` serves where `/proc` isn't mounted. The same directory gives the same id.
    pub(crate) fn add(&mut self, directory: &OwnedFd, path: &Path, interest: Interest) -> Option<WatchId> {
        let file_system = rustix::fs::fstatfs(directory).map_or(0, |stat| stat.f_type);
        if WITHOUT_EVENTS.contains(&file_system) {
            self.poll_because("its file system sends no events", path);
        }
        match self.watch(directory, path, interest) {
            Ok(id) => Some(id),
            Err(error) => {
                self.poll_because(&error.to_string(), path);
                None
            }
        }
    }

    /// Watches a directory that is looked at now and then in any case: no reason to poll files.
    pub(crate) fn add_aside(&self, directory: &OwnedFd, path: &Path) -> Option<WatchId> {
        self.watch(directory, path, Interest::Files).ok()
    }

    fn watch(&self, directory: &OwnedFd, path: &Path, interest: Interest) -> Result<WatchId, Errno> {
        let instance = self.instance.as_ref().ok_or(Errno::NOSYS)?;
        let by_descriptor = format!("/proc/self/fd/{}", directory.as_raw_fd());
        inotify::add_watch(instance, by_descriptor, interest.flags())
            .or_else(|errno| match errno {
                Errno::NOENT => inotify::add_watch(instance, path, interest.flags()),
                other => Err(other),
            })
            .map(WatchId)
    }

    fn poll_because(&mut self, reason: &str, path: &Path) {
        if !self.must_poll {
            tracing::warn!(reason, path = %path.display(), "a directory can't be watched, files are polled");
        }
        self.must_poll = true;
    }

    /// Everything that is in the queue now.
    pub(crate) fn changes(&mut self) -> Changes {
        let mut changes = Changes::default();
        let Some(instance) = &self.instance else {
            return changes;
        };
        let mut buffer = [MaybeUninit::uninit(); 16 << 10];
        let mut reader = Reader::new(instance, &mut buffer);
        while let Ok(event) = reader.next() {
            let (flags, directory) = (event.events(), WatchId(event.wd()));
            if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
                changes.overflow = true;
            } else if flags.contains(ReadFlags::IGNORED) {
                changes.lost.push(directory);
            } else if let Some(name) = event.file_name() {
                let change = Change {
                    directory,
                    name: std::ffi::OsStr::from_bytes(name.to_bytes()).to_owned(),
                    what: what(flags, event.cookie()),
                };
                if changes.list.last() != Some(&change) {
                    changes.list.push(change);
                }
            }
        }
        changes
    }
}

fn what(flags: ReadFlags, cookie: u32) -> What {
    if flags.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO) {
        What::Appeared { cookie }
    } else if flags.intersects(ReadFlags::DELETE | ReadFlags::MOVED_FROM) {
        What::Gone { cookie }
    } else if flags.contains(ReadFlags::CLOSE_WRITE) {
        What::Closed
    } else {
        What::Modified
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;

    #[test]
    fn writes_and_renames_are_seen_with_their_names() {
        let dir = tempfile::tempdir().unwrap();
        let mut watcher = Watcher::new();
        let id = watcher
            .add(&File::open(dir.path()).unwrap().into(), dir.path(), Interest::Files)
            .unwrap();
        fs::write(dir.path().join("a"), "x").unwrap();
        fs::rename(dir.path().join("a"), dir.path().join("b")).unwrap();
        let changes = watcher.changes();
        assert!(changes.list.iter().all(|change| change.directory == id));
        let seen: Vec<_> = changes
            .list
            .iter()
            .map(|change| (change.name.to_str().unwrap(), change.what))
            .collect();
        let [
            ("a", What::Appeared { cookie: 0 }),
            ("a", What::Modified),
            ("a", What::Closed),
            from,
            to,
        ] = seen[..]
        else {
            panic!("{seen:?}");
        };
        let (("a", What::Gone { cookie: left }), ("b", What::Appeared { cookie: came })) = (from, to) else {
            panic!("{seen:?}");
        };
        assert!(left == came && left != 0);
    }

    #[test]
    fn a_removed_directory_is_reported_as_lost() {
        let dir = tempfile::tempdir().unwrap();
        let sub = dir.path().join("sub");
        fs::create_dir(&sub).unwrap();
        let mut watcher = Watcher::new();
        let id = watcher
            .add(&File::open(&sub).unwrap().into(), &sub, Interest::Names)
            .unwrap();
        fs::remove_dir(&sub).unwrap();
        assert_eq!(watcher.changes().lost, [id]);
    }
}
