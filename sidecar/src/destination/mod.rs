//! Destinations: how each type of log store wants its records written, and what its answers mean.
//!
//! Both are pure functions, a table of tests beside each. How requests travel is `transport`'s, when and how often they
//! are sent is `sending`'s.

mod answer;
mod attributes;
mod coding;
pub(crate) mod file;
mod http;
mod json;
mod limits;
mod loki;
#[cfg(test)]
pub(crate) mod samples;
pub mod stdout;
mod text;
mod writer;

use bytes::Bytes;
use pipeline::destination::{Compression, Kind, LineFormat};

pub(crate) use answer::{of_request_error, of_words, stored};
pub(crate) use attributes::of_file as attribute_of_file;
use coding::{Coding, Compressor};
pub(crate) use json::{next_special, write_string as write_json_string};
pub use limits::Limits;
pub use writer::Writer;

use crate::batch::{Answer, Batch, Times};
use crate::transport::{Endpoint, EndpointError, Response};

/// A destination's settings can't be turned into requests.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("{0} destinations are not supported by this version yet")]
    Unsupported(&'static str),
    #[error("the destination has no type, or more than one")]
    NoType,
    #[error("{field}: {error}")]
    Endpoint { field: &'static str, error: EndpointError },
    #[error("no thread to write with")]
    Thread(#[from] std::io::Error),
    #[error("compression: {0:?} is nothing that {1} can be sent with")]
    Compression(Compression, &'static str),
    #[error("compression: {0}")]
    Compressor(std::io::Error),
    #[error(transparent)]
    Connection(#[from] crate::transport::ConnectionError),
}

/// A destination's way of writing records.
#[derive(Debug)]
pub(crate) struct Encoder {
    format: Format,
    max_record_bytes: usize,
}

#[derive(Debug)]
enum Format {
    /// Lines as they were read.
    Raw,
    JsonLines(JsonLines),
    Loki(Box<loki::Loki>),
}

/// One JSON object a line, and what is done to them together.
#[derive(Debug)]
struct JsonLines {
    text: Vec<u8>,
    /// Lengths of the last body and of its records' texts: the next is much like it.
    last: (usize, usize),
    compressor: Compressor,
}

impl JsonLines {
    fn new(coding: Coding) -> Result<Self, BuildError> {
        Ok(Self {
            text: Vec::new(),
            last: (0, 1),
            compressor: Compressor::new(coding).map_err(BuildError::Compressor)?,
        })
    }

    fn encode(&mut self, batch: &Batch, records: &[u32], max_record_bytes: usize) -> std::io::Result<Bytes> {
        self.text.clear();
        let of_records = batch.text.len() * records.len() / batch.records.len().max(1);
        // A buffer that has to grow is copied, and ends up nearly twice as large as it need be.
        self.text.reserve(of_records * self.last.0 / self.last.1 / 32 * 33);
        json::encode(&mut self.text, batch, records, max_record_bytes);
        self.last = (self.text.len(), of_records.max(1));
        self.compressor.compress(&mut self.text)
    }
}

/// What a batch is divided into on its way to one destination.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    /// The indexes of the records that go together into one request.
    pub(crate) records: Vec<Vec<u32>>,
    pub(crate) times: Times,
}

/// A destination's way of travelling.
#[derive(Debug)]
pub(crate) enum Channel {
    Stdout,
    /// Its path.
    File(String),
    Http {
        endpoint: Box<Endpoint>,
        classify: fn(&Response) -> Answer,
        probe: Probe,
    },
}

/// What can be sent to see whether requests are taken, without anything being stored.
#[derive(Debug)]
pub(crate) enum Probe {
    /// The protocol has nothing for it.
    Nothing,
    /// A request without records.
    Empty {
        body: Bytes,
        classify: fn(&Response) -> Answer,
    },
}

/// Splits a destination into what is written and where it goes.
pub(crate) fn build(destination: &pipeline::Destination, limits: &Limits) -> Result<(Encoder, Channel), BuildError> {
    let max_record_bytes = limits.max_record_bytes;
    let kind = destination.kind().ok_or(BuildError::NoType)?;
    let compression = destination.compression;
    let impossible = || BuildError::Compression(compression, kind.name());
    let (format, channel) = match kind {
        Kind::Stdout(settings) => (lines(settings.format)?, Channel::Stdout),
        Kind::File(settings) => (lines(settings.format)?, Channel::File(settings.path.clone())),
        Kind::Http(settings) => {
            let coding = Coding::of_http(compression).ok_or_else(impossible)?;
            let channel = Channel::Http {
                endpoint: Box::new(http::endpoint(settings, coding)?),
                classify: http::classify,
                probe: Probe::Nothing,
            };
            (Format::JsonLines(JsonLines::new(coding)?), channel)
        }
        // Snappy is part of the protocol.
        Kind::Loki(_) if !matches!(compression, Compression::Auto | Compression::Snappy) => return Err(impossible()),
        Kind::Loki(settings) => {
            let channel = Channel::Http {
                endpoint: Box::new(loki::endpoint(settings)?),
                classify: loki::classify,
                probe: loki::probe(),
            };
            (Format::Loki(Box::new(loki::Loki::new(settings))), channel)
        }
        other => return Err(BuildError::Unsupported(other.name())),
    };
    Ok((
        Encoder {
            format,
            max_record_bytes,
        },
        channel,
    ))
}

fn lines(format: Option<LineFormat>) -> Result<Format, BuildError> {
    Ok(match format.unwrap_or_default() {
        LineFormat::Raw => Format::Raw,
        LineFormat::Json => Format::JsonLines(JsonLines::new(Coding::Identity)?),
    })
}

impl Encoder {
    /// What becomes of a batch; called once, before the first [`Self::encode`].
    pub(crate) fn requests(&self, batch: &Batch) -> Requests {
        match &self.format {
            Format::Loki(loki) => loki.requests(batch),
            Format::Raw | Format::JsonLines(_) => Requests {
                records: vec![(0..).zip(&batch.records).map(|(index, _)| index).collect()],
                times: Times::default(),
            },
        }
    }

    /// A request's body. `max_record_bytes` is below the destination's own where it found a record too large.
    ///
    /// # Errors
    /// When it can't be compressed for want of memory.
    pub(crate) fn encode(
        &mut self,
        (batch, times): (&Batch, &Times),
        records: &[u32],
        max_record_bytes: Option<usize>,
    ) -> std::io::Result<Bytes> {
        let max_record_bytes = max_record_bytes.unwrap_or(self.max_record_bytes);
        match &mut self.format {
            Format::Raw => Ok(raw(batch, records).into()),
            Format::JsonLines(lines) => lines.encode(batch, records, max_record_bytes),
            Format::Loki(loki) => loki.encode((batch, times), records, max_record_bytes),
        }
    }

    /// Bytes of the buffers that are kept from one request to the next.
    pub(crate) fn buffers(&self) -> usize {
        match &self.format {
            Format::Raw => 0,
            Format::JsonLines(lines) => lines.text.capacity() + lines.compressor.buffer(),
            Format::Loki(loki) => loki.buffers(),
        }
    }
}

/// Every record as a JSON line.
pub(crate) fn json_lines(batch: &Batch) -> Vec<u8> {
    let all: Vec<u32> = (0..).zip(&batch.records).map(|(index, _)| index).collect();
    let mut out = Vec::new();
    json::encode(&mut out, batch, &all, usize::MAX);
    out
}

/// The lines with their ends.
fn raw(batch: &Batch, records: &[u32]) -> Vec<u8> {
    // Without fields the text is made of lines and nothing else.
    if records.len() == batch.records.len() && batch.fields.is_empty() {
        return batch.text.clone();
    }
    let mut out = Vec::new();
    for record in records.iter().map(|index| &batch.records[*index as usize]) {
        out.extend_from_slice(batch.line(record));
        out.push(b'\n');
    }
    out
}
