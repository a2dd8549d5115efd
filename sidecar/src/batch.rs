//! The unit that travels from the reader to a destination, and what comes back.
//!
//! A batch holds the text of its records in one buffer; a record is a range of it. The raw path allocates nothing per
//! line. A batch keeps, per file, the contiguous range of source bytes that it stands for: when it is settled by a
//! destination, the position of that destination in that file moves to the end of the range.
//!
//! Once it is complete nothing changes it: destinations that are level are given the same one, each in a [`Parcel`] of
//! its own. What only one of them needs to be different, it keeps beside it.
//!
//! ```text
//! text     GET / 200 1ms\nGET /x 404 2ms\n...        (line ends included, so that `Raw` output is one write)
//! records  [start..end) offset time file             one per line, in reading order
//! fields   [name) [value)                            what was parsed out of records or set, in their order
//! files    origin, source range                      one per file, in order of first appearance
//! ```
//!
//! Where lines are parsed or transformed the text holds what came of them: bodies, each followed by a newline, and
//! between them the names and values that don't stand in a body.

use std::ops::Range;
use std::sync::Arc;

use pipeline::report::FailureReason;
use pipeline::transform::Severity;

/// Where a record comes from; shared by all records of a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Origin {
    /// Name of the source in its pipeline.
    pub source: Arc<str>,
    /// The file as the application names it: `log.file.path`.
    pub path: String,
    /// Resource attributes of the configuration, the pod and the source, merged and sorted by name; shared by all files of
    /// the source.
    pub resource: Arc<[(String, String)]>,
    /// 128-bit identity of the file: birth time, inode and hash of its head. Stable over renames and restarts.
    pub identity: u128,
}

impl Origin {
    /// The last component of the path: `log.file.name`.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// How long all names and values are together, with what stands between them in JSON.
    pub(crate) fn size(&self) -> usize {
        let resource = self.resource.iter().map(|(name, value)| name.len() + value.len() + 6);
        self.path.len() + self.name().len() + resource.sum::<usize>()
    }
}

/// One file's share of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRange {
    pub origin: Arc<Origin>,
    /// Source bytes: from the first record's offset to the end of the last one, newline included.
    pub bytes: Range<u64>,
}

/// One line of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Range in [`Batch::text`], without the line end.
    pub start: u32,
    pub end: u32,
    /// Index into [`Batch::files`].
    pub file: u32,
    /// Offset of the line's first byte in its file: `log.file.offset`.
    pub offset: u64,
    /// How many source bytes the line took, newline and cut-off rest included. Sums up to the file's ranges.
    pub source_bytes: u32,
    /// Nanoseconds since the Unix epoch.
    pub time: i64,
    pub clock: Clock,
    /// Index of the first of its fields in [`Batch::fields`], and their number.
    pub first_field: u32,
    pub field_count: u16,
    pub severity: Option<Severity>,
    pub marks: Marks,
}

/// A place in a batch's text, or in one of what it is made of: lines, what is written for a record, configurations. All
/// of them are far below 4 GiB.
pub(crate) fn narrow(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Where the time of a record comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clock {
    /// When it was read. Rises by at least 1 from record to record of a file.
    #[default]
    Reading,
    /// It stands in the line. Several records may have the same.
    Line,
}

/// A range of [`Batch::text`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub start: u32,
    pub end: u32,
}

/// Something a record says about itself: parsed out of its line, or set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    pub name: Span,
    pub value: Span,
    pub kind: FieldKind,
}

/// How the value of a field stands in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// The text itself.
    Text,
    /// A number, a boolean, null, an object or an array, as JSON.
    Json,
}

/// What was done to a line on the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// The line was longer than `maxLineBytes` and is cut.
    pub truncated: bool,
    /// The line had no newline when it was shipped, or is the rest of such a line: `log.partial`.
    pub partial: bool,
    /// The line isn't of its source's format and is shipped as it is: `log.unparsed`.
    pub unparsed: bool,
}

