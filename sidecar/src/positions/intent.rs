//! What a batch is made of, written down before it is sent for the first time. The layout is drawn in the module above.
//! Pure.

use super::bytes::{Reader, Writer};
use super::slot::ContentKey;

/// Room of one intent.
pub(super) const INTENT: usize = 8192;
const HEAD: usize = 64;
const STRETCH: usize = 32;
/// A batch that is made of so many stretches is full.
pub(crate) const MAX_STRETCHES: usize = (INTENT - HEAD) / STRETCH;
const KIND: u8 = 4;
/// Where an intent is marked as settled, by its sequence number once more. Not covered by the checksum.
pub(super) const SETTLED_AT: usize = 48;

/// Names a destination of a pipeline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct LaneKey(u128);

impl LaneKey {
    pub(crate) fn new(pipeline: &str, destination: &str) -> Self {
        Self(xxhash_rust::xxh3::xxh3_128(
            format!("{pipeline}\0{destination}").as_bytes(),
        ))
    }
}

/// Bytes of one file that stand together in a batch, read in one go or as if they were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) content: ContentKey,
    pub(crate) start: u64,
    pub(crate) length: u32,
    /// Of the last bytes, so that others aren't taken for them.
    pub(crate) check: u32,
    /// Of its first record, in nanoseconds since the Unix epoch. The others follow from it.
    pub(crate) time: i64,
}

impl Stretch {
    pub(crate) const fn end(&self) -> u64 {
        self.start + self.length as u64
    }
}

/// Whether a batch's records all met their fate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Outcome {
    #[default]
    Open,
    /// All were stored or left out on purpose.
    Stored,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Intent {
    pub(crate) lane: LaneKey,
    /// Of the batch; rises in a lane, also over restarts.
    pub(crate) sequence: u64,
    /// When it was written, in nanoseconds since the Unix epoch.
    pub(crate) formed_at: i64,
    pub(crate) outcome: Outcome,
    /// In the order in which they stand in the batch, at most [`MAX_STRETCHES`].
    pub(crate) stretches: Vec<Stretch>,
}

/// The bytes to write: as few as it takes.
pub(super) fn encode(intent: &Intent) -> Vec<u8> {
    let stretches = &intent.stretches[..intent.stretches.len().min(MAX_STRETCHES)];
    let mut out = Writer(vec![0; HEAD + STRETCH * stretches.len()]);
    let count = u16::try_from(stretches.len()).unwrap_or(0);
    out.put(4, &[KIND]);
    out.put(6, &count.to_le_bytes());
    out.put(8, &intent.sequence.to_le_bytes());
    out.put(16, &intent.lane.0.to_le_bytes());
    out.put(32, &intent.formed_at.to_le_bytes());
    for (index, stretch) in stretches.iter().enumerate() {
        let at = HEAD + STRETCH * index;
        out.put(at, &stretch.content.0.to_le_bytes());
        out.put(at + 8, &stretch.start.to_le_bytes());
        out.put(at + 16, &stretch.time.to_le_bytes());
        out.put(at + 24, &stretch.length.to_le_bytes());
        out.put(at + 28, &stretch.check.to_le_bytes());
    }
    let crc = checksum(&out.0);
    out.put(0, &crc.to_le_bytes());
    if intent.outcome == Outcome::Stored {
        out.put(SETTLED_AT, &intent.sequence.to_le_bytes());
    }
    out.0
}

/// `None` where no whole intent stands.
pub(super) fn decode(bytes: &[u8]) -> Option<Intent> {
    let count = length(bytes)?;
    let bytes = bytes.get(..HEAD + STRETCH * count)?;
    let reader = Reader(bytes);
    if reader.u32(0) != checksum(bytes) {
        return None;
    }
    let sequence = reader.u64(8);
    let stretches = (0..count).map(|index| {
        let at = HEAD + STRETCH * index;
        Stretch {
            content: ContentKey(reader.u64(at)),
            start: reader.u64(at + 8),
            time: reader.i64(at + 16),
            length: reader.u32(at + 24),
            check: reader.u32(at + 28),
        }
    });
    Some(Intent {
        lane: LaneKey(reader.u128(16)),
        sequence,
        formed_at: reader.i64(32),
        outcome: if reader.u64(SETTLED_AT) == sequence {
            Outcome::Stored
        } else {
            Outcome::Open
        },
        stretches: stretches.collect(),
    })
}

/// How many bytes an intent takes, by its first ones; 0 where there is none.
pub(super) fn needs(bytes: &[u8]) -> usize {
    length(bytes).map_or(0, |count| HEAD + STRETCH * count)
}

/// How many stretches it has.
fn length(bytes: &[u8]) -> Option<usize> {
    let is_intent = bytes.len() >= HEAD && bytes[4] == KIND;
    let count = is_intent.then(|| usize::from(bytes[6]) | usize::from(bytes[7]) << 8)?;
    (1..=MAX_STRETCHES).contains(&count).then_some(count)
}

fn checksum(bytes: &[u8]) -> u32 {
    let crc = crc32c::crc32c(&bytes[4..SETTLED_AT]);
    crc32c::crc32c_append(crc, &bytes[SETTLED_AT + 8..])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn intent(stretches: usize) -> Intent {
        let stretch = |index: u32| Stretch {
            content: ContentKey(7),
            start: u64::from(index) << 33,
            length: u32::MAX - index,
            check: 9 + index,
            time: -i64::from(index),
        };
        Intent {
            lane: LaneKey::new("p", "d"),
            sequence: 1 << 52,
            formed_at: 11,
            outcome: Outcome::Open,
            stretches: (0..).map(stretch).take(stretches).collect(),
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for stretches in [1, 2, MAX_STRETCHES] {
            for outcome in [Outcome::Open, Outcome::Stored] {
                let intent = Intent {
                    outcome,
                    ..intent(stretches)
                };
                let bytes = encode(&intent);
                assert!(bytes.len() <= INTENT);
                assert_eq!(decode(&bytes), Some(intent));
            }
        }
        assert_eq!(decode(&[0; INTENT]), None);
    }

    #[test]
    fn every_prefix_of_a_write_over_an_older_intent_is_the_older_one_or_none_until_it_is_whole() {
        let (older, newer) = (
            intent(3),
            Intent {
                sequence: 1 << 53,
                ..intent(5)
            },
        );
        let mut slot = vec![0; INTENT];
        let (old, new) = (encode(&older), encode(&newer));
        slot[..old.len()].copy_from_slice(&old);
        for written in 0..=new.len() {
            let mut torn = slot.clone();
            torn[..written].copy_from_slice(&new[..written]);
            let found = decode(&torn);
            // The last bytes may have been there before.
            if torn[..new.len()] == new[..] {
                assert_eq!(found.as_ref(), Some(&newer));
            } else {
                let is_older = found.is_none() || found.as_ref() == Some(&older);
                assert!(is_older, "after {written} bytes: {found:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_changed_byte_is_noticed_but_in_the_settled_mark(at in 0..HEAD + 4 * STRETCH, flip in 1..=255_u8) {
            let mut bytes = encode(&intent(4));
            bytes[at] ^= flip;
            let expected = (SETTLED_AT..SETTLED_AT + 8).contains(&at).then(|| intent(4));
            prop_assert_eq!(decode(&bytes), expected);
        }

        #[test]
        fn no_bytes_are_too_strange_to_be_looked_at(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(decode(&bytes), None);
        }
    }
}
