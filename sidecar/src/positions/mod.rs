//! Positions on disk: how far each destination has settled each file, so that a process that was killed goes on where
//! it was.
//!
//! One file, `positions`, in the state directory; beside it `lock`, held by `flock` as long as the process lives. The
//! file is never rewritten as a whole: a record has two slots, the one that isn't known to be on the disk is
//! overwritten, and the higher sequence number with a right checksum wins. Space is allocated before it is needed, so
//! that a full disk can't stop a position from moving.
//!
//! # Layout, version 1; all numbers little-endian
//!
//! ```text
//! header, 4096 bytes                      record n at 4096 + 512 * n, two slots of 256 bytes
//!    0  8  magic "LGSHPOS\0"              slot:
//!    8  4  version                           0   4  CRC-32C of bytes 4 to 255
//!   12  4  bytes of a slot, 256              4   1  kind: 0 free, 1 file, 2 flow, 3 marks, 4 intent
//!   16  8  offset of the intent ring, 0      5   1  state of the line at the position (kind 1)
//!   24  8  length of the intent ring, 0      6   2  zero
//!   32  4  CRC-32C of bytes 0 to 31          8   8  sequence number
//!   36     zero                             16  16  flow: xxh3-128 of "pipeline \0 source \0 destination"
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
//!  112 128 eight marks (offset, time)
//!  240     zero
//! ```
//!
//! The head is the beginning of the file, the tail ends at the settled offset; both are hashed as they were shipped.
//! Line states: 0 a new line, 1 the rest of a line that was shipped unterminated, 2 the rest of an over-long line.
//! Kinds 3 and 4, the marks and the ring are reserved: version 1 writes none and keeps what it finds.
//!
//! A file of a newer version is left untouched, and nothing is shipped until somebody decides: starting anew would
//! send everything again. A record whose slots are both broken begins anew, loudly.

mod slot;
mod store;

pub(crate) use slot::{FilePosition, FlowCounters, FlowKey, Hashed, Record};
pub(crate) use store::{OpenError, RecordId, Store};
