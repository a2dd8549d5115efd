//! When the bytes of a file were first seen: a thinned list of (offset, time). It gives records their time and a
//! backlog its age, however long it waits. Pure.

/// A backlog of any length is described by so many.
const MAX_MARKS: usize = 64;

/// Bytes from `offset` to the next mark were first seen at `time`, in nanoseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    offset: u64,
    time: i64,
}

/// In order of offset and time.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    list: Vec<Mark>,
}

impl Marks {
    /// The file was seen to have more than `offset` bytes.
    pub(crate) fn grew_from(&mut self, offset: u64, time: i64) {
        if self.list.len() >= MAX_MARKS {
            self.thin();
        }
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

    /// The file begins anew.
    pub(crate) fn clear(&mut self) {
        self.list.clear();
    }

    /// Drops every second mark but the first and the newest: recent bytes keep their precision the longest.
    fn thin(&mut self) {
        let mut index = 0;
        let keep = self.list.len() - 1;
        self.list.retain(|_| {
            index += 1;
            index % 2 == 1 || index > keep
        });
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
    fn a_long_outage_keeps_few_marks_and_the_oldest_time() {
        let mut marks = Marks::default();
        (0..10_000).for_each(|step| marks.grew_from(step * 10, i64::try_from(step).unwrap()));
        assert!(marks.list.len() <= MAX_MARKS);
        assert_eq!(marks.time_of(0), Some(0));
        assert_eq!(marks.time_of(99_990), Some(9_999));
        assert!(marks.list.is_sorted_by_key(|mark| (mark.offset, mark.time)));
    }
}
