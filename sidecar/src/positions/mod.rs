//! Positions on disk: how far each destination has settled each file, so that a process that was killed goes on where
//! it was.
//!
//! One file, `positions`, in the state directory; beside it `lock`, held by `flock` as long as the process lives. The
//! file is never rewritten as a whole: a record has two slots, the one that isn't known to be on the disk is
//! overwritten, and the higher sequence number with a right checksum wins. Space is allocated before it is needed, so
//! that a full disk can't stop a position from moving.
//!
//! Three things stand in it: how far each file is settled (*positions*), what came of the bytes below (*counters*), and
//! what batches are made of that were sent and aren't covered by a position yet (*intents*). An intent is written before
//! its batch is sent for the first time. After a kill the batch is made again of the same stretches of the same files,
//! with the same times of its records, so a receiver that can tell a repetition by its content, its times or its
//! sequence number can leave it out. Intents are best effort: without one, or where the file isn't what it was, the bytes
//! are read from the position on as if they had never been sent.
//!
//! # Layout, version 2; all numbers little-endian
//!
//! ```text
//! header, 4096 bytes                      record n at 4096 + 512 * n, two slots of 256 bytes;
//!    0  8  magic "LGSHPOS\0"              the ring lies at a multiple of 512 behind the header, and records that
//!    8  4  version                        would overlap it or stand behind it stand later by its length
//!   12  4  bytes of a slot, 256
//!   16  8  offset of the ring             slot:
//!   24  8  length of the ring, 0 none       0   4  CRC-32C of bytes 4 to 255
//!   32  4  CRC-32C of bytes 0 to 31         4   1  kind: 0 free, 1 file, 2 flow; 3 is reserved
//!   36     zero                             5   1  state of the line at the position (kind 1)
//!                                           6   2  zero
//!                                           8   8  sequence number
//!                                          16  16  flow: xxh3-128 of "pipeline \0 source \0 destination"
//!
//! kind 1, file                            kind 2, flow: counters of one source and destination
//!   32  8  inode                            32 16  acknowledged: records, bytes
//!   40  8  birth time, ns, 0 unknown        48 48  filtered: filtered, sampled, rate-limited;
//!   48  8  settled offset                          records and bytes of each
//!   56  4  length of the head, <= 1024      96 80  dropped: rejected, unconfirmed, too large, gave up,
//!   60  4  length of the tail, <= 4096             vanished; records and bytes of each
//!   64 16  xxh3-128 of the head            176  8  last used, s
//!   80 16  xxh3-128 of the tail            184     zero
//!   96  8  time of the oldest pending
//!          byte, ns, 0 nothing pending
//!  104  8  last seen, s
//!  112 128 eight marks: offset, and time ns
//!          at which the bytes from there on
//!          were first seen; 0 no more marks
//!  240  8  content: names what stands in
//!          the file, 0 unknown
//!  248  8  where the file ended when the
//!          marks were written
//!
//! ring: rooms of 8192 bytes, each zero or an intent
//!    0  4  CRC-32C of all that follows but bytes 48 to 55
//!    4  1  kind: 4
//!    5  1  zero
//!    6  2  number of stretches, 1 to 254
//!    8  8  sequence of the batch in its lane
//!   16 16  lane: xxh3-128 of "pipeline \0 destination"
//!   32  8  written at, ns
//!   40  8  zero
//!   48  8  the sequence once more when every record was stored, or left out on purpose
//!   56  8  zero
//!   64 32  each stretch:
//!            0 8  content, as in a position
//!            8 8  offset of the first byte
//!           16 8  time of the first record, ns; each further one is 256 ns later
//!           24 4  bytes
//!           28 4  lower half of the xxh3-64 of the last <= 1024 of them
//! ```
//!
//! The head is the beginning of the file, the tail ends at the settled offset; both are hashed as they were shipped.
//! Line states: 0 a new line, 1 the rest of a line that was shipped unterminated, 2 the rest of an over-long line.
//! Marks are thinned out, the oldest and the newest last. Kind 3 is reserved: what stands there is kept.
//!
//! # Order of writes
//! A new content's position, so that its name is known; then the intent; then the batch leaves. When it is settled, bytes
//! 48 to 55 of the intent; within 20 ms or 1 MiB the counters and the position; only then the intent's room may be used
//! again. Each is one `pwrite`, so a killed process leaves it done or not done. `fdatasync` follows within a second:
//! after a loss of power any of the last second's writes may be missing or torn. A torn slot falls back to the one
//! before it, a torn intent is none.
//!
//! # Versions
//! This sidecar reads versions 1 and 2. Version 1 has no ring and no contents; its ring is added behind its records, and
//! the header says version 2 from then on. A file of a newer version is left untouched, and nothing is shipped until
//! somebody decides: starting anew would send everything again. A record whose slots are both broken begins anew, loudly.

mod bytes;
mod disk;
mod header;
#[cfg(test)]
mod hostile;
mod intent;
mod ring;
mod slot;
mod store;

#[cfg(test)]
pub(crate) use disk::kill;
pub(crate) use intent::{Intent, LaneKey, MAX_STRETCHES, Outcome, Stretch};
pub(crate) use ring::IntentId;
pub(crate) use slot::{
    ContentKey, FilePosition, FlowCounters, FlowKey, Hashed, Mark, PathHash, Record, SAVED_MARKS, SavedMarks,
};
pub(crate) use store::{OpenError, RecordId, Store};