/// Records in reading order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Every record's text followed by one `\n`.
    pub text: Vec<u8>,
    pub records: Vec<Record>,
    pub fields: Vec<Field>,
    pub files: Vec<FileRange>,
}

impl Batch {
    /// The text of a name or a value.
    pub fn part(&self, span: Span) -> &[u8] {
        &self.text[span.start as usize..span.end as usize]
    }

    pub fn fields(&self, record: &Record) -> &[Field] {
        let first = record.first_field as usize;
        &self.fields[first..first + usize::from(record.field_count)]
    }

    /// The last field of this name: a later one stands for an earlier one.
    pub fn field(&self, record: &Record, name: &str) -> Option<&Field> {
        let fields = self.fields(record).iter().rev();
        fields
            .into_iter()
            .find(|field| self.part(field.name) == name.as_bytes())
    }

    /// The line without its end.
    pub fn line(&self, record: &Record) -> &[u8] {
        &self.text[record.start as usize..record.end as usize]
    }

    pub fn origin(&self, record: &Record) -> &Origin {
        &self.files[record.file as usize].origin
    }

    /// What the batch stands for, in source bytes.
    pub fn source_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes.end - file.bytes.start).sum()
    }

    /// What the batch costs while it is held, for the memory budget.
    pub fn memory(&self) -> usize {
        self.text.capacity()
            + self.records.capacity() * size_of::<Record>()
            + self.fields.capacity() * size_of::<Field>()
    }
}

/// The times that a destination sends records with, where it needs others than they have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Times(pub Option<Vec<i64>>);

impl Times {
    /// Nanoseconds since the Unix epoch.
    pub fn of(&self, batch: &Batch, record: u32) -> i64 {
        let index = record as usize;
        match &self.0 {
            Some(times) => times[index],
            None => batch.records[index].time,
        }
    }
}

/// Why a record was given up. The names are metric labels and fields of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropCause {
    Rejected,
    Unconfirmed,
    TooLarge,
    GaveUp,
}

/// A batch on its way to one destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    /// Counts up per destination; settlements may come back in any order.
    pub sequence: u64,
    pub batch: Arc<Batch>,
}

/// A parcel whose every record met its fate: stored, or given up for a counted reason.
#[derive(Debug, PartialEq, Eq)]
pub struct Settled {
    pub sequence: u64,
    /// Given back so that its buffers can be used again.
    pub batch: Arc<Batch>,
    /// Indexes into [`Batch::records`] that were given up; all others are acknowledged.
    pub dropped: Vec<(usize, DropCause)>,
}

/// What one attempt to send came to, after `delivery.md` section 6: four meanings of a failure, and success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Stored, but for the records (index into [`Batch::records`]) that the destination refused by name or number, and
    /// why it did.
    Accepted {
        refused: Refusals,
        failure: Option<Failure>,
    },
    /// Passes by itself: back off and send the same again.
    Retry {
        failure: Failure,
        after: Option<std::time::Duration>,
        suspicion: Suspicion,
    },
    /// Somebody has to act: the position stays, retry slowly, say it loudly.
    Blocked { failure: Failure },
    /// Too much at once: send the halves.
    Split { failure: Failure },
    /// The destination judged the content of the request. Only with more evidence may a record be given up.
    Refused { failure: Failure },
}

/// Whether what a request holds may be why the server failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspicion {
    /// The server wasn't reached, or said that it is busy.
    None,
    /// The server had the request in its hands.
    Content,
}

/// Which records of an accepted request were not stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusals {
    None,
    /// These, by index.
    Records(Vec<usize>),
    /// So many, and the destination doesn't say which (Loki's `total ignored: N out of M`).
    Count(usize),
}

/// What went wrong, for people and for metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub reason: FailureReason,
    /// With the server's own words, at most 256 characters, without control characters.
    pub message: String,
}
