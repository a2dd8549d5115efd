//! What the kernel says about an open file.

use std::ffi::OsStr;
use std::fmt;
use std::os::fd::AsFd;

use rustix::fs::{AtFlags, FileType, Statx, StatxFlags, StatxTimestamp};
use rustix::io::Errno;

/// One `statx`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) id: FileKey,
    pub(crate) kind: FileType,
    pub(crate) size: u64,
    /// What the file takes on the volume; holes don't count.
    pub(crate) allocated: u64,
    /// Nanoseconds since the Unix epoch.
    pub(crate) modified: i64,
    /// The same of when it was last written to, cut, renamed or deleted.
    pub(crate) changed: i64,
    pub(crate) links: u32,
    pub(crate) owner: Owner,
}

/// Names a file as long as the node is up. Inodes are used again at once by ext4, hence the birth time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FileKey {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    /// Nanoseconds since the Unix epoch; 0 where the file system has none (NFS, gVisor).
    pub(crate) birth: i64,
}

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) mode: u16,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

const WANTED: StatxFlags = StatxFlags::BASIC_STATS.union(StatxFlags::BTIME);

impl Facts {
    pub(crate) fn of(fd: impl AsFd) -> Result<Self, Errno> {
        Ok(Self::from(&rustix::fs::statx(fd, c"", AtFlags::EMPTY_PATH, WANTED)?))
    }

    /// Of what stands at a name in an open directory; of a link, not of what it leads to.
    pub(crate) fn at(directory: impl AsFd, name: &OsStr) -> Result<Self, Errno> {
        Ok(Self::from(&rustix::fs::statx(
            directory,
            name,
            AtFlags::SYMLINK_NOFOLLOW,
            WANTED,
        )?))
    }
}

impl From<&Statx> for Facts {
    fn from(stat: &Statx) -> Self {
        let has_birth = stat.stx_mask & StatxFlags::BTIME.bits() != 0;
        Self {
            id: FileKey {
                device: u64::from(stat.stx_dev_major) << 32 | u64::from(stat.stx_dev_minor),
                inode: stat.stx_ino,
                birth: if has_birth { nanoseconds(stat.stx_btime) } else { 0 },
            },
            kind: FileType::from_raw_mode(u32::from(stat.stx_mode)),
            size: stat.stx_size,
            allocated: stat.stx_blocks * 512,
            modified: nanoseconds(stat.stx_mtime),
            changed: nanoseconds(stat.stx_ctime),
            links: stat.stx_nlink,
            owner: Owner {
                mode: stat.stx_mode & 0o7777,
                uid: stat.stx_uid,
                gid: stat.stx_gid,
            },
        }
    }
}

fn nanoseconds(time: StatxTimestamp) -> i64 {
    time.tv_sec
        .saturating_mul(1_000_000_000)
        .saturating_add(i64::from(time.tv_nsec))
}

/// The sentence that tells an engineer what to change.
impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (us, group) = (rustix::process::geteuid(), rustix::process::getegid());
        write!(
            f,
            "mode {:04o}, owner {}:{}, we are {}:{}",
            self.mode,
            self.uid,
            self.gid,
            us.as_raw(),
            group.as_raw()
        )
    }
}
