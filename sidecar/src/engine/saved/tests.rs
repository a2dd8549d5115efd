use super::*;
use crate::positions::Hashed;

/// When all files were found.
const WALKED: i64 = 10;
const CONTENT: &[u8] = &[b'x'; 200];

fn saved(inode: u64, offset: u64, content: &[u8]) -> FilePosition {
    let offset_bytes = usize::try_from(offset).unwrap();
    FilePosition {
        flow: FlowKey(1),
        inode,
        birth: 5,
        offset,
        head: Hashed::of(&content[..offset_bytes.min(100)]),
        tail: Hashed::of(&content[offset_bytes.saturating_sub(10)..offset_bytes]),
        ..Default::default()
    }
}

fn claim(position: FilePosition, inode: u64, birth: i64, content: &[u8]) -> bool {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    store.insert(Record::File(position));
    let hash = |from, length| {
        let from = usize::try_from(from).ok()?;
        Some(Hashed::of(content.get(from..from + length as usize)?))
    };
    let candidate = Candidate {
        key: FileKey {
            device: 1,
            inode,
            birth,
        },
        size: content.len() as u64,
        head: content,
        hash: &hash,
    };
    let mut saved = Saved::new(store, Now::read());
    let now = Now::read();
    saved.end_walk(FlowKey(1), Now { wall: WALKED, ..now });
    saved.claim(FlowKey(1), &candidate).is_some()
}

#[test]
fn a_file_is_known_again_by_inode_birth_and_head() {
    assert!(claim(saved(7, 150, CONTENT), 7, 5, CONTENT));
    assert!(
        claim(saved(7, 150, CONTENT), 7, 0, CONTENT),
        "where no birth time is known"
    );
}

#[test]
fn a_file_that_never_came_back_is_told_if_it_had_something_to_read() {
    let start = Now::read();
    let now = at(start, 24);
    let last_seen = start.seconds();
    let mut store = Store::in_memory().unwrap();
    for (flow, last_seen, pending_since) in [(1, last_seen - 1, 5), (2, last_seen - 1, 0), (3, last_seen + 60, 5)] {
        store.insert(Record::File(FilePosition {
            flow: FlowKey(flow),
            last_seen,
            pending_since,
            ..saved(7, 150, CONTENT)
        }));
    }
    let mut saved = Saved::new(store, start);
    assert_eq!(saved.expire(&HashSet::new(), now), [FlowKey(1)]);
    assert_eq!(saved.expire(&HashSet::new(), now), []);
    assert!(saved.owes(FlowKey(3)) && !saved.owes(FlowKey(2)));
}

#[test]
fn a_used_again_inode_is_another_file() {
    assert!(!claim(saved(7, 150, CONTENT), 7, 5, &[b'y'; 200]));
    assert!(!claim(saved(7, 20, CONTENT), 7, 6, CONTENT), "too short to be a copy");
    let mut other = CONTENT.to_vec();
    other[145] = b'y';
    assert!(
        !claim(saved(7, 150, CONTENT), 7, 5, &other),
        "rewritten with the same head, as by a banner"
    );
    assert!(
        !claim(saved(7, 150, CONTENT), 7, 5, &CONTENT[..120]),
        "shorter than what was read"
    );
}

fn at(start: Now, hours: u64) -> Now {
    let seconds = hours * 3600 + 1;
    Now {
        instant: start.instant + Duration::from_secs(seconds),
        wall: start.wall + i64::try_from(seconds).unwrap() * 1_000_000_000,
    }
}

/// What is left of a position and of counters that a process finds at its start, last used so many hours before.
fn left_after(hours: u64, before: i64, is_named: bool) -> (usize, bool) {
    let (flow, start) = (FlowKey(1), Now::read());
    let mut store = Store::in_memory().unwrap();
    let last_used = start.seconds() - before * 3600;
    store.insert(Record::File(FilePosition {
        last_seen: last_used,
        ..saved(7, 150, CONTENT)
    }));
    store.insert(Record::Flow(Box::new(FlowCounters {
        flow,
        counters: Counters::default(),
        last_used,
    })));
    let mut saved = Saved::new(store, start);
    let named = if is_named { [flow].into() } else { HashSet::new() };
    (0..=hours).for_each(|hour| drop(saved.expire(&named, at(start, hour))));
    let positions = saved
        .store
        .iter()
        .filter(|(_, record)| matches!(record, Record::File(_)));
    (positions.count(), saved.counters(flow).is_some())
}

#[test]
fn what_a_configuration_does_not_name_any_more_is_kept_for_a_day() {
    assert_eq!(left_after(23, 0, false), (1, true));
    assert_eq!(left_after(24, 0, false), (0, false));
    assert_eq!(left_after(3, 22, false), (0, false), "by an earlier process");
    assert_eq!(
        left_after(0, 90, false),
        (1, true),
        "a configuration that was refused may be mended"
    );
    assert_eq!(left_after(1, 90, false), (0, false));
    assert_eq!(left_after(100, 0, true), (0, true), "only the file is gone");
}

#[test]
fn the_day_of_a_flow_that_was_idle_begins_when_its_name_is_taken_away() {
    let (flow, start) = (FlowKey(1), Now::read());
    let mut saved = Saved::new(Store::in_memory().unwrap(), start);
    saved.put_counters(flow, Counters::default(), start);
    let named = HashSet::from([flow]);
    (0..=50).for_each(|hour| drop(saved.expire(&named, at(start, hour))));
    (51..62).for_each(|hour| drop(saved.expire(&HashSet::new(), at(start, hour))));
    assert!(saved.counters(flow).is_some());
    saved.expire(&HashSet::new(), at(start, 76));
    assert!(saved.counters(flow).is_none());
}

#[test]
fn a_copy_is_known_by_head_and_tail() {
    assert!(claim(saved(7, 150, CONTENT), 8, 9, CONTENT));
    assert!(
        !claim(saved(7, 150, CONTENT), 8, 11, CONTENT),
        "as by an application that writes the same again"
    );
    let mut other = CONTENT.to_vec();
    other[145] = b'y';
    assert!(!claim(saved(7, 150, CONTENT), 8, 9, &other));
}
