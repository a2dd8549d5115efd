//! Since when bytes wait, kept over restarts. While a destination takes nothing no position moves, so positions are saved
//! for this alone: often at first, then ever more rarely, since an age of days needn't be known to the second.

use std::time::Duration;

use super::{Cursor, File, FileId, Files, Lane, Now, Saved};

const OFTEN: Duration = Duration::from_secs(1);
/// A restart may make a backlog's newest bytes seem younger than they are by this part of its age.
const PART_OF_AGE: u64 = 8;

impl Lane {
    /// Saves since when the bytes of a file wait, where it has grown since that was last done.
    pub(crate) fn save_backlog(&mut self, id: FileId, files: &Files, saved: &mut Saved, now: Now) {
        let Some(file) = files.get(id) else {
            return;
        };
        for id in self.cursors_of(id) {
            if self.cursors.get(&id).is_some_and(|cursor| is_due(cursor, file, now)) {
                self.save(id, 0, files, saved, now);
            }
        }
    }
}

fn is_due(cursor: &Cursor, file: &File, now: Now) -> bool {
    let Some(saved_at) = cursor.saved_at else {
        return false;
    };
    let offset = cursor.settled.offset;
    let since = file.marks.time_of(offset).unwrap_or(now.wall);
    let age = Duration::from_nanos(u64::try_from(now.wall.saturating_sub(since)).unwrap_or(0) / PART_OF_AGE);
    offset < file.size && file.grew_at >= saved_at && now.instant.saturating_duration_since(saved_at) >= OFTEN.max(age)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{Position, SourceId};
    use super::*;
    use crate::batch::Origin;
    use crate::reading::facts::Facts;

    /// How often the age is saved of a file that grows each second while nothing is taken of it.
    fn saves(seconds: u64) -> usize {
        let disk = tempfile::tempfile().unwrap();
        let facts = Facts::of(&disk).unwrap();
        let (mut files, mut now) = (Files::default(), Now::read());
        let id = files.insert(disk.into(), &facts, Vec::new(), now);
        let origin = Origin {
            source: "".into(),
            path: String::new(),
            resource: [].into(),
            identity: 0,
        };
        let mut cursor = Cursor::new(SourceId(1), id, 0, Arc::new(origin), Position::default());
        cursor.saved_at = Some(now.instant);
        let file = files.get_mut(id).unwrap();
        let mut count = 0;
        for second in 1..=seconds {
            now.instant += OFTEN;
            now.wall += 1_000_000_000;
            let grown = Facts { size: second, ..facts };
            file.observe(&grown, now);
            if is_due(&cursor, file, now) {
                cursor.saved_at = Some(now.instant);
                count += 1;
            }
        }
        count
    }

    #[test]
    fn a_backlog_is_saved_at_once_and_then_ever_more_rarely() {
        assert_eq!(saves(5), 5);
        assert!((10..=20).contains(&saves(20)), "{}", saves(20));
        assert!((40..=80).contains(&saves(10_000)), "{}", saves(10_000));
    }
}
