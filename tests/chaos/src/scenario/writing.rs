//! Applications: what they write, and how their logs are rotated.

use std::fmt;
use std::time::Duration;

use fastrand::Rng;

/// One application and its log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WriterPlan {
    pub(crate) style: Style,
    pub(crate) manner: Manner,
    pub(crate) alphabet: Alphabet,
    pub(crate) ending: Ending,
    pub(crate) lines_per_second: u32,
    pub(crate) longest_line: usize,
    pub(crate) rotate_every: Duration,
}

/// How a log is rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Not at all.
    Plain,
    /// `app.log` becomes `app.log.1`, and so on; a new file is made. Three old ones are kept.
    Rename,
    /// As before, but the application goes on writing to the old file for a while.
    LateWrites,
    /// The file is copied to `app.log.1`, then truncated.
    CopyTruncate,
    /// The file is deleted, a new one of its name is made: it may get the same inode.
    Delete,
    /// `app.log` is a link to a dated file, and flips.
    LinkFlip,
    /// Each file has a name of its own.
    Dated,
    /// Each file has a directory of its own; old ones are removed.
    Directories,
    /// The file is truncated and filled again.
    Refill,
    /// As before, by an application that doesn't append: a hole is left before its next line.
    Hole,
}

impl Style {
    pub(crate) const ALL: [Self; 10] = [
        Self::Plain,
        Self::Rename,
        Self::LateWrites,
        Self::CopyTruncate,
        Self::Delete,
        Self::LinkFlip,
        Self::Dated,
        Self::Directories,
        Self::Refill,
        Self::Hole,
    ];
}

/// In which pieces lines reach the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Each by one write.
    Lines,
    /// Each by two writes, so that a line without its end can be seen.
    Halves,
    /// Buffered: by writes of 4 KiB that end anywhere in a line.
    Blocks,
}

/// What lines are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alphabet {
    Ascii,
    /// Characters of two, three and four bytes.
    Wide,
    /// Bytes that are no text in any encoding.
    Raw,
}

/// How lines end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Lf,
    Crlf,
}

impl WriterPlan {
    pub(super) fn of(random: &mut Rng) -> Self {
        // As many quiet ones as busy ones: from 50 lines a second to 3,200.
        let lines_per_second = 50 << random.u32(0..6);
        Self {
            style: Style::ALL[random.usize(..Style::ALL.len())],
            manner: match random.u8(0..6) {
                0 => Manner::Halves,
                1 => Manner::Blocks,
                _ => Manner::Lines,
            },
            alphabet: match random.u8(0..6) {
                0 => Alphabet::Wide,
                1 => Alphabet::Raw,
                _ => Alphabet::Ascii,
            },
            ending: match random.u8(0..6) {
                0 => Ending::Crlf,
                _ => Ending::Lf,
            },
            lines_per_second: random.u32(lines_per_second..2 * lines_per_second),
            longest_line: random.usize(40..600),
            rotate_every: Duration::from_millis(random.u64(300..2_000)),
        }
    }
}

impl fmt::Display for WriterPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.style)?;
        if self.manner != Manner::Lines {
            write!(f, "+{:?}", self.manner)?;
        }
        if self.alphabet != Alphabet::Ascii {
            write!(f, "+{:?}", self.alphabet)?;
        }
        if self.ending != Ending::Lf {
            write!(f, "+{:?}", self.ending)?;
        }
        write!(f, "@{}", self.lines_per_second)
    }
}
