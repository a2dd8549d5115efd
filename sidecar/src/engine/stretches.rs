//! What an open batch is made of, as it will be written down: see [`Stretch`]. Pure.
//!
//! Reading a stretch again in one go gives the same records with the same times, so what was read piece by piece is one
//! stretch only where the pieces make no difference: they touch each other, times go on, no line was shipped without its
//! end, and lines aren't grouped.

use crate::positions::{ContentKey, MAX_STRETCHES, Stretch};
use crate::reading::lines::Tail;

/// A stretch is read again in one go.
const LONGEST: u64 = 1 << 20;
/// The last bytes of a stretch by which it is told from another.
const CHECKED: usize = 1 << 10;

/// Whether a stretch may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// With a record of this time.
    Open {
        next_time: i64,
    },
    Closed,
}

/// A stretch of the share with this index.
#[derive(Clone, Copy, Debug)]
struct Piece {
    share: usize,
    stretch: Stretch,
    end: End,
}

/// Bytes that were just taken into a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    pub(crate) share: usize,
    pub(crate) start: u64,
    pub(crate) length: usize,
    /// Of the first record, and the least of the one after the last.
    pub(crate) times: (i64, i64),
    pub(crate) tail: Tail,
    pub(crate) lines: Lines,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lines {
    Single,
    Grouped,
}

#[derive(Debug, Default)]
pub(crate) struct Stretches {
    list: Vec<Piece>,
}

impl Stretches {
    /// `recent` ends with the bytes that were taken.
    pub(crate) fn took(&mut self, taken: Taken, recent: &[u8]) {
        let end = if taken.tail == Tail::Ship || taken.lines == Lines::Grouped {
            End::Closed
        } else {
            End::Open {
                next_time: taken.times.1,
            }
        };
        let last = self.list.last_mut().filter(|last| last.is_continued_by(&taken));
        if let Some(last) = last {
            last.stretch.length += length(taken.length);
            last.stretch.check = check(recent, last.stretch.length);
            last.end = end;
            return;
        }
        self.list.push(Piece {
            share: taken.share,
            stretch: Stretch {
                content: ContentKey::default(),
                start: taken.start,
                length: length(taken.length),
                check: check(recent, length(taken.length)),
                time: taken.times.0,
            },
            end,
        });
    }

    /// There is no room for another.
    pub(crate) fn is_full(&self) -> bool {
        self.list.len() >= MAX_STRETCHES
    }

    /// With the contents of the shares.
    pub(crate) fn with(&self, content: impl Fn(usize) -> ContentKey) -> Vec<Stretch> {
        let named = |piece: &Piece| Stretch {
            content: content(piece.share),
            ..piece.stretch
        };
        self.list.iter().map(named).collect()
    }
}

impl Piece {
    fn is_continued_by(&self, taken: &Taken) -> bool {
        self.share == taken.share
            && self.stretch.end() == taken.start
            && u64::from(self.stretch.length) + taken.length as u64 <= LONGEST
            && self.end
                == End::Open {
                    next_time: taken.times.0,
                }
    }
}

/// Of the last of `length` bytes that `bytes` ends with.
pub(crate) fn check(bytes: &[u8], length: u32) -> u32 {
    let checked = CHECKED.min(length as usize).min(bytes.len());
    let hash = xxhash_rust::xxh3::xxh3_64(&bytes[bytes.len() - checked..]);
    u32::try_from(hash & u64::from(u32::MAX)).unwrap_or_default()
}

/// What is read in one go fits.
fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(start: u64, length: usize, times: (i64, i64)) -> Taken {
        Taken {
            share: 0,
            start,
            length,
            times,
            tail: Tail::Wait,
            lines: Lines::Single,
        }
    }

    fn lengths(pieces: &[Taken]) -> Vec<u32> {
        let mut stretches = Stretches::default();
        for taken in pieces {
            stretches.took(*taken, b"text");
        }
        let list = stretches.with(|_| ContentKey::default());
        list.iter().map(|stretch| stretch.length).collect()
    }

    #[test]
    fn pieces_are_one_stretch_only_where_reading_them_in_one_go_gives_the_same_records() {
        let first = taken(0, 10, (100, 300));
        let next = taken(10, 5, (300, 400));
        assert_eq!(lengths(&[first, next]), [15]);
        assert_eq!(lengths(&[first, taken(10, 5, (301, 400))]), [10, 5], "another time");
        assert_eq!(lengths(&[first, taken(11, 5, (300, 400))]), [10, 5], "a gap");
        assert_eq!(lengths(&[first, Taken { share: 1, ..next }]), [10, 5], "another file");
        let shipped = Taken {
            tail: Tail::Ship,
            ..first
        };
        assert_eq!(lengths(&[shipped, next]), [10, 5], "a line without its end");
        let grouped = Taken {
            lines: Lines::Grouped,
            ..first
        };
        assert_eq!(lengths(&[grouped, next]), [10, 5], "grouped lines");
        let long = taken(0, 1 << 20, (100, 300));
        assert_eq!(
            lengths(&[long, taken(1 << 20, 5, (300, 400))]),
            [1 << 20, 5],
            "too long for one go"
        );
    }
}
