//! Walking the directories that can hold a source's files, and watching them on the way.
//!
//! A walk starts at the volumes of the source, enters only directories that its patterns can match below, and lists
//! none on the way where every next component is plain text. Links to directories are entered after real ones, and no
//! directory is entered twice in a walk, so loops of links end.

use std::collections::{HashMap, HashSet, VecDeque};
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use pipeline::Source;
use pipeline::config::STATE_DIRECTORY;
use pipeline::glob::{PatternError, Patterns, Positions};
use rustix::fs::FileType;

use super::facts::{Facts, FileKey};
use super::volume::{Opened, Refusal, Volume};
use super::watcher::{Interest, WatchId, Watcher};

/// More directories than that are no log layout; the rest is reported, not walked.
const MAX_DIRECTORIES: usize = 10_000;

/// Where a source looks for its files.
#[derive(Debug)]
pub(crate) struct Walk {
    patterns: Patterns,
    pub(crate) volumes: Vec<Volume>,
    directories: HashMap<String, Directory>,
    by_watch: HashMap<WatchId, Vec<String>>,
}

#[derive(Debug)]
struct Directory {
    volume: usize,
    resolved: PathBuf,
    positions: Positions,
}

/// A name in a walked directory that is no directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// As the application names it.
    pub(crate) path: String,
    pub(crate) volume: usize,
    /// Below the volume.
    pub(crate) resolved: PathBuf,
    pub(crate) watch: Option<WatchId>,
    /// From the listing; 0 when the directory wasn't listed.
    pub(crate) inode: u64,
    pub(crate) is_match: bool,
}

impl Entry {
    pub(crate) fn name(&self) -> &OsStr {
        self.resolved.file_name().unwrap_or_default()
    }
}

/// A name that a walk came by.
pub(crate) struct Listed<'a> {
    pub(crate) watch: WatchId,
    pub(crate) name: &'a OsStr,
    pub(crate) inode: u64,
    directory: &'a OwnedFd,
}

impl Listed<'_> {
    pub(crate) fn facts(&self) -> Option<Facts> {
        Facts::at(self.directory, self.name).ok()
    }
}

/// What a walk found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) entries: Vec<Entry>,
    pub(crate) refused: Vec<(String, Refusal)>,
}

/// Directories to enter, links last.
#[derive(Default)]
struct Queue {
    real: VecDeque<Visit>,
    links: VecDeque<Visit>,
}

struct Visit {
    path: String,
    volume: usize,
    relative: PathBuf,
    positions: Positions,
}

impl Walk {
    pub(crate) fn new(source: &Source) -> Result<Self, PatternError> {
        let mut volumes: Vec<_> = source
            .mounts
            .iter()
            .map(|mount| Volume::new(&mount.path, mount.at.as_ref()))
            .collect();
        if volumes.is_empty() {
            volumes.push(Volume::new("/", "/".as_ref()));
        }
        Ok(Self {
            patterns: Patterns::new(&source.paths, &source.exclude)?,
            volumes,
            directories: HashMap::new(),
            by_watch: HashMap::new(),
        })
    }

    pub(crate) fn watches(&self, id: WatchId) -> bool {
        self.by_watch.contains_key(&id)
    }

    /// Where a name of a watched directory is: volume, and path below it.
    pub(crate) fn place(&self, directory: WatchId, name: &OsStr) -> Option<(usize, PathBuf)> {
        let path = self.by_watch.get(&directory)?.first()?;
        let directory = self.directories.get(path)?;
        Some((directory.volume, directory.resolved.join(name)))
    }

    /// The path of a name in a watched directory, if it is a match.
    pub(crate) fn match_of(&self, directory: WatchId, name: &OsStr) -> Option<String> {
        self.by_watch.get(&directory)?.iter().find_map(|parent| {
            let name = name.to_string_lossy();
            let path = format!("{parent}/{name}");
            let step = self
                .patterns
                .step(&self.directories.get(parent)?.positions, &name, &path);
            step.is_match.then_some(path)
        })
    }

    /// Whether the patterns take a path, wherever it is.
    pub(crate) fn matches(&self, path: &str) -> bool {
        self.patterns.at(path).is_match
    }

