//! What a request's body says: JSON lines, or a push request of Loki.

use prost::Message;

use crate::scenario::Kind;

/// A record as it arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) text: String,
    /// Where in its file it began.
    pub(crate) offset: u64,
    /// It is marked as a part of a line.
    pub(crate) is_part: bool,
    /// Nanoseconds since the Unix epoch, where the destination orders by time.
    pub(crate) time: i64,
}

/// What can't be read becomes a record that nobody wrote.
pub(super) fn records(body: &[u8], kind: Kind) -> Vec<Record> {
    match kind {
        Kind::Http => body
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(of_json)
            .collect(),
        Kind::Loki => of_push(body).unwrap_or_else(|error| {
            vec![Record {
                text: format!("a body that is no push request: {error}"),
                ..Record::default()
            }]
        }),
    }
}

fn of_json(line: &[u8]) -> Record {
    let record: serde_json::Value = serde_json::from_slice(line).unwrap_or_default();
    Record {
        text: record["body"].as_str().unwrap_or("a record without a body").to_owned(),
        offset: record["log.file.offset"].as_u64().unwrap_or(u64::MAX),
        is_part: record["log.partial"] == true,
        time: 0,
    }
}

fn of_push(body: &[u8]) -> Result<Vec<Record>, Box<dyn std::error::Error>> {
    let message = snap::raw::Decoder::new().decompress_vec(body)?;
    let request = PushRequest::decode(&message[..])?;
    let entries = request.streams.into_iter().flat_map(|stream| stream.entries);
    Ok(entries.map(of_entry).collect())
}

fn of_entry(entry: Entry) -> Record {
    let metadata = |name: &str| {
        let mut pairs = entry.metadata.iter();
        pairs.find(|pair| pair.name == name).map(|pair| pair.value.as_str())
    };
    let time = entry.timestamp.unwrap_or_default();
    Record {
        offset: metadata("log_file_offset")
            .and_then(|offset| offset.parse().ok())
            .unwrap_or(u64::MAX),
        is_part: metadata("log_partial") == Some("true"),
        time: time.seconds * 1_000_000_000 + i64::from(time.nanos),
        text: entry.line,
    }
}

/// Of `logproto.proto`, what matters here.
#[derive(Clone, PartialEq, Message)]
struct PushRequest {
    #[prost(message, repeated, tag = "1")]
    streams: Vec<Stream>,
}

#[derive(Clone, PartialEq, Message)]
struct Stream {
    #[prost(message, repeated, tag = "2")]
    entries: Vec<Entry>,
}

#[derive(Clone, PartialEq, Message)]
struct Entry {
    #[prost(message, optional, tag = "1")]
    timestamp: Option<Timestamp>,
    #[prost(string, tag = "2")]
    line: String,
    #[prost(message, repeated, tag = "3")]
    metadata: Vec<Pair>,
}

#[derive(Clone, PartialEq, Message)]
struct Timestamp {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Pair {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}
