//! One source of a pipeline: its walk, the files it found, and what was read of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use pipeline::glob::PatternError;

use crate::batch::Origin;
use crate::processing::grouping::Grouping;
use crate::processing::{ProcessingError, Program};
use crate::reading::charset::Charset;
use crate::reading::facts::FileKey;
use crate::reading::volume::{Refusal, Volume};
use crate::reading::walk::Walk;
use pipeline::Transform;

use super::files::FileId;
use super::open_batch::Piece;

/// Names a source as long as it has its name, through all reloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SourceId(pub(crate) u32);

#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) id: SourceId,
    pub(crate) config: pipeline::Source,
    name: Arc<str>,
    /// What its files are in, unless they say otherwise.
    pub(crate) charset: Charset,
    /// Of its pipeline.
    pub(crate) transforms: Vec<Transform>,
    /// What both come to; none where lines are shipped as they are.
    pub(crate) program: Option<Arc<Program>>,
    /// None where each line is a record.
    pub(crate) grouping: Option<Arc<Grouping>>,
    /// Attributes of every record, sorted by name.
    pub(crate) resource: Arc<[(String, String)]>,
    pub(crate) walk: Walk,
    pub(crate) tails: HashMap<FileId, Tail>,
    pub(crate) unreadable: BTreeMap<String, Refusal>,
    pub(crate) read: ReadCounters,
    pub(crate) walked: Walked,
    /// Bytes on each mounted volume.
    pub(crate) usage: Vec<u64>,
}

/// Reasons of `source_errors_total` beside those of files: lines that aren't of their format, and lines with bytes that mean
/// nothing in their encoding.
const UNPARSED: &str = "unparsed";
const UNDECODABLE: &str = "undecodable";

/// A source's settings that can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    #[error("paths: {0}")]
    Paths(#[from] PatternError),
    #[error("encoding: there is no encoding {0:?}")]
    Encoding(String),
    #[error("{0}")]
    Processing(#[from] ProcessingError),
}

/// Whether the source's directories were walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Walked {
    /// Not with the patterns that it has now.
    Stale,
    Current,
}

/// A file as this source names it.
#[derive(Debug)]
pub(crate) struct Tail {
    pub(crate) origin: Arc<Origin>,
    /// Where it is opened again after it was closed: volume and path below it.
    pub(crate) place: (usize, std::path::PathBuf),
    /// How much of the present content was read by the foremost destination.
    read: u64,
    generation: u32,
    /// A number of its own, as far as there are enough for all files.
    pub(crate) slot: u64,
}

/// What was read, each byte counted once however many destinations take it.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReadCounters {
    pub(crate) bytes: u64,
    pub(crate) records: u64,
    pub(crate) truncated_lines: u64,
    /// Nanoseconds since the Unix epoch.
    pub(crate) last_at: Option<i64>,
    /// Files that got another name, and files whose content began anew.
    pub(crate) rotated_files: u64,
    pub(crate) truncated_files: u64,
    pub(crate) errors: BTreeMap<&'static str, u64>,
}

impl Source {
    pub(crate) fn new(
        id: SourceId,
        config: pipeline::Source,
        transforms: &[Transform],
        resource: Arc<[(String, String)]>,
    ) -> Result<Self, SourceError> {
        Ok(Self {
            id,
            walk: Walk::new(&config)?,
            charset: Charset::of_label(&config.encoding)
                .ok_or_else(|| SourceError::Encoding(config.encoding.clone()))?,
            program: Program::new(&config, transforms)?.map(Arc::new),
            grouping: Grouping::new(&config)?.map(Arc::new),
            name: config.name.as_str().into(),
            config,
            transforms: transforms.to_vec(),
            resource,
            tails: HashMap::new(),
            unreadable: BTreeMap::new(),
            read: ReadCounters::default(),
            walked: Walked::Stale,
            usage: Vec::new(),
        })
    }

    /// Takes over new settings; files and counters stay. Returns the files that don't match any more.
    pub(crate) fn change(&mut self, new: Self) -> Vec<FileId> {
        (self.config, self.resource, self.walk) = (new.config, new.resource, new.walk);
        self.charset = new.charset;
        (self.transforms, self.program, self.grouping) = (new.transforms, new.program, new.grouping);
        self.walked = Walked::Stale;
        let mut left = Vec::new();
        for (id, tail) in &mut self.tails {
            if !self.walk.matches(&tail.origin.path) {
                left.push(*id);
            }
            tail.origin = Arc::new(Origin {
                resource: Arc::clone(&self.resource),
                source: Arc::clone(&tail.origin.source),
                path: tail.origin.path.clone(),
                identity: tail.origin.identity,
            });
        }
        left
    }

    /// What records of a file say about where they come from.
    pub(crate) fn origin(&self, path: &str, identity: u128) -> Arc<Origin> {
        Arc::new(Origin {
            source: Arc::clone(&self.name),
            path: path.to_owned(),
            resource: Arc::clone(&self.resource),
            identity,
        })
    }

    /// Counts anew what stands on the mounted volumes.
    pub(crate) fn measure(&mut self) {
        // Without mounts the only volume is everything there is.
        if !self.config.mounts.is_empty() {
            self.usage = self.walk.volumes.iter().map(Volume::usage).collect();
        }
    }

    pub(crate) fn refuse(&mut self, path: String, refusal: Refusal) {
        if self.unreadable.get(&path) != Some(&refusal) {
            *self.read.errors.entry(refusal.reason()).or_default() += 1;
            tracing::warn!(source = %self.config.name, %path, error = %refusal, "a file can't be read");
            self.unreadable.insert(path, refusal);
        }
    }

    /// Counts what was read of a file up to `end`, each byte once.
    pub(crate) fn count(&mut self, file: FileId, generation: u32, (piece, end): (Piece, u64), at: i64) {
        let Some(tail) = self.tails.get_mut(&file) else {
            return;
        };
        if tail.generation != generation {
            (tail.generation, tail.read) = (generation, 0);
        }
        self.read.last_at = Some(at);
        let fresh = end.saturating_sub(tail.read).min(piece.bytes);
        if fresh > 0 {
            tail.read = end;
            self.read.bytes += fresh;
            // A piece that is new only in part was read in another division into lines; its share is as good as exact.
            self.read.records += (piece.records * fresh).div_ceil(piece.bytes);
            self.read.truncated_lines += piece.truncated;
            for (reason, lines) in [(UNPARSED, piece.unparsed), (UNDECODABLE, piece.undecodable)] {
                if lines > 0 {
                    *self.read.errors.entry(reason).or_default() += lines;
                }
            }
        }
    }
}

impl Tail {
    pub(crate) fn new(
        origin: Arc<Origin>,
        place: (usize, std::path::PathBuf),
        (read, generation): (u64, u32),
        slot: u64,
    ) -> Self {
        Self {
            origin,
            place,
            read,
            generation,
            slot,
        }
    }
}

/// The identity of a file's content for `log.file` attributes and idempotent keys. The head is not part of it: it
/// still grows when the first lines are shipped.
pub(crate) fn identity(key: FileKey) -> u128 {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&key.inode.to_le_bytes());
    bytes[8..].copy_from_slice(&key.birth.to_le_bytes());
    xxhash_rust::xxh3::xxh3_128(&bytes)
}
