//! What was handed over and isn't settled: batches, and the pieces of them that are still to be sent. Pure.
//!
//! A *piece* is what goes into one request: records of one batch. It is encoded once and sent until it is accepted, byte
//! for byte the same. Only two answers change it: too large, and refused; then it is halved.
//!
//! # When a record is given up
//! A refusal says little: three seconds of 400 may come from a proxy on the way. So a piece is sent whole again
//! ([`REFUSALS`] times, or until another is accepted meanwhile), then halved down to single records. A record that was
//! refused alone becomes a *suspect* and is set aside for others to go first. A refusal counts against it only where
//! another request was accepted since the last that counted, and [`TRIALS`] of them give it up. Where nothing is
//! accepted, nothing is given up; suspects are then tried again at the lane's pace.
//!
//! Age is the only other reason, and only where the user says so: see [`age`]. A record that the server fails at, instead
//! of refusing it, is looked for by [`hunt`] and not given up.

mod age;
mod hunt;

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use crate::batch::{Answer, Batch, DropCause, Origin, Parcel, Refusals, Settled, Suspicion, Times};
use crate::destination::Requests;
pub(super) use age::TooOld;
use hunt::{PATIENCE, Step, Trouble};

/// A piece is refused so often before it is halved without evidence that the destination accepts anything.
const REFUSALS: u32 = 3;
/// A single record is refused so often, with another accepted in between, before it is given up.
const TRIALS: u32 = 3;
/// A record that is too large is cut no further.
const MIN_RECORD_BYTES: usize = 1024;

/// What goes into one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// The batch.
    pub(super) sequence: u64,
    /// Indexes of its records, at least one.
    pub(super) records: Vec<u32>,
    /// Once encoded.
    pub(super) body: Option<Bytes>,
    /// Set where the record was found too large.
    pub(super) max_record_bytes: Option<usize>,
    refusals: u32,
    /// How many requests had been accepted when it was last refused.
    accepted_before: u64,
    trouble: Trouble,
    was_sent: Sent,
}

/// Whether a piece has come back with a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    Never,
    InVain,
}

/// Something happened to records of one file that people must hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    pub(super) what: What,
    pub(super) records: usize,
    pub(super) origin: Arc<Origin>,
    /// From the first of them to the end of the last.
    pub(super) bytes: Range<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    GivenUp(DropCause),
    /// The server fails at this record. It is tried again after a while.
    SetAside,
}

#[derive(Debug)]
struct Held {
    batch: Arc<Batch>,
    times: Times,
    open_pieces: usize,
    dropped: Vec<(usize, DropCause)>,
}

/// The batches of one lane.
#[derive(Debug, Default)]
pub(super) struct Window {
    held: BTreeMap<u64, Held>,
    /// By batch and first record, so that the oldest goes first.
    ready: BTreeMap<(u64, u32), Piece>,
    suspects: VecDeque<Piece>,
    /// A hunted piece that lets the other half go first.
    aside: Option<Piece>,
    /// Records that the server fails at, and when each is tried again.
    found: Vec<(Instant, Piece)>,
    accepted: u64,
    settled: Vec<Settled>,
}

