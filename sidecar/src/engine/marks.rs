//! When the bytes of a file were first seen: a thinned list of (offset, time). It gives records their time and a
//! backlog its age, however long it waits. A few of them are kept with each position, so that a restart changes neither.
//! Pure.

use crate::positions::{Mark, SAVED_MARKS, SavedMarks};

/// A backlog of any length is described by so many.
const MAX_MARKS: usize = 64;

/// In order of offset and time.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    list: Vec<Mark>,
}

impl Marks {
    /// The file was seen to have more than `offset` bytes.
    pub(crate) fn grew_from(&mut self, offset: u64, time: i64) {
        thin(&mut self.list, MAX_MARKS - 1);
        let time = self.list.last().map_or(time, |last| last.time.max(time));
        if self.list.last().is_none_or(|last| last.offset < offset) {
            self.list.push(Mark { offset, time });
        }
    }

    /// What is pending now was first seen by an earlier process.
    pub(crate) fn waits_since(&mut self, time: i64) {
        if let Some(first) = self.list.first_mut() {
            first.time = first.time.min(time);
        }
    }

    /// What is to be kept of what lies behind `offset`, in a file of `end` bytes.
    pub(crate) fn behind(&self, offset: u64, end: u64) -> SavedMarks {
        let first = self
            .list
            .partition_point(|mark| mark.offset <= offset)
            .saturating_sub(1);
        let list = &self.list[first.min(self.list.len())..];
        if end <= offset || list.is_empty() {
            return SavedMarks::default();
        }
        let mut list = list.to_vec();
        thin(&mut list, SAVED_MARKS);
        SavedMarks { list: list.into(), end }
    }

    /// The bytes before `saved.end` were seen by an earlier process. Nothing is known of the file yet but that it was found.
    pub(crate) fn were_seen(&mut self, saved: &SavedMarks) {
        let [found] = self.list[..] else { return };
        let mut list = saved.list.to_vec();
        // What is before is older still.
        if let Some(first) = list.first_mut() {
            first.offset = 0;
        }
        // What came since is as old as the file says.
        let since = list.last().map_or(found.time, |last| found.time.max(last.time));
        list.push(Mark {
            offset: saved.end,
            time: since,
        });
        let is_sound = list.is_sorted_by(|a, b| a.offset < b.offset && a.time <= b.time);
        if is_sound && !saved.list.is_empty() {
            self.list = list;
        }
    }

    /// When the byte at `offset` was first seen; `None` when nothing is known about it.
    pub(crate) fn time_of(&self, offset: u64) -> Option<i64> {
        let next = self.list.partition_point(|mark| mark.offset <= offset);
        Some(self.list[next.checked_sub(1)?].time)
    }

    /// How many bytes from `offset` on share its time, give or take `slack` nanoseconds; the rest of the file if all.
    pub(crate) fn span_of(&self, offset: u64, slack: i64) -> Option<u64> {
        let time = self.time_of(offset)?;
        let later = self
            .list
            .iter()
            .find(|mark| mark.offset > offset && mark.time > time.saturating_add(slack))?;
        Some(later.offset - offset)
    }

    /// Everything below `offset` is settled.
    pub(crate) fn settled(&mut self, offset: u64) {
        let next = self.list.partition_point(|mark| mark.offset <= offset);
        self.list.drain(..next.saturating_sub(1));
    }

    /// Gives back what only more of them would need.
    pub(crate) fn rest(&mut self) {
        self.list.shrink_to_fit();
    }

    /// The file begins anew.
    pub(crate) fn clear(&mut self) {
        self.list.clear();
    }
}

/// Leaves at most `most`: the first, the newest, and between them those without which the others would be farthest apart.
fn thin(list: &mut Vec<Mark>, most: usize) {
    while list.len() > most {
        let gap = |index: usize| list[index + 1].time - list[index - 1].time;
        match (1..list.len() - 1).min_by_key(|index| gap(*index)) {
            Some(index) => _ = list.remove(index),
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_keep_the_time_they_were_first_seen_at() {
        let mut marks = Marks::default();
        marks.grew_from(0, 100);
        marks.grew_from(10, 200);
        assert_eq!(
            (marks.time_of(0), marks.time_of(9), marks.time_of(10)),
            (Some(100), Some(100), Some(200))
        );
        assert_eq!(
            (marks.span_of(4, 50), marks.span_of(4, 100), marks.span_of(10, 0)),
            (Some(6), None, None)
        );
        marks.settled(12);
        assert_eq!((marks.time_of(9), marks.time_of(12)), (None, Some(200)));
    }

    #[test]
    fn a_restart_changes_neither_the_age_of_a_backlog_nor_the_times_of_its_records_by_much() {
        let mut before = Marks::default();
        (0..1_000).for_each(|step| before.grew_from(step * 10, i64::try_from(step).unwrap() + 1));
        let saved = before.behind(2_000, 10_000);
        assert!((4..=SAVED_MARKS).contains(&saved.list.len()));
        let mut after = Marks::default();
        after.grew_from(0, 5_000);
        after.were_seen(&saved);
        assert_eq!(after.time_of(2_000), before.time_of(2_000));
        assert_eq!(after.time_of(9_999), Some(1_000));
        assert_eq!(
            (after.time_of(10_000), after.time_of(0)),
            (Some(5_000), before.time_of(2_000))
        );
        for offset in (2_000..10_000).step_by(10) {
            let (is, was) = (after.time_of(offset).unwrap(), before.time_of(offset).unwrap());
            assert!(is <= was && was - is <= 1_000 / 5, "{offset}: {is} for {was}");
        }
    }

    #[test]
    fn nothing_is_kept_of_what_is_settled_and_nothing_strange_is_taken_over() {
        let mut marks = Marks::default();
        marks.grew_from(0, 100);
        marks.grew_from(10, 200);
        assert_eq!(marks.behind(20, 20), SavedMarks::default());
        assert_eq!(&marks.behind(12, 20).list[..], [Mark { offset: 10, time: 200 }]);
        let strange = SavedMarks {
            list: [Mark { offset: 5, time: 9 }, Mark { offset: 6, time: 8 }].into(),
            end: 7,
        };
        let mut found = Marks::default();
        found.grew_from(0, 300);
        found.were_seen(&strange);
        found.were_seen(&SavedMarks::default());
        assert_eq!(found.list, [Mark { offset: 0, time: 300 }]);
    }

    #[test]
    fn a_long_outage_keeps_few_marks_and_the_oldest_time() {
        let mut marks = Marks::default();
        (0..10_000).for_each(|step| marks.grew_from(step * 10, i64::try_from(step).unwrap()));
        assert!(marks.list.len() <= MAX_MARKS);
        assert_eq!(marks.time_of(0), Some(0));
        assert_eq!(marks.time_of(99_990), Some(9_999));
        for (offset, was) in (0..100_000).step_by(10).zip(0_i64..) {
            let is = marks.time_of(offset).unwrap();
            assert!(is <= was && was - is <= 10_000 / 25, "{offset}: {is} for {was}");
        }
        assert!(marks.list.is_sorted_by_key(|mark| (mark.offset, mark.time)));
    }
}
