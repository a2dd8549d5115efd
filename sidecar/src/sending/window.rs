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

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::batch::{Answer, Batch, DropCause, Origin, Refusals, Settled};

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
}

/// Records of one file that are given up, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GivenUp {
    pub(super) cause: DropCause,
    pub(super) records: usize,
    pub(super) origin: Arc<Origin>,
    /// From the first of them to the end of the last.
    pub(super) bytes: Range<u64>,
}

#[derive(Debug)]
struct Held {
    batch: Batch,
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
    accepted: u64,
    settled: Vec<Settled>,
}

impl Window {
    /// Takes a batch over; `requests` are its records, grouped into what goes together.
    pub(super) fn hold(&mut self, batch: Batch, requests: Vec<Vec<u32>>) {
        let sequence = batch.sequence;
        let requests: Vec<_> = requests.into_iter().filter(|records| !records.is_empty()).collect();
        if requests.is_empty() {
            self.settled.push(Settled {
                batch,
                dropped: Vec::new(),
            });
            return;
        }
        self.held.insert(
            sequence,
            Held {
                batch,
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

    /// Nothing is left to start; what there is is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.ready.is_empty() && self.suspects.is_empty()
    }

    /// Only for batches of pieces that came from [`Self::next`] and weren't judged yet; others may be settled.
    pub(super) fn batch(&self, sequence: u64) -> Option<&Batch> {
        self.held.get(&sequence).map(|held| &held.batch)
    }

    /// The piece to send next, if there is one: a suspect whose trial can count, else what is ready, else any suspect.
    /// It must come back through [`Self::judge`].
    pub(super) fn next(&mut self) -> Option<Piece> {
        let accepted = self.accepted;
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
    }

    pub(super) fn take_settled(&mut self) -> Vec<Settled> {
        std::mem::take(&mut self.settled)
    }

    /// Draws the conclusions from an answer. Returns the records given up by it.
    pub(super) fn judge(&mut self, piece: Piece, answer: &Answer) -> Vec<GivenUp> {
        match answer {
            Answer::Accepted { refused, .. } => self.accept(&piece, refused),
            Answer::Retry { .. } | Answer::Blocked { .. } => {
                self.make_ready(piece);
                Vec::new()
            }
            Answer::Split { .. } if piece.records.len() > 1 => self.halve(piece),
            Answer::Split { .. } => self.cut(piece),
            Answer::Refused { .. } if piece.records.len() > 1 => self.refuse(piece),
            Answer::Refused { .. } => self.suspect(piece, DropCause::Rejected),
        }
    }

    fn accept(&mut self, piece: &Piece, refused: &Refusals) -> Vec<GivenUp> {
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
        if let Some(batch) = self.batch(piece.sequence) {
            records.sort_by_key(|index| batch.records[*index as usize].time);
        }
        records.truncate(count);
        records
    }

    fn refuse(&mut self, mut piece: Piece) -> Vec<GivenUp> {
        piece.refusals += 1;
        if piece.refusals >= REFUSALS || self.accepted > piece.accepted_before {
            return self.halve(piece);
        }
        self.make_ready(piece);
        Vec::new()
    }

    fn suspect(&mut self, mut piece: Piece, cause: DropCause) -> Vec<GivenUp> {
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

    fn halve(&mut self, mut piece: Piece) -> Vec<GivenUp> {
        let second = piece.records.split_off(piece.records.len() / 2);
        if let Some(held) = self.held.get_mut(&piece.sequence) {
            held.open_pieces += 1;
        }
        self.make_ready(Piece::new(piece.sequence, piece.records, self.accepted));
        self.make_ready(Piece::new(piece.sequence, second, self.accepted));
        Vec::new()
    }

    /// A single record is too large: half of it may do.
    fn cut(&mut self, mut piece: Piece) -> Vec<GivenUp> {
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

    fn close(&mut self, piece: &Piece, dropped: &[u32], cause: DropCause) -> Vec<GivenUp> {
        let Some(held) = self.held.get_mut(&piece.sequence) else {
            return Vec::new();
        };
        let given_up = by_file(&held.batch, dropped, cause);
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
            self.settled.push(Settled { batch, dropped });
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
        }
    }
}

fn by_file(batch: &Batch, records: &[u32], cause: DropCause) -> Vec<GivenUp> {
    let mut files: BTreeMap<u32, (usize, Range<u64>)> = BTreeMap::new();
    for record in records.iter().map(|index| &batch.records[*index as usize]) {
        let end = record.offset + u64::from(record.source_bytes);
        let (count, bytes) = files.entry(record.file).or_insert((0, record.offset..end));
        *count += 1;
        *bytes = bytes.start.min(record.offset)..bytes.end.max(end);
    }
    let given_up = |(file, (records, bytes))| {
        let origin = Arc::clone(&batch.files[file as usize].origin);
        GivenUp {
            cause,
            records,
            origin,
            bytes,
        }
    };
    files.into_iter().map(given_up).collect()
}

#[cfg(test)]
mod tests;
