//! prost is the judge: it decodes what the encoder wrote, after Loki's own `push.proto`.

use super::*;
use crate::destination::samples;
use prost::Message;

#[derive(Clone, PartialEq, Message)]
struct PushRequest {
    #[prost(message, repeated, tag = "1")]
    streams: Vec<Stream>,
}

#[derive(Clone, PartialEq, Message)]
struct Stream {
    #[prost(string, tag = "1")]
    labels: String,
    #[prost(message, repeated, tag = "2")]
    entries: Vec<Entry>,
}

#[derive(Clone, PartialEq, Message)]
struct Entry {
    #[prost(message, required, tag = "1")]
    timestamp: Timestamp,
    #[prost(string, tag = "2")]
    line: String,
    #[prost(message, repeated, tag = "3")]
    metadata: Vec<LabelPair>,
}

#[derive(Clone, PartialEq, Message)]
struct Timestamp {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

#[derive(Clone, PartialEq, Message)]
struct LabelPair {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

fn decompress(block: &[u8]) -> Vec<u8> {
    snap::raw::Decoder::new().decompress_vec(block).unwrap()
}

fn decode(block: &[u8]) -> Stream {
    let mut request = PushRequest::decode(decompress(block).as_slice()).unwrap();
    assert_eq!(request.streams.len(), 1);
    request.streams.remove(0)
}

fn encoder(metadata: &[&str]) -> Encoder {
    let metadata: Vec<String> = metadata.iter().map(|field| (*field).to_owned()).collect();
    Encoder::new(&metadata)
}

fn pairs(entry: &Entry) -> Vec<(&str, &str)> {
    entry
        .metadata
        .iter()
        .map(|pair| (pair.name.as_str(), pair.value.as_str()))
        .collect()
}

#[test]
fn a_request_reads_back_with_times_lines_and_metadata() {
    let mut batch = samples::batch(&[b"first", b"second", b"third"]);
    batch.records[2].marks.partial = true;
    let block = encoder(&["k8s.pod.name", "log.file.offset", "missing"])
        .encode((&batch, &Times::default()), &[0, 2], "{a=\"b\"}", 1000)
        .unwrap();
    let stream = decode(&block);
    let request = PushRequest {
        streams: vec![stream.clone()],
    };
    assert_eq!(
        request.encode_to_vec(),
        decompress(&block),
        "byte for byte what a library writes"
    );
    assert_eq!(stream.labels, "{a=\"b\"}");
    let lines: Vec<_> = stream
        .entries
        .iter()
        .map(|entry| (entry.timestamp.nanos, entry.line.as_str()))
        .collect();
    assert_eq!(lines, [(0, "first"), (2, "third")]);
    assert_eq!(stream.entries[0].timestamp.seconds, 1_793_491_200);
    assert_eq!(
        pairs(&stream.entries[0]),
        [("k8s_pod_name", "server-0"), ("log_file_offset", "0")]
    );
    let partial = [
        ("k8s_pod_name", "server-0"),
        ("log_file_offset", "13"),
        ("log_partial", "true"),
    ];
    assert_eq!(pairs(&stream.entries[1]), partial);
}

#[test]
fn a_long_line_is_cut_and_marked() {
    let batch = samples::batch(&[&[b'x'; 2000]]);
    let stream = decode(
        &encoder(&[])
            .encode((&batch, &Times::default()), &[0], "{}", 1000)
            .unwrap(),
    );
    assert_eq!(stream.entries[0].line.len(), 1000);
    assert_eq!(pairs(&stream.entries[0]), [("log_truncated", "true")]);
}

#[test]
fn buffers_are_used_again_and_leave_no_trace() {
    let mut encoder = encoder(&[]);
    let long = samples::batch(&[&[b'y'; 900], b"more"]);
    encoder
        .encode((&long, &Times::default()), &[0, 1], "{long=\"label\"}", 1000)
        .unwrap();
    let batch = samples::batch(&[b"short"]);
    assert_eq!(
        encoder.encode((&batch, &Times::default()), &[0], "{}", 1000).unwrap(),
        self::encoder(&[])
            .encode((&batch, &Times::default()), &[0], "{}", 1000)
            .unwrap()
    );
}

proptest::proptest! {
    #[test]
    fn any_lines_and_times_read_back(
        lines in proptest::collection::vec("\\PC{0,300}", 1..20),
        times in proptest::collection::vec(0_i64.., 20),
    ) {
        let bytes: Vec<&[u8]> = lines.iter().map(String::as_bytes).collect();
        let mut batch = samples::batch(&bytes);
        for (record, time) in batch.records.iter_mut().zip(&times) {
            record.time = *time;
        }
        let stream = decode(&Encoder::new(&[]).encode((&batch, &Times::default()), &samples::all(&batch), "{}", usize::MAX).unwrap());
        for ((entry, line), time) in stream.entries.iter().zip(&lines).zip(&times) {
            proptest::prop_assert_eq!(&entry.line, line);
            let nanos = i64::from(entry.timestamp.nanos);
            proptest::prop_assert_eq!(entry.timestamp.seconds * 1_000_000_000 + nanos, *time);
        }
    }
}
