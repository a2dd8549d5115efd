//! `loki`: a snappy block of protobuf to `/loki/api/v1/push`; 204 means stored.
//!
//! One stream a request. Loki's ingester answers for the last stream of a request only, so an error of an earlier one
//! would be lost, and with it the records. One request then has exactly one verdict.
//!
//! Loki drops an entry that equals another of its stream in time and text, so equal times of different files in one
//! stream are set apart before the first request ([`separate_times`]).

mod labels;
mod protobuf;
mod verdict;

use std::collections::HashMap;

use bytes::Bytes;
use http::header::CONTENT_TYPE;

use super::{BuildError, Probe};
use crate::batch::{Batch, FileRange, Origin};
use crate::transport::Endpoint;
use labels::Labels;
pub(super) use verdict::classify;
use verdict::classify_empty;

const PATH: &str = "/loki/api/v1/push";
const TENANT: &str = "X-Scope-OrgID";

/// How records of this destination are written.
#[derive(Debug)]
pub(super) struct Loki {
    labels: Labels,
    encoder: protobuf::Encoder,
}

pub(super) fn endpoint(settings: &pipeline::destination::Loki) -> Result<Endpoint, BuildError> {
    let field = |field: &'static str| move |error| BuildError::Endpoint { field, error };
    let endpoint = Endpoint::new(&settings.url, PATH).map_err(field("loki.url"))?;
    let endpoint = endpoint
        .header(CONTENT_TYPE.as_str(), "application/x-protobuf")
        .map_err(field("loki.url"))?;
    match &settings.tenant {
        Some(tenant) => endpoint.header(TENANT, tenant).map_err(field("loki.tenant")),
        None => Ok(endpoint),
    }
}

/// A push of no streams: the way, the credentials and the tenant are judged before its emptiness is.
pub(super) fn probe() -> Probe {
    Probe::Empty {
        body: Bytes::from_static(protobuf::EMPTY),
        classify: classify_empty,
    }
}

impl Loki {
    pub(super) fn new(settings: &pipeline::destination::Loki) -> Self {
        Self {
            labels: Labels::new(&settings.labels),
            encoder: protobuf::Encoder::new(&settings.structured_metadata),
        }
    }

    /// The records of each stream, in reading order, and their times set apart.
    pub(super) fn streams(&self, batch: &mut Batch) -> Vec<Vec<u32>> {
        let mut numbers = HashMap::new();
        let stream_of = |file: &FileRange| {
            let next = numbers.len();
            *numbers.entry(self.labels.of(&file.origin)).or_insert(next)
        };
        let stream_of_file: Vec<usize> = batch.files.iter().map(stream_of).collect();
        let mut streams: Vec<Vec<u32>> = vec![Vec::new(); numbers.len()];
        for (index, record) in (0..).zip(&batch.records) {
            streams[stream_of_file[record.file as usize]].push(index);
        }
        if batch.files.len() > 1 {
            for records in &streams {
                separate_times(batch, records);
            }
        }
        streams
    }

    /// `records` are of one stream, at least one.
    pub(super) fn encode(&mut self, batch: &Batch, records: &[u32], max_record_bytes: usize) -> Vec<u8> {
        let labels = records
            .first()
            .map(|first| self.labels.of(batch.origin(&batch.records[*first as usize])));
        self.encoder
            .encode(batch, records, &labels.unwrap_or_default(), max_record_bytes)
    }
}

/// Moves a time that another record of the stream has to the next free nanosecond. The order within a file stays, and
/// the result depends on nothing but the batch, so a batch that is read again after a restart gets the same times.
fn separate_times(batch: &mut Batch, records: &[u32]) {
    let mut taken = Taken::default();
    for index in records {
        let time = &mut batch.records[*index as usize].time;
        *time = taken.take(*time);
    }
}

/// The times in use, each with one to look at next. Paths are shortened on the way, so that two files that were read at
/// the same moment, line for line a nanosecond apart, don't take quadratic time.
#[derive(Default)]
struct Taken {
    next: HashMap<i64, i64>,
}

impl Taken {
    /// The first free time from `wanted` on.
    fn take(&mut self, wanted: i64) -> i64 {
        let mut free = wanted;
        // The last time there is leads to itself and may be shared.
        while let Some(next) = self.next.get(&free).filter(|next| **next != free) {
            free = *next;
        }
        let after = free.saturating_add(1);
        let mut passed = wanted;
        while let Some(next) = self.next.insert(passed, after).filter(|_| passed != free) {
            passed = next;
        }
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destination::samples;
    use pipeline::destination::Loki as Settings;

    fn two_files() -> Batch {
        let mut batch = samples::batch(&[]);
        batch.files.push(FileRange {
            origin: samples::origin("error.log"),
            bytes: 0..0,
        });
        for (file, line) in [(0, "a"), (1, "b"), (0, "c")] {
            samples::push(&mut batch, file, line.as_bytes());
        }
        batch
    }

    #[test]
    fn each_stream_gets_a_request_of_its_own() {
        let by_file = [("file".to_owned(), "log.file.name".to_owned())].into();
        let loki = Loki::new(&Settings {
            labels: by_file,
            ..Settings::default()
        });
        assert_eq!(loki.streams(&mut two_files()), [vec![0, 2], vec![1]]);
        let loki = Loki::new(&Settings::default());
        assert_eq!(loki.streams(&mut two_files()), [vec![0, 1, 2]]);
    }

    #[test]
    fn equal_times_within_a_stream_are_set_apart_the_same_way_each_time() {
        let mut batch = two_files();
        for (record, time) in batch.records.iter_mut().zip([5, 5, 6]) {
            record.time = time;
        }
        let loki = Loki::new(&Settings::default());
        loki.streams(&mut batch);
        let times = |batch: &Batch| batch.records.iter().map(|record| record.time).collect::<Vec<_>>();
        assert_eq!(times(&batch), [5, 6, 7]);
        loki.streams(&mut batch);
        assert_eq!(times(&batch), [5, 6, 7]);
    }

    #[test]
    fn two_large_files_read_at_the_same_moment_take_no_quadratic_time() {
        let mut taken = Taken::default();
        let mut times: Vec<i64> = (0..2).flat_map(|_| 0..200_000).map(|time| taken.take(time)).collect();
        assert!(times[200_000..].is_sorted(), "the order within a file stays");
        times.sort_unstable();
        assert_eq!(times, (0..400_000).collect::<Vec<i64>>());
        assert_eq!((taken.take(i64::MAX), taken.take(i64::MAX)), (i64::MAX, i64::MAX));
    }
}
