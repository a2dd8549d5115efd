//! Which file each name in a watched directory leads to, and whether any name leads to a file.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};

use crate::reading::watcher::WatchId;

use super::files::FileId;

#[derive(Debug, Default)]
pub(crate) struct Names {
    by_directory: HashMap<WatchId, HashMap<OsString, FileId>>,
    /// How many names lead to a file; none is never kept.
    counts: HashMap<FileId, u32>,
}

impl Names {
    pub(crate) fn get(&self, directory: WatchId, name: &OsStr) -> Option<FileId> {
        self.by_directory.get(&directory)?.get(name).copied()
    }

    pub(crate) fn lead_to(&self, file: FileId) -> bool {
        self.counts.contains_key(&file)
    }

    pub(crate) fn insert(&mut self, directory: WatchId, name: &OsStr, file: FileId) {
        let names = self.by_directory.entry(directory).or_default();
        let before = match names.get_mut(name) {
            Some(known) => Some(std::mem::replace(known, file)),
            None => names.insert(name.to_owned(), file),
        };
        *self.counts.entry(file).or_default() += 1;
        if let Some(file) = before {
            self.uncount(file);
        }
    }

    pub(crate) fn remove(&mut self, directory: WatchId, name: &OsStr) {
        let file = self
            .by_directory
            .get_mut(&directory)
            .and_then(|names| names.remove(name));
        if let Some(file) = file {
            self.uncount(file);
        }
    }

    /// It isn't watched any more.
    pub(crate) fn forget_directory(&mut self, directory: WatchId) {
        let names = self.by_directory.remove(&directory);
        for (_, file) in names.into_iter().flatten() {
            self.uncount(file);
        }
    }

    pub(crate) fn forget_file(&mut self, file: FileId) {
        if self.counts.remove(&file).is_some() {
            for names in self.by_directory.values_mut() {
                names.retain(|_, named| *named != file);
            }
        }
    }

    fn uncount(&mut self, file: FileId) {
        if let Some(count) = self.counts.get_mut(&file) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&file);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Insert(i32, u8, u64),
        Remove(i32, u8),
        ForgetDirectory(i32),
        ForgetFile(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (0..3, 0..4_u8, 0..4_u64).prop_map(|(directory, name, file)| Step::Insert(directory, name, file)),
            3 => (0..3, 0..4_u8).prop_map(|(directory, name)| Step::Remove(directory, name)),
            1 => (0..3).prop_map(Step::ForgetDirectory),
            1 => (0..4_u64).prop_map(Step::ForgetFile),
        ]
    }

    proptest! {
        #[test]
        fn a_file_is_led_to_as_long_as_a_name_means_it(steps in prop::collection::vec(step(), 0..60)) {
            let name = |number: u8| OsString::from(number.to_string());
            let mut names = Names::default();
            for step in steps {
                match step {
                    Step::Insert(directory, number, file) => {
                        names.insert(WatchId::numbered(directory), &name(number), FileId::numbered(file));
                    }
                    Step::Remove(directory, number) => names.remove(WatchId::numbered(directory), &name(number)),
                    Step::ForgetDirectory(directory) => names.forget_directory(WatchId::numbered(directory)),
                    Step::ForgetFile(file) => names.forget_file(FileId::numbered(file)),
                }
                let meant: Vec<FileId> = (0..3)
                    .flat_map(|directory| (0..4).map(move |number| (directory, number)))
                    .filter_map(|(directory, number)| names.get(WatchId::numbered(directory), &name(number)))
                    .collect();
                for file in (0..4).map(FileId::numbered) {
                    prop_assert_eq!(names.lead_to(file), meant.contains(&file));
                }
            }
        }
    }
}
