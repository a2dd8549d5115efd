//! Takes requests apart into records.

use std::io::Read;

use anyhow::{Context, Result, ensure};
use flate2::bufread::GzDecoder;
use memchr::memchr_iter;

use super::counter::{Counter, Tally};
use super::http::Head;
use super::protobuf::Fields;

/// How a body is packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Coding {
    #[default]
    Identity,
    Gzip,
    Zstd,
}

/// What a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// One JSON object a line.
    JsonLines,
    /// Loki's push request in a snappy block.
    Loki,
    /// OpenTelemetry's export request.
    Otlp,
    /// Text in which records are found by their numbers: Loki's JSON, Elasticsearch's bulk requests.
    Text,
}

impl Form {
    /// By the path, and where that has several by the media type.
    pub(super) fn of(head: &Head) -> Self {
        let path = head.path.split('?').next().unwrap_or_default();
        match path {
            "/lines" => Self::JsonLines,
            "/v1/logs" if head.media_type.contains("protobuf") => Self::Otlp,
            "/loki/api/v1/push" if head.media_type.contains("protobuf") => Self::Loki,
            _ => Self::Text,
        }
    }
}

/// Keeps buffers between requests of a connection.
#[derive(Default)]
pub(super) struct Decoder {
    plain: Vec<u8>,
    snappy: snap::raw::Decoder,
    zstd: Option<zstd::bulk::Decompressor<'static>>,
}

impl Decoder {
    /// Counts the records of a body.
    pub(super) fn count(&mut self, counter: &Counter, head: &Head, body: &[u8]) -> Result<Tally> {
        let form = Form::of(head);
        let text = self.unpacked(form, head.coding, body)?;
        let mut tally = Tally::default();
        match form {
            Form::JsonLines => json_lines(counter, &mut tally, text)?,
            Form::Text => counter.scan(&mut tally, text),
            // PushRequest.streams, Stream.entries, Entry.line
            Form::Loki => nested(&[1, 2, 2], text, &mut |line| counter.record(&mut tally, line))?,
            // ExportLogsServiceRequest.resource_logs, .scope_logs, .log_records: a record's body may be in its attributes
            Form::Otlp => nested(&[1, 2, 2], text, &mut |record| counter.record(&mut tally, record))?,
        }
        Ok(tally)
    }

    fn unpacked<'a>(&'a mut self, form: Form, coding: Coding, body: &'a [u8]) -> Result<&'a [u8]> {
        self.plain.clear();
        match (form, coding) {
            (Form::Loki, _) => {
                let length = snap::raw::decompress_len(body)?;
                self.plain.resize(length, 0);
                self.snappy.decompress(body, &mut self.plain)?;
            }
            (_, Coding::Identity) => return Ok(body),
            (_, Coding::Gzip) => drop(GzDecoder::new(body).read_to_end(&mut self.plain)?),
            (_, Coding::Zstd) => unpack_zstd(&mut self.zstd, body, &mut self.plain)?,
        }
        Ok(&self.plain)
    }
}

/// In one piece where the frame says how long it is.
fn unpack_zstd(
    decompressor: &mut Option<zstd::bulk::Decompressor<'static>>,
    body: &[u8],
    plain: &mut Vec<u8>,
) -> Result<()> {
    if let Ok(Some(length)) = zstd::zstd_safe::get_frame_content_size(body) {
        plain.reserve(usize::try_from(length)?);
        let decompressor = match decompressor {
            Some(decompressor) => decompressor,
            none => none.insert(zstd::bulk::Decompressor::new()?),
        };
        decompressor.decompress_to_buffer(body, plain)?;
    } else {
        zstd::stream::copy_decode(body, plain)?;
    }
    Ok(())
}

fn json_lines(counter: &Counter, tally: &mut Tally, text: &[u8]) -> Result<()> {
    let mut start = 0;
    // Some agents leave the last newline out.
    let last = (!text.ends_with(b"\n")).then_some(text.len());
    for end in memchr_iter(b'\n', text).chain(last) {
        let line = &text[start..end];
        start = end + 1;
        if !line.is_empty() {
            ensure!(
                line.starts_with(b"{") && line.ends_with(b"}"),
                "a line is no JSON object"
            );
            counter.record(tally, line);
        }
    }
    Ok(())
}