impl Window {
    /// Takes a batch over; `requests` are its records, grouped into what goes together.
    pub(super) fn hold(&mut self, parcel: Parcel, requests: Requests) {
        let Parcel { sequence, batch } = parcel;
        let Requests { records, times } = requests;
        let requests: Vec<_> = records.into_iter().filter(|records| !records.is_empty()).collect();
        if requests.is_empty() {
            self.settled.push(Settled {
                sequence,
                batch,
                dropped: Vec::new(),
            });
            return;
        }
        self.held.insert(
            sequence,
            Held {
                batch,
                times,
                open_pieces: requests.len(),
                dropped: Vec::new(),
            },
        );
        for records in requests {
            self.make_ready(Piece::new(sequence, records, self.accepted));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// When there is something to start; `None` where all that there is is under way.
    pub(super) fn next_at(&self, now: Instant) -> Option<Instant> {
        if self.ready.is_empty() && self.suspects.is_empty() && self.aside.is_none() {
            return self.found.iter().map(|(at, _)| *at).min();
        }
        Some(now)
    }

    /// Only for batches of pieces that came from [`Self::next`] and weren't judged yet; others may be settled.
    pub(super) fn contents(&self, sequence: u64) -> Option<(&Batch, &Times)> {
        self.held.get(&sequence).map(|held| (&*held.batch, &held.times))
    }

    fn batch(&self, sequence: u64) -> Option<&Batch> {
        self.contents(sequence).map(|(batch, _)| batch)
    }

    /// The piece to send next, if there is one: a suspect whose trial can count, else what is ready, else any suspect.
    /// It must come back through [`Self::judge`].
    pub(super) fn next(&mut self, now: Instant) -> Option<Piece> {
        let accepted = self.accepted;
        if let Some(index) = self.found.iter().position(|(at, _)| *at <= now) {
            return Some(self.found.swap_remove(index).1);
        }
        let triable = self
            .suspects
            .iter()
            .position(|suspect| accepted > suspect.accepted_before);
        if let Some(index) = triable {
            return self.suspects.remove(index);
        }
        self.ready
            .pop_first()
            .map(|(_, piece)| piece)
            .or_else(|| self.suspects.pop_front())
            .or_else(|| self.aside.take())
    }

    pub(super) fn take_settled(&mut self) -> Vec<Settled> {
        std::mem::take(&mut self.settled)
    }

    /// Draws the conclusions from an answer. Returns what people must hear of.
    pub(super) fn judge(&mut self, mut piece: Piece, answer: &Answer, now: Instant) -> Vec<Notice> {
        // Whatever came of it, the other half had its turn.
        if let Some(aside) = self.aside.take() {
            self.make_ready(aside);
        }
        piece.was_sent = Sent::InVain;
        match answer {
            Answer::Accepted { refused, .. } => self.accept(&piece, refused),
            Answer::Retry {
                suspicion: Suspicion::Content,
                ..
            } => self.fail(piece, now),
            Answer::Retry { .. } | Answer::Blocked { .. } => {
                self.make_ready(piece);
                Vec::new()
            }
            Answer::Split { .. } if piece.records.len() > 1 => self.halve(piece, Trouble::None),
            Answer::Split { .. } => self.cut(piece),
            Answer::Refused { .. } if piece.records.len() > 1 => self.refuse(piece),
            Answer::Refused { .. } => self.suspect(piece, DropCause::Rejected),
        }
    }

    fn accept(&mut self, piece: &Piece, refused: &Refusals) -> Vec<Notice> {
        let refused = match refused {
            Refusals::None => Vec::new(),
            Refusals::Records(records) => records.iter().filter_map(|index| u32::try_from(*index).ok()).collect(),
            Refusals::Count(count) => self.oldest(piece, *count),
        };
        if refused.len() < piece.records.len() {
            self.accepted += 1;
        }
        self.close(piece, &refused, DropCause::Rejected)
    }

    /// A store that counts what it refused, and doesn't name it, does so for age: the oldest it were.
    fn oldest(&self, piece: &Piece, count: usize) -> Vec<u32> {
        let mut records = piece.records.clone();
        if let Some((batch, times)) = self.contents(piece.sequence) {
            records.sort_by_key(|index| times.of(batch, *index));
        }
        records.truncate(count);
        records
    }

    fn refuse(&mut self, mut piece: Piece) -> Vec<Notice> {
        piece.refusals += 1;
        if piece.refusals >= REFUSALS || self.accepted > piece.accepted_before {
            return self.halve(piece, Trouble::None);
        }
        self.make_ready(piece);
        Vec::new()
    }

    fn suspect(&mut self, mut piece: Piece, cause: DropCause) -> Vec<Notice> {
        if piece.refusals == 0 || self.accepted > piece.accepted_before {
            piece.refusals += 1;
            piece.accepted_before = self.accepted;
        }
        if piece.refusals >= TRIALS {
            let records = piece.records.clone();
            return self.close(&piece, &records, cause);
        }
        self.suspects.push_back(piece);
        Vec::new()
    }

    /// The server may have failed at what the piece holds.
    fn fail(&mut self, mut piece: Piece, now: Instant) -> Vec<Notice> {
        match piece.trouble.failed(now, self.accepted) {
            Step::Again => self.make_ready(piece),
            Step::AfterOthers => self.aside = Some(piece),
            Step::Suspect | Step::Narrow if piece.records.len() > 1 => {
                return self.halve(piece, Trouble::hunted(self.accepted));
            }
            Step::Suspect => {
                piece.trouble = Trouble::hunted(self.accepted);
                self.make_ready(piece);
            }
            Step::Narrow => return self.set_aside(piece, now),
        }
        Vec::new()
    }

    /// A single record that the server fails at, while it takes others.
    fn set_aside(&mut self, mut piece: Piece, now: Instant) -> Vec<Notice> {
        piece.trouble = Trouble::Found;
        let batch = self.batch(piece.sequence);
        let notices = batch.map(|batch| by_file(batch, &piece.records, What::SetAside));
        self.found.push((now + PATIENCE, piece));
        notices.unwrap_or_default()
    }

    fn halve(&mut self, mut piece: Piece, trouble: Trouble) -> Vec<Notice> {
        let second = piece.records.split_off(piece.records.len() / 2);
        if let Some(held) = self.held.get_mut(&piece.sequence) {
            held.open_pieces += 1;
        }
        for records in [piece.records, second] {
            self.make_ready(Piece {
                trouble,
                ..Piece::new(piece.sequence, records, self.accepted)
            });
        }
        Vec::new()
    }

    /// A single record is too large: half of it may do.
    fn cut(&mut self, mut piece: Piece) -> Vec<Notice> {
        let length = self
            .batch(piece.sequence)
            .map_or(0, |batch| batch.line(&batch.records[piece.records[0] as usize]).len());
        let sent = piece.max_record_bytes.map_or(length, |max| max.min(length));
        if sent <= MIN_RECORD_BYTES {
            return self.suspect(piece, DropCause::TooLarge);
        }
        piece.max_record_bytes = Some((sent / 2).max(MIN_RECORD_BYTES));
        piece.body = None;
        self.make_ready(piece);
        Vec::new()
    }

    fn close(&mut self, piece: &Piece, dropped: &[u32], cause: DropCause) -> Vec<Notice> {
        let Some(held) = self.held.get_mut(&piece.sequence) else {
            return Vec::new();
        };
        let given_up = by_file(&held.batch, dropped, What::GivenUp(cause));
        held.dropped
            .extend(dropped.iter().map(|record| (*record as usize, cause)));
        held.open_pieces -= 1;
        if held.open_pieces == 0 {
            self.settle(piece.sequence);
        }
        given_up
    }

    fn settle(&mut self, sequence: u64) {
        if let Some(Held { batch, mut dropped, .. }) = self.held.remove(&sequence) {
            dropped.sort_by_key(|(record, _)| *record);
            self.settled.push(Settled {
                sequence,
                batch,
                dropped,
            });
        }
    }

    fn make_ready(&mut self, piece: Piece) {
        self.ready.insert((piece.sequence, piece.records[0]), piece);
    }
}

impl Piece {
    fn new(sequence: u64, records: Vec<u32>, accepted_before: u64) -> Self {
        Self {
            sequence,
            records,
            body: None,
            max_record_bytes: None,
            refusals: 0,
            accepted_before,
            trouble: Trouble::None,
            was_sent: Sent::Never,
        }
    }
}

fn by_file(batch: &Batch, records: &[u32], what: What) -> Vec<Notice> {
    let mut files: BTreeMap<u32, (usize, Range<u64>)> = BTreeMap::new();
    for record in records.iter().map(|index| &batch.records[*index as usize]) {
        let end = record.offset + u64::from(record.source_bytes);
        let (count, bytes) = files.entry(record.file).or_insert((0, record.offset..end));
        *count += 1;
        *bytes = bytes.start.min(record.offset)..bytes.end.max(end);
    }
    let notice = |(file, (records, bytes))| {
        let origin = Arc::clone(&batch.files[file as usize].origin);
        Notice {
            what,
            records,
            origin,
            bytes,
        }
    };
    files.into_iter().map(notice).collect()
}

#[cfg(test)]
mod tests;
