//! Which records go together: those with the same labels.

use std::collections::HashMap;

use super::labels::Labels;
use crate::batch::{Batch, FileRange};
use crate::destination::attributes;

/// The indexes of the records of each stream, in reading order; streams in order of their first record.
pub(super) fn split(labels: &Labels, batch: &Batch) -> Vec<Vec<u32>> {
    let files: Vec<File<'_>> = batch.files.iter().map(|file| File::new(labels, file)).collect();
    let mut numbers = Numbers::default();
    let mut streams: Vec<Vec<u32>> = Vec::new();
    let mut key = Vec::new();
    let mut last: Option<(u32, usize)> = None;
    for (index, record) in (0..).zip(&batch.records) {
        let file = &files[record.file as usize];
        let number = match last {
            Some((last, number)) if last == record.file && file.of_records.is_empty() => number,
            _ => {
                key.clear();
                key.extend_from_slice(file.of_file.as_bytes());
                for field in &file.of_records {
                    // No text has this byte.
                    key.push(0xff);
                    let value = attributes::of_record(batch, record, field);
                    key.extend_from_slice(value.as_deref().unwrap_or_default().as_bytes());
                }
                numbers.of(&key)
            }
        };
        last = Some((record.file, number));
        if number == streams.len() {
            streams.push(Vec::new());
        }
        streams[number].push(index);
    }
    streams
}

/// The streams that were found, by the texts of their labels.
#[derive(Default)]
struct Numbers {
    /// Most batches have few streams, and comparing is faster than hashing then.
    first: Vec<Vec<u8>>,
    others: HashMap<Vec<u8>, usize>,
}

impl Numbers {
    const FEW: usize = 8;

    fn of(&mut self, key: &[u8]) -> usize {
        if let Some(number) = self.first.iter().position(|first| first == key) {
            return number;
        }
        if self.first.len() < Self::FEW {
            self.first.push(key.to_vec());
            return self.first.len() - 1;
        }
        if let Some(number) = self.others.get(key) {
            return *number;
        }
        let number = self.first.len() + self.others.len();
        self.others.insert(key.to_vec(), number);
        number
    }
}

/// What the labels of a file's records are made of.
struct File<'a> {
    /// The part that is the same for all of them.
    of_file: String,
    of_records: Vec<&'a str>,
}

impl<'a> File<'a> {
    fn new(labels: &'a Labels, file: &'a FileRange) -> Self {
        Self {
            of_file: labels.of_file(&file.origin),
            of_records: labels.of_records(&file.origin).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destination::samples;
    use pipeline::transform::Severity;

    fn labels(label: &str, field: &str) -> Labels {
        Labels::new(&[(label.to_owned(), field.to_owned())].into())
    }

    #[test]
    fn records_go_together_by_their_labels() {
        let batch = samples::two_files();
        assert_eq!(split(&labels("file", "log.file.name"), &batch), [vec![0, 2], vec![1]]);
        assert_eq!(split(&labels("app", "service.name"), &batch), [vec![0, 1, 2]]);
    }

    #[test]
    fn each_text_has_one_number_however_many_there_are() {
        let mut numbers = Numbers::default();
        for round in 0..2 {
            for text in 0..30_usize {
                assert_eq!(numbers.of(&text.to_le_bytes()), text, "{round}");
            }
        }
    }

    #[test]
    fn a_label_may_come_from_each_record() {
        let mut batch = samples::two_files();
        for (record, severity) in batch
            .records
            .iter_mut()
            .zip([Severity::Info, Severity::Error, Severity::Info])
        {
            record.severity = Some(severity);
        }
        let labels = labels("level", "severity");
        assert_eq!(split(&labels, &batch), [vec![0, 2], vec![1]]);
        assert_eq!(labels.of(&batch, &batch.records[1]), r#"{level="ERROR"}"#);
    }
}