/// Calls `each` with what is found by following fields down.
fn nested(path: &[u64], message: &[u8], each: &mut impl FnMut(&[u8])) -> Result<()> {
    let (number, rest) = path.split_first().context("a path")?;
    let mut fields = Fields::of(message);
    while let Some((field, content)) = fields.next()? {
        if field != *number {
            continue;
        }
        if rest.is_empty() {
            each(content);
        } else {
            nested(rest, content, each)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use prost::Message;

    use super::*;
    use crate::lines::Content;
    use crate::receiver::counter::Round;

    #[derive(prost::Message)]
    struct Outer {
        #[prost(message, repeated, tag = "1")]
        middle: Vec<Middle>,
    }

    #[derive(prost::Message)]
    struct Middle {
        #[prost(string, tag = "1")]
        labels: String,
        #[prost(message, repeated, tag = "2")]
        inner: Vec<Inner>,
        #[prost(uint64, tag = "3")]
        hash: u64,
    }

    #[derive(prost::Message)]
    struct Inner {
        #[prost(fixed64, tag = "1")]
        time: u64,
        #[prost(string, tag = "2")]
        line: String,
    }

    const LINES: u64 = 1000;

    fn text() -> String {
        let mut text = String::new();
        (0..LINES).for_each(|number| Content::Json.write(&mut text, number));
        text
    }

    fn message() -> Vec<u8> {
        let text = text();
        let inner = text
            .lines()
            .map(|line| Inner {
                time: 1,
                line: line.to_owned(),
            })
            .collect();
        let middle = Middle {
            labels: "{a=\"b\"}".into(),
            inner,
            hash: 300,
        };
        Outer { middle: vec![middle] }.encode_to_vec()
    }

    fn counted(path: &str, media_type: &str, coding: Coding, body: &[u8]) -> u64 {
        let counter = Counter::new(Round {
            lines: LINES,
            ..Round::default()
        });
        let head = Head {
            path: path.into(),
            media_type: media_type.into(),
            coding,
            ..Head::default()
        };
        let tally = Decoder::default().count(&counter, &head, body).unwrap();
        counter.add(&tally, 0);
        assert_eq!((counter.counts().foreign, counter.counts().duplicates), (0, 0));
        counter.counts().lines
    }

    #[test]
    fn every_form_and_coding_is_counted() {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(text().as_bytes()).unwrap();
        let gzip = gzip.finish().unwrap();
        let framed = zstd::bulk::compress(text().as_bytes(), 1).unwrap();
        let streamed = zstd::stream::encode_all(text().as_bytes(), 1).unwrap();
        let snappy = snap::raw::Encoder::new().compress_vec(&message()).unwrap();
        for (path, media_type, coding, body) in [
            ("/lines", "application/x-ndjson", Coding::Identity, text().into_bytes()),
            ("/lines", "application/x-ndjson", Coding::Gzip, gzip.clone()),
            ("/lines?x=1", "application/x-ndjson", Coding::Zstd, framed),
            ("/lines", "application/x-ndjson", Coding::Zstd, streamed),
            ("/loki/api/v1/push", "application/x-protobuf", Coding::Identity, snappy),
            ("/loki/api/v1/push", "application/json", Coding::Gzip, gzip),
            ("/_bulk", "application/json", Coding::Identity, text().into_bytes()),
        ] {
            assert_eq!(
                counted(path, media_type, coding, &body),
                LINES,
                "{path} {media_type} {coding:?}"
            );
        }
    }

    #[test]
    fn what_is_cut_short_is_no_request() {
        let counter = Counter::new(Round {
            lines: LINES,
            ..Round::default()
        });
        let head = Head {
            path: "/v1/logs".into(),
            media_type: "application/x-protobuf".into(),
            ..Head::default()
        };
        let message = message();
        let error = Decoder::default().count(&counter, &head, &message[..message.len() - 1]);
        assert!(error.is_err());
    }
}
