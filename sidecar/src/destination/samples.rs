//! Batches for tests.

use std::sync::Arc;

use crate::batch::{Batch, Clock, FileRange, Marks, Origin, Record};

pub(crate) fn origin(name: &str) -> Arc<Origin> {
    Arc::new(Origin {
        source: "access".into(),
        path: format!("/var/log/{name}"),
        resource: [
            ("k8s.pod.name".to_owned(), "server-0".to_owned()),
            ("service.name".to_owned(), "server".to_owned()),
        ]
        .into(),
        identity: 7,
    })
}

/// Lines of one file, a nanosecond apart, beginning at 2026-11-01T00:00:00Z.
pub(crate) fn batch(lines: &[&[u8]]) -> Batch {
    let mut batch = Batch {
        files: vec![FileRange {
            origin: origin("access.log"),
            bytes: 0..0,
        }],
        ..Batch::default()
    };
    for line in lines {
        push(&mut batch, 0, line);
    }
    batch
}

/// Three lines of two files, by turns.
pub(crate) fn two_files() -> Batch {
    let mut batch = batch(&[]);
    batch.files.push(FileRange {
        origin: origin("error.log"),
        bytes: 0..0,
    });
    for (file, line) in [(0, "a"), (1, "b"), (0, "c")] {
        push(&mut batch, file, line.as_bytes());
    }
    batch
}

/// Appends a line of the file with this index.
pub(crate) fn push(batch: &mut Batch, file: u32, line: &[u8]) {
    let start = u32::try_from(batch.text.len()).unwrap();
    batch.text.extend_from_slice(line);
    let end = u32::try_from(batch.text.len()).unwrap();
    batch.text.push(b'\n');
    let range = &mut batch.files[file as usize].bytes;
    let offset = range.end;
    range.end += line.len() as u64 + 1;
    batch.records.push(Record {
        start,
        end,
        file,
        offset,
        source_bytes: end - start + 1,
        time: 1_793_491_200_000_000_000 + i64::try_from(batch.records.len()).unwrap(),
        clock: Clock::Reading,
        first_field: 0,
        field_count: 0,
        severity: None,
        marks: Marks::default(),
    });
}

/// The indexes of all records.
pub(crate) fn all(batch: &Batch) -> Vec<u32> {
    (0..u32::try_from(batch.records.len()).unwrap()).collect()
}