    /// Walks everything, but leaves out files that are known well enough: of tens of thousands nearly all are, and to judge
    /// each of them every time would be most of what they cost.
    pub(crate) fn scan(&mut self, watcher: &mut Watcher, is_known: &dyn Fn(&Listed<'_>) -> bool) -> Findings {
        self.directories.clear();
        self.by_watch.clear();
        let real = (0..self.volumes.len())
            .filter_map(|volume| self.start(volume))
            .collect();
        let links = VecDeque::new();
        self.visit(Queue { real, links }, watcher, is_known)
    }

    /// Judges one name of a watched directory; a new directory is walked.
    pub(crate) fn look(&mut self, directory: WatchId, name: &OsStr, watcher: &mut Watcher) -> Findings {
        let mut findings = Findings::default();
        for path in self.by_watch.get(&directory).cloned().unwrap_or_default() {
            let Some(parent) = self.directories.get(&path) else {
                continue;
            };
            let (positions, volume, resolved) = (parent.positions.clone(), parent.volume, parent.resolved.clone());
            let mut queue = Queue::default();
            let parent = Visit {
                path,
                volume,
                relative: resolved,
                positions,
            };
            self.judge(
                &parent,
                Some(directory),
                (name, FileType::Unknown, 0),
                &mut findings,
                &mut queue,
            );
            let below = self.visit(queue, watcher, &|_| false);
            findings.entries.extend(below.entries);
            // A file of that name is no refused directory.
            findings.refused.extend(
                below
                    .refused
                    .into_iter()
                    .filter(|(_, refusal)| *refusal != Refusal::Absent),
            );
        }
        findings
    }

    fn start(&self, volume: usize) -> Option<Visit> {
        let path = self.volumes[volume].path.clone();
        let positions = self.patterns.at(&path).inside;
        (!positions.is_empty()).then_some(Visit {
            path,
            volume,
            relative: PathBuf::new(),
            positions,
        })
    }

    fn visit(&mut self, mut queue: Queue, watcher: &mut Watcher, is_known: &dyn Fn(&Listed<'_>) -> bool) -> Findings {
        let mut findings = Findings::default();
        let mut seen: HashSet<FileKey> = HashSet::new();
        while let Some(visit) = queue.real.pop_front().or_else(|| queue.links.pop_front()) {
            let opened = match self.volumes[visit.volume].open_directory(&visit.relative) {
                Ok(opened) => opened,
                // Not there yet, or no directory: its appearance is an event of the directory above.
                Err(Refusal::Absent | Refusal::System(rustix::io::Errno::NOTDIR)) => continue,
                Err(refusal) => {
                    findings.refused.push((visit.path, refusal));
                    continue;
                }
            };
            if seen.insert(opened.facts.id) && self.directories.len() < MAX_DIRECTORIES {
                self.enter(visit, opened, (watcher, is_known), &mut findings, &mut queue);
            }
        }
        findings
    }

    fn enter(
        &mut self,
        mut visit: Visit,
        opened: Opened,
        (watcher, is_known): (&mut Watcher, &dyn Fn(&Listed<'_>) -> bool),
        findings: &mut Findings,
        queue: &mut Queue,
    ) {
        let interest = if self.patterns.can_match_in(&visit.positions) {
            Interest::Files
        } else {
            Interest::Names
        };
        // Watched before it is listed, so that nothing falls between.
        let at = self.volumes[visit.volume].at.join(&opened.resolved);
        let watch = watcher.add(&opened.fd, &at, interest);
        if let Some(watch) = watch {
            let paths = self.by_watch.entry(watch).or_default();
            if !paths.contains(&visit.path) {
                paths.push(visit.path.clone());
            }
        }
        visit.relative = opened.resolved;
        self.for_each_name(&visit.positions, &opened.fd, |name, kind, inode| {
            let listed = watch.map(|watch| Listed {
                watch,
                name,
                inode,
                directory: &opened.fd,
            });
            if !listed.is_some_and(|listed| inode != 0 && is_known(&listed)) {
                self.judge(&visit, watch, (name, kind, inode), findings, queue);
            }
        });
        let directory = Directory {
            volume: visit.volume,
            resolved: visit.relative,
            positions: visit.positions,
        };
        self.directories.insert(visit.path, directory);
    }

    /// The names worth judging in a directory.
    fn for_each_name(&self, positions: &Positions, directory: &OwnedFd, mut judge: impl FnMut(&OsStr, FileType, u64)) {
        // Where files can be, all names are wanted: one may be the rest of a file that was rotated away while nobody read.
        let only_directories = !self.patterns.can_match_in(positions);
        if let Some(names) = self.patterns.literals(positions).filter(|_| only_directories) {
            return names
                .into_iter()
                .for_each(|name| judge(name.as_ref(), FileType::Unknown, 0));
        }
        let listing = rustix::fs::Dir::read_from(directory).into_iter().flatten();
        for entry in listing.flatten() {
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name != "." && name != ".." {
                judge(name, entry.file_type(), entry.ino());
            }
        }
    }

    fn judge(
        &self,
        parent: &Visit,
        watch: Option<WatchId>,
        (name, kind, inode): (&OsStr, FileType, u64),
        findings: &mut Findings,
        queue: &mut Queue,
    ) {
        // Positions of this sidecar and others.
        if name == STATE_DIRECTORY {
            return;
        }
        // Names that aren't UTF-8 can't be matched by a pattern that is; `?` and `*` match them byte-lossy.
        let text = name.to_string_lossy();
        // At its length: of every file that is followed one is kept.
        let mut path = String::with_capacity(parent.path.len() + 1 + text.len());
        path.extend([&parent.path, "/", &text]);
        let step = self.patterns.step(&parent.positions, &text, &path);
        let mut resolved = PathBuf::with_capacity(parent.relative.as_os_str().len() + 1 + name.len());
        resolved.extend([parent.relative.as_os_str(), name]);
        let shadowed = self.volumes.iter().any(|volume| volume.path == path);
        let may_be_directory = matches!(kind, FileType::Directory | FileType::Symlink | FileType::Unknown);
        if may_be_directory && !step.inside.is_empty() && !shadowed {
            let queue = if kind == FileType::Symlink {
                &mut queue.links
            } else {
                &mut queue.real
            };
            queue.push_back(Visit {
                path: path.clone(),
                volume: parent.volume,
                relative: resolved.clone(),
                positions: step.inside,
            });
        }
        if kind != FileType::Directory {
            findings.entries.push(Entry {
                path,
                volume: parent.volume,
                resolved,
                watch,
                inode,
                is_match: step.is_match,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::*;

    fn walk(at: &Path, paths: &[&str]) -> Walk {
        let yaml = serde_json::json!({
            "name": "s", "paths": paths, "mounts": [{"path": "/var/log", "at": at}],
        });
        Walk::new(&serde_json::from_value(yaml).unwrap()).unwrap()
    }

    fn matched(findings: &Findings) -> Vec<&str> {
        let mut paths: Vec<_> = findings
            .entries
            .iter()
            .filter(|entry| entry.is_match)
            .map(|entry| entry.path.as_str())
            .collect();
        paths.sort_unstable();
        paths
    }

    #[test]
    fn files_are_found_at_any_depth_and_loops_of_links_end() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/b")).unwrap();
        for name in ["x.log", "a/y.log", "a/b/z.log", "a/b/z.txt"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        symlink(".", dir.path().join("loop")).unwrap();
        let found = walk(dir.path(), &["/var/log/**/*.log"]).scan(&mut Watcher::new(), &|_| false);
        assert_eq!(
            matched(&found),
            ["/var/log/a/b/z.log", "/var/log/a/y.log", "/var/log/x.log"]
        );
    }

    #[test]
    fn positions_beside_the_logs_are_no_logs() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join(".logshipping/shop/server")).unwrap();
        fs::write(dir.path().join(".logshipping/shop/server/positions"), "").unwrap();
        fs::write(dir.path().join(".hidden"), "").unwrap();
        let mut watcher = Watcher::new();
        let found = walk(dir.path(), &["/var/log/**", "/var/log/.logshipping/**"]).scan(&mut watcher, &|_| false);
        assert_eq!(matched(&found), ["/var/log/.hidden"]);
        fs::write(dir.path().join(".logshipping/shop/server/lock"), "").unwrap();
        assert!(watcher.changes().list.is_empty(), "it isn't watched either");
    }

    #[test]
    fn a_directory_that_appears_later_is_walked() {
        let dir = tempfile::tempdir().unwrap();
        let mut walk = walk(dir.path(), &["/var/log/app/*/*.log"]);
        let mut watcher = Watcher::new();
        assert_eq!(matched(&walk.scan(&mut watcher, &|_| false)), Vec::<&str>::new());
        fs::create_dir_all(dir.path().join("app/one")).unwrap();
        fs::write(dir.path().join("app/one/a.log"), "").unwrap();
        let changes = watcher.changes();
        let change = &changes.list[0];
        let found = walk.look(change.directory, &change.name, &mut watcher);
        assert_eq!(matched(&found), ["/var/log/app/one/a.log"]);
    }

    #[test]
    fn an_absolute_link_to_a_directory_is_followed_inside_the_volume() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("v2")).unwrap();
        fs::write(dir.path().join("v2/a.log"), "").unwrap();
        symlink("/var/log/v2", dir.path().join("current")).unwrap();
        let mut walk = walk(dir.path(), &["/var/log/current/a.log"]);
        let found = walk.scan(&mut Watcher::new(), &|_| false);
        assert_eq!(matched(&found), ["/var/log/current/a.log"]);
        assert_eq!(found.entries.last().unwrap().resolved, Path::new("v2/a.log"));
    }
}
