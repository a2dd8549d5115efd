//! Times that Loki can tell apart. It drops an entry that equals another of its stream in time and text.
//!
//! Batches are shared with other destinations, so what comes of it is kept beside them.
//!
//! What a line says about its time is seldom finer than a millisecond, so equal lines may have equal times: the digits
//! that it doesn't say are filled with the line's place in its file. Which digits those are is seen from all lines of the
//! file in the batch: one that was written at a full second still says the milliseconds. Then a time that another record
//! of the stream has moves to the next free nanosecond. All of it depends on nothing but the batch, so a batch that is
//! read again after a restart gets the same times.

use std::collections::HashMap;

use crate::batch::{Batch, Clock, Times};

/// The times of the records, set apart within each stream.
pub(super) fn set_apart(batch: &Batch, streams: &[Vec<u32>]) -> Times {
    let told_by_lines = batch.records.iter().any(|record| record.clock == Clock::Line);
    // Times of reading rise within a file.
    if !told_by_lines && batch.files.len() <= 1 {
        return Times::default();
    }
    let mut units = vec![UNITS[0]; batch.files.len()];
    for record in batch.records.iter().filter(|record| record.clock == Clock::Line) {
        let unit = &mut units[record.file as usize];
        *unit = unit_of(record.time, *unit);
    }
    let times = batch.records.iter().map(|record| match record.clock {
        Clock::Line => placed(record.time, record.offset, units[record.file as usize]),
        Clock::Reading => record.time,
    });
    let mut times: Vec<i64> = times.collect();
    for records in streams {
        separate(&mut times, records);
    }
    Times(Some(times))
}

/// What times are counted in, in nanoseconds.
const UNITS: [i64; 4] = [1_000_000_000, 1_000_000, 1_000, 1];

/// The coarsest unit that a time is a multiple of, no coarser than `most`.
fn unit_of(time: i64, most: i64) -> i64 {
    let mut units = UNITS.into_iter().filter(|unit| *unit <= most);
    units.find(|unit| time % unit == 0).unwrap_or(1)
}

/// The time with the digits below the unit filled from the offset.
fn placed(time: i64, offset: u64, unit: i64) -> i64 {
    let place = i64::try_from(offset % unit.unsigned_abs()).unwrap_or(0);
    time.saturating_add(place)
}

fn separate(times: &mut [i64], records: &[u32]) {
    // Most lines are written in the order of their times.
    let in_order = records.iter().map(|index| times[*index as usize]);
    if in_order.clone().zip(in_order.skip(1)).all(|(time, next)| time < next) {
        return;
    }
    let mut taken = Taken::default();
    for index in records {
        let time = &mut times[*index as usize];
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

    fn times(batch: &Batch) -> Vec<i64> {
        let times = set_apart(batch, &[samples::all(batch)]);
        (0..)
            .zip(&batch.records)
            .map(|(index, _)| times.of(batch, index))
            .collect()
    }

    #[test]
    fn equal_times_of_two_files_are_set_apart_the_same_way_each_time() {
        let mut batch = samples::two_files();
        for (record, time) in batch.records.iter_mut().zip([5, 5, 6]) {
            record.time = time;
        }
        assert_eq!(times(&batch), [5, 6, 7]);
        assert_eq!(times(&batch), [5, 6, 7]);
    }

    /// Lines of five bytes each, from `offset` on, that say these times.
    fn told(said: &[i64], offset: u64) -> Vec<i64> {
        let mut batch = samples::batch(&vec![&b"same"[..]; said.len()]);
        for (record, time) in batch.records.iter_mut().zip(said) {
            (record.time, record.clock) = (*time, Clock::Line);
            record.offset += offset;
        }
        times(&batch)
    }

    #[test]
    fn equal_lines_with_equal_times_stay_apart_whatever_batch_they_are_in() {
        assert_eq!(told(&[7_000_000_000, 7_000_000_000], 0), [7_000_000_000, 7_000_000_005]);
        assert_eq!(
            told(&[7_123_000_000, 7_123_000_000, 7_123_000_000], 0),
            [7_123_000_000, 7_123_000_005, 7_123_000_010]
        );
        assert_eq!(told(&[7, 7, 7], 0), [7, 8, 9], "no digit to fill");
    }

    #[test]
    fn a_full_second_among_milliseconds_stays_in_its_place() {
        assert_eq!(
            told(&[6_999_000_000, 7_000_000_000, 7_001_000_000], 900_000_000),
            [6_999_000_000, 7_000_000_005, 7_001_000_010]
        );
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
