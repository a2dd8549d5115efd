//! Opening files that an application controls, without following it out of its volume.
//!
//! The application decides what stands in its log directory, also links: one that leads to the sidecar's own secrets
//! must never be shipped. So everything is opened by `openat2` with `RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS` below
//! the mounted volume, and only regular files are read. Where the kernel or a seccomp profile refuses `openat2`, the
//! files count as unreadable; they are never opened in a weaker way.
//!
//! An absolute link would resolve against the volume's root although the application means its own root. Such links
//! are read first, and the directory that the application knows the volume by is taken off.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::facts::{Facts, Owner};

/// As in the kernel's `ELOOP` rule, only smaller: log directories have no long chains.
const MAX_LINKS: usize = 8;

/// A volume with more entries is counted in part.
const MAX_ENTRIES: usize = 100_000;

/// A directory of the application and the same directory as the sidecar has it.
#[derive(Debug)]
pub(crate) struct Volume {
    /// As the application and its globs name it, without a slash at the end; empty for the root directory.
    pub(crate) path: String,
    /// As the sidecar has it.
    pub(crate) at: PathBuf,
    root: Option<OwnedFd>,
}

/// Why something that matches isn't read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("no such file")]
    Absent,
    #[error("{0}")]
    Denied(Owner),
    #[error("not a regular file but {0}")]
    NotRegular(&'static str),
    #[error("a link to {0:?}, which is not in the volume")]
    LeavesVolume(PathBuf),
    #[error("a link to {0:?}, which does not exist in the volume")]
    Dangling(PathBuf),
    #[error("too many links")]
    TooManyLinks,
    #[error("openat2 is refused here ({0}), and files are never opened unconfined")]
    Unconfined(Errno),
    #[error("{0}")]
    System(Errno),
}

impl Refusal {
    /// A label of bounded variety for metrics.
    pub(crate) const fn reason(&self) -> &'static str {
        match self {
            Self::Absent | Self::Dangling(_) => "absent",
            Self::Denied(_) => "denied",
            Self::NotRegular(_) => "not_regular",
            Self::LeavesVolume(_) | Self::TooManyLinks => "link",
            Self::Unconfined(_) => "unconfined",
            Self::System(_) => "system",
        }
    }
}

/// A file or directory, and its path below the volume once absolute links are taken out of the way.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) fd: OwnedFd,
    pub(crate) facts: Facts,
    pub(crate) resolved: PathBuf,
}

impl Volume {
    pub(crate) fn new(path: &str, at: &Path) -> Self {
        Self {
            path: path.trim_end_matches('/').to_owned(),
            at: at.to_owned(),
            root: None,
        }
    }

    /// Blocks taken by what stands in the volume, as the kubelet counts an emptyDir against its limit. Links aren't
    /// followed.
    pub(crate) fn usage(&self) -> u64 {
        let (mut directories, mut entries, mut bytes) = (vec![self.at.clone()], 0, 0);
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
                let Ok(metadata) = entry.metadata() else {
                    continue;
                };
                bytes += metadata.blocks() * 512;
                entries += 1;
                if metadata.is_dir() {
                    directories.push(entry.path());
                }
                if entries >= MAX_ENTRIES {
                    return bytes;
                }
            }
        }
        bytes
    }

    /// Opens a regular file for reading.
    pub(crate) fn open_file(&mut self, relative: &Path) -> Result<Opened, Refusal> {
        let found = self.find(relative)?;
        match found.facts.kind {
            FileType::RegularFile => {}
            other => return Err(Refusal::NotRegular(name_of(other))),
        }
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let fd = self
            .open_beneath(&found.resolved, flags)
            .map_err(|refusal| match refusal {
                Refusal::System(Errno::ACCESS | Errno::PERM) => Refusal::Denied(found.facts.owner),
                other => other,
            })?;
        // Between the two opens the name may have come to mean something else.
        let facts = Facts::of(&fd).map_err(Refusal::System)?;
        match facts.kind {
            FileType::RegularFile => Ok(Opened { fd, facts, ..found }),
            other => Err(Refusal::NotRegular(name_of(other))),
        }
    }

    /// Opens a directory for listing.
    pub(crate) fn open_directory(&mut self, relative: &Path) -> Result<Opened, Refusal> {
        let found = self.find(relative)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let fd = self
            .open_beneath(&found.resolved, flags)
            .map_err(|refusal| match refusal {
                Refusal::System(Errno::ACCESS | Errno::PERM) => Refusal::Denied(found.facts.owner),
                other => other,
            })?;
        Ok(Opened { fd, ..found })
    }

    /// Looks a name up without opening what it names: opening a device can have effects.
    pub(crate) fn find(&mut self, relative: &Path) -> Result<Opened, Refusal> {
        let mut path = relative.to_owned();
        let mut link = None;
        for _ in 0..MAX_LINKS {
            let fd = match self.open_beneath(&path, OFlags::PATH | OFlags::NOFOLLOW) {
                Err(Refusal::Absent) if link.is_some() => return Err(Refusal::Dangling(link.unwrap_or_default())),
                other => other?,
            };
            let facts = Facts::of(&fd).map_err(Refusal::System)?;
            if facts.kind != FileType::Symlink {
                return Ok(Opened {
                    fd,
                    facts,
                    resolved: path,
                });
            }
            let target = rustix::fs::readlinkat(&fd, c"", Vec::new()).map_err(Refusal::System)?;
            let target = PathBuf::from(OsStr::from_bytes(target.as_bytes()));
            path = self.follow(&path, &target)?;
            link = Some(target);
        }
        Err(Refusal::TooManyLinks)
    }

    /// Where a link leads, below the volume. `..` is left for the kernel, which stops it at the root.
    fn follow(&self, link: &Path, target: &Path) -> Result<PathBuf, Refusal> {
        if target.is_relative() {
            return Ok(link.parent().unwrap_or(Path::new("")).join(target));
        }
        let root = if self.path.is_empty() { "/" } else { &self.path };
        match target.strip_prefix(root) {
            Ok(rest) => Ok(rest.to_owned()),
            Err(_) => Err(Refusal::LeavesVolume(target.to_owned())),
        }
    }

    fn open_beneath(&mut self, relative: &Path, flags: OFlags) -> Result<OwnedFd, Refusal> {
        let root = self.root()?;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let path = if relative.as_os_str().is_empty() {
            Path::new(".")
        } else {
            relative
        };
        let flags = flags | OFlags::CLOEXEC;
        let mut outcome = rustix::fs::openat2(root, path, flags, Mode::empty(), resolve);
        // The kernel asks for another try when a rename was under way while it resolved `..`.
        for _ in 0..3 {
            if !matches!(outcome, Err(Errno::AGAIN | Errno::INTR)) {
                break;
            }
            outcome = rustix::fs::openat2(root, path, flags, Mode::empty(), resolve);
        }
        let outcome = outcome.map_err(|errno| match errno {
            Errno::NOENT | Errno::NOTDIR => Refusal::Absent,
            Errno::NOSYS => Refusal::Unconfined(errno),
            other => Refusal::System(other),
        });
        if matches!(outcome, Err(Refusal::Absent)) {
            // The volume may have been mounted anew; look for it again next time.
            self.root = None;
        }
        outcome
    }

    /// The volume's root, once it is there and `openat2` is known to work.
    fn root(&mut self) -> Result<&OwnedFd, Refusal> {
        if self.root.is_none() {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let root = rustix::fs::open(&self.at, flags, Mode::empty()).map_err(|errno| match errno {
                Errno::NOENT => Refusal::Absent,
                other => Refusal::System(other),
            })?;
            let probe = rustix::fs::openat2(&root, c".", flags, Mode::empty(), ResolveFlags::IN_ROOT);
            // Seccomp profiles answer EPERM, old kernels and gVisor ENOSYS.
            if let Err(errno @ (Errno::NOSYS | Errno::PERM)) = probe {
                return Err(Refusal::Unconfined(errno));
            }
            self.root = Some(root);
        }
        self.root.as_ref().ok_or(Refusal::Absent)
    }
}

