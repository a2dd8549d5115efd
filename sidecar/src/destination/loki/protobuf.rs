//! The push request, written by hand: no object tree, no allocation per record.
//!
//! ```text
//! PushRequest  1: Stream                              the one stream
//! Stream       1: labels  2: Entry...
//! Entry        1: Timestamp  2: line  3: LabelPair...  structured metadata
//! Timestamp    1: seconds  2: nanoseconds
//! LabelPair    1: name  2: value
//! ```
//! A message's length stands before it. Those of entries are computed; that of the stream is known only at the end, so
//! its header is written into room left at the front of the buffer.

use std::io;

use bytes::Bytes;

use super::labels::sanitise;
use crate::batch::{Batch, Origin, Record, Times};
use crate::destination::attributes::{self, FILE_OFFSET, PARTIAL, TRUNCATED, UNPARSED};
use crate::destination::text::{Line, Lines};

/// A push request without streams: no bytes, so all that snappy writes is their number.
pub(super) const EMPTY: &[u8] = &[0];

/// Tag and length of the stream, at their longest.
const HEADER_ROOM: usize = 11;

const LENGTH_DELIMITED: u8 = 2;
const VARINT: u8 = 0;

/// Writes requests; keeps its buffers between them.
pub(super) struct Encoder {
    /// Structured metadata: the name as sent, the field it comes from.
    metadata: Vec<(String, String)>,
    message: Vec<u8>,
    block: Vec<u8>,
    snappy: snap::raw::Encoder,
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder")
            .field("metadata", &self.metadata)
            .finish_non_exhaustive()
    }
}

impl Encoder {
    pub(super) fn new(metadata: &[String]) -> Self {
        Self {
            metadata: metadata.iter().map(|field| (sanitise(field), field.clone())).collect(),
            message: Vec::new(),
            block: Vec::new(),
            snappy: snap::raw::Encoder::new(),
        }
    }

    /// Bytes of the buffers that are kept between requests.
    pub(super) fn buffers(&self) -> usize {
        self.message.capacity() + self.block.capacity()
    }

    /// A snappy block of one stream.
    pub(super) fn encode(
        &mut self,
        (batch, times): (&Batch, &Times),
        records: &[u32],
        labels: &str,
        max_record_bytes: usize,
    ) -> io::Result<Bytes> {
        let start = self.write_request((batch, times), records, labels, max_record_bytes);
        self.block.resize(snap::raw::max_compress_len(self.message.len()), 0);
        let length = self.snappy.compress(&self.message[start..], &mut self.block)?;
        Ok(Bytes::copy_from_slice(&self.block[..length]))
    }

    /// Returns where in the buffer the request begins.
    fn write_request(
        &mut self,
        (batch, times): (&Batch, &Times),
        records: &[u32],
        labels: &str,
        max_record_bytes: usize,
    ) -> usize {
        let lines = Lines::new(batch, records.len(), max_record_bytes);
        let mut out = std::mem::take(&mut self.message);
        let files: Vec<FileMetadata<'_>> = batch.files.iter().map(|file| self.of_file(&file.origin)).collect();
        out.clear();
        out.resize(HEADER_ROOM, 0);
        write_bytes(&mut out, 1, labels.as_bytes());
        let mut own = Vec::new();
        for index in records {
            let record = &batch.records[*index as usize];
            let line = lines.get(record);
            let file = &files[record.file as usize];
            own.clear();
            file.write_rest(&mut own, batch, record);
            write_marks(&mut own, record, &line);
            write_entry(&mut out, times.of(batch, *index), &line.text, [&file.written, &own]);
        }
        let start = write_header(&mut out);
        self.message = out;
        start
    }

    fn of_file(&self, origin: &Origin) -> FileMetadata<'_> {
        let (mut written, mut rest) = (Vec::new(), Vec::new());
        for (name, field) in &self.metadata {
            match attributes::of_file(origin, field) {
                Some(value) => write_pair(&mut written, name, value),
                None => rest.push((name.as_str(), field.as_str())),
            }
        }
        FileMetadata { written, rest }
    }
}

/// The structured metadata of a file's records.
struct FileMetadata<'a> {
    /// What is the same for all of them.
    written: Vec<u8>,
    /// Name and field of what only a record can say.
    rest: Vec<(&'a str, &'a str)>,
}

impl FileMetadata<'_> {
    fn write_rest(&self, out: &mut Vec<u8>, batch: &Batch, record: &Record) {
        for (name, field) in &self.rest {
            if *field == FILE_OFFSET {
                write_pair(out, name, &record.offset.to_string());
            } else if let Some(value) = attributes::of_record(batch, record, field) {
                write_pair(out, name, &value);
            }
        }
    }
}

fn write_marks(out: &mut Vec<u8>, record: &Record, line: &Line<'_>) {
    let marks = [
        (PARTIAL, record.marks.partial),
        (TRUNCATED, line.truncated),
        (UNPARSED, record.marks.unparsed),
    ];
    for (mark, _) in marks.into_iter().filter(|(_, set)| *set) {
        write_pair(out, &sanitise(mark), "true");
    }
}

/// Puts tag and length of the stream right before it.
fn write_header(out: &mut [u8]) -> usize {
    let mut header = Vec::with_capacity(HEADER_ROOM);
    write_key(&mut header, 1, LENGTH_DELIMITED);
    write_varint(&mut header, (out.len() - HEADER_ROOM) as u64);
    let start = HEADER_ROOM - header.len();
    out[start..HEADER_ROOM].copy_from_slice(&header);
    start
}

fn write_entry(out: &mut Vec<u8>, time: i64, line: &str, metadata: [&[u8]; 2]) {
    let seconds = time.div_euclid(1_000_000_000).cast_unsigned();
    let nanoseconds = time.rem_euclid(1_000_000_000).cast_unsigned();
    let timestamp = field_length(seconds) + field_length(nanoseconds);
    let [file, own] = metadata;
    let length = 2 + timestamp + 1 + varint_length(line.len() as u64) + line.len() + file.len() + own.len();
    write_key(out, 2, LENGTH_DELIMITED);
    write_varint(out, length as u64);
    write_key(out, 1, LENGTH_DELIMITED);
    write_varint(out, timestamp as u64);
    for (field, value) in [(1, seconds), (2, nanoseconds)] {
        if value != 0 {
            write_key(out, field, VARINT);
            write_varint(out, value);
        }
    }
    write_bytes(out, 2, line.as_bytes());
    out.extend_from_slice(file);
    out.extend_from_slice(own);
}

/// A label pair as field 3 of an entry.
fn write_pair(out: &mut Vec<u8>, name: &str, value: &str) {
    let string = |text: &str| 1 + varint_length(text.len() as u64) + text.len();
    write_key(out, 3, LENGTH_DELIMITED);
    write_varint(out, (string(name) + string(value)) as u64);
    write_bytes(out, 1, name.as_bytes());
    write_bytes(out, 2, value.as_bytes());
}

fn write_bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    write_key(out, field, LENGTH_DELIMITED);
    write_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn write_key(out: &mut Vec<u8>, field: u8, wire_type: u8) {
    out.push(field << 3 | wire_type);
}

fn write_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Key and value of a number; zero is the default and isn't written.
fn field_length(value: u64) -> usize {
    if value == 0 { 0 } else { 1 + varint_length(value) }
}

fn varint_length(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

#[cfg(test)]
mod tests;