fn name_of(kind: FileType) -> &'static str {
    match kind {
        FileType::Directory => "a directory",
        FileType::Fifo => "a pipe",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        FileType::Symlink => "a link",
        _ => "something else",
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// A volume that the application knows as `/var/log`, beside a secret that it must not reach.
    fn volume() -> (tempfile::TempDir, Volume) {
        let dir = tempfile::tempdir().unwrap();
        let logs = dir.path().join("logs");
        fs::create_dir_all(logs.join("sub")).unwrap();
        fs::write(logs.join("a.log"), "a").unwrap();
        fs::write(dir.path().join("secret"), "s").unwrap();
        let volume = Volume::new("/var/log", &logs);
        (dir, volume)
    }

    fn open(volume: &mut Volume, name: &str) -> Result<u64, Refusal> {
        volume.open_file(Path::new(name)).map(|opened| opened.facts.size)
    }

    #[test]
    fn links_inside_the_volume_are_followed_as_the_application_means_them() {
        let (_dir, mut volume) = volume();
        let at = volume.at.clone();
        symlink("/var/log/a.log", at.join("absolute")).unwrap();
        symlink("../a.log", at.join("sub/relative")).unwrap();
        symlink("absolute", at.join("chain")).unwrap();
        for name in ["a.log", "absolute", "sub/relative", "chain"] {
            assert_eq!(open(&mut volume, name), Ok(1), "{name}");
        }
    }

    #[test]
    fn links_out_of_the_volume_are_refused() {
        let (dir, mut volume) = volume();
        let at = volume.at.clone();
        let secret = dir.path().join("secret");
        symlink(&secret, at.join("absolute")).unwrap();
        symlink("../secret", at.join("relative")).unwrap();
        symlink("/dev/stdout", at.join("device")).unwrap();
        symlink("/proc/self/environ", at.join("magic")).unwrap();
        symlink("loop", at.join("loop")).unwrap();
        assert_eq!(open(&mut volume, "absolute"), Err(Refusal::LeavesVolume(secret)));
        assert_eq!(
            open(&mut volume, "relative"),
            Err(Refusal::Dangling("../secret".into()))
        );
        assert_eq!(
            open(&mut volume, "device"),
            Err(Refusal::LeavesVolume("/dev/stdout".into()))
        );
        assert_eq!(
            open(&mut volume, "magic"),
            Err(Refusal::LeavesVolume("/proc/self/environ".into()))
        );
        assert_eq!(open(&mut volume, "loop"), Err(Refusal::TooManyLinks));
        assert_eq!(open(&mut volume, "../secret"), Err(Refusal::Absent));
    }

    #[test]
    fn only_regular_files_are_opened() {
        let (_dir, mut volume) = volume();
        let fifo = volume.at.join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert_eq!(open(&mut volume, "pipe"), Err(Refusal::NotRegular("a pipe")));
        assert_eq!(open(&mut volume, "sub"), Err(Refusal::NotRegular("a directory")));
    }

    #[test]
    fn a_volume_that_appears_later_is_found() {
        let (dir, _) = volume();
        let mut volume = Volume::new("/x", &dir.path().join("later"));
        assert_eq!(open(&mut volume, "a"), Err(Refusal::Absent));
        fs::create_dir(dir.path().join("later")).unwrap();
        fs::write(dir.path().join("later/a"), "12").unwrap();
        assert_eq!(open(&mut volume, "a"), Ok(2));
    }
}
