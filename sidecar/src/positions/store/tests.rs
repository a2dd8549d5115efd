use std::os::unix::fs::FileExt;

use super::super::{ContentKey, FilePosition, FlowKey, Stretch, kill};
use super::*;

fn position(inode: u64, offset: u64) -> Record {
    Record::File(FilePosition {
        inode,
        offset,
        ..Default::default()
    })
}

fn records(store: &Store) -> Vec<Record> {
    store
        .iter()
        .map(|(_, record)| record.clone())
        .filter(|record| *record != Record::Free)
        .collect()
}

/// A state directory with one record, written and synced at 1 and then written at 2.
fn written() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    let id = store.insert(position(1, 1));
    store.write().unwrap();
    store.sync().unwrap();
    store.update(id, position(1, 2));
    store.write().unwrap();
    dir
}

fn damage(dir: &Path, at: u64) {
    let file = OpenOptions::new().write(true).open(dir.join("positions")).unwrap();
    file.write_all_at(&[0xff; 9], at).unwrap();
}

/// Where a slot of the first record is.
fn slot_at(slot: usize) -> u64 {
    Layout::NEW.record(0) + (slot * SLOT) as u64
}

fn intent(lane: &str, sequence: u64) -> Intent {
    Intent {
        lane: LaneKey::new("p", lane),
        sequence,
        formed_at: 1,
        outcome: Outcome::Open,
        stretches: vec![Stretch {
            content: ContentKey::new(FlowKey(1), 1, 1),
            length: 10,
            ..Stretch::default()
        }],
    }
}

fn sequences(store: &mut Store, lane: &str) -> Vec<(u64, Outcome)> {
    let intents = store.take_intents(LaneKey::new("p", lane)).unwrap();
    intents
        .iter()
        .map(|(_, intent)| (intent.sequence, intent.outcome))
        .collect()
}

#[test]
fn positions_survive_the_process() {
    let dir = written();
    assert_eq!(records(&Store::open(dir.path()).unwrap()), [position(1, 2)]);
}

#[test]
fn a_torn_slot_falls_back_to_the_synced_one() {
    let dir = written();
    damage(dir.path(), slot_at(1) + 40);
    let store = Store::open(dir.path()).unwrap();
    assert_eq!((records(&store), store.torn()), (vec![position(1, 1)], 0));
}

#[test]
fn two_torn_slots_begin_anew_and_are_counted() {
    let dir = written();
    damage(dir.path(), slot_at(0) + 40);
    damage(dir.path(), slot_at(1) + 40);
    let store = Store::open(dir.path()).unwrap();
    assert_eq!((records(&store), store.torn()), (vec![], 1));
}

#[test]
fn between_two_syncs_only_one_slot_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    let id = store.insert(position(1, 1));
    store.write().unwrap();
    store.sync().unwrap();
    for offset in 2..5 {
        store.update(id, position(1, offset));
        store.write().unwrap();
    }
    drop(store);
    damage(dir.path(), slot_at(1) + 40);
    assert_eq!(records(&Store::open(dir.path()).unwrap()), [position(1, 1)]);
}

#[test]
fn the_state_directory_has_one_owner() {
    let dir = tempfile::tempdir().unwrap();
    let _first = Store::open(dir.path()).unwrap();
    assert!(matches!(Store::open(dir.path()), Err(OpenError::Locked)));
}

#[test]
fn a_newer_version_is_left_untouched() {
    let dir = written();
    let path = dir.path().join("positions");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[8] = 3;
    let crc = crc32c::crc32c(&bytes[..32]);
    bytes[32..36].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(&path, &bytes).unwrap();
    assert!(matches!(Store::open(dir.path()), Err(OpenError::NewerVersion(3))));
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
}

#[test]
fn a_damaged_header_is_set_aside() {
    let dir = written();
    damage(dir.path(), 0);
    assert_eq!(records(&Store::open(dir.path()).unwrap()), []);
    assert!(dir.path().join("positions.damaged").exists());
}

#[test]
fn a_full_disk_stops_only_records_without_a_place() {
    let flags = rustix::fs::MemfdFlags::CLOEXEC | rustix::fs::MemfdFlags::ALLOW_SEALING;
    let mut store = Store::empty(
        File::from(rustix::fs::memfd_create("full", flags).unwrap()),
        Layout::NEW,
        None,
    );
    let first = store.insert(position(1, 1));
    store.write().unwrap();
    rustix::fs::fcntl_add_seals(&store.file, rustix::fs::SealFlags::GROW).unwrap();
    (0..GROWTH as u64).for_each(|inode| _ = store.insert(position(inode, 0)));
    store.update(first, position(1, 2));
    assert!(store.write().is_err());
    let mut again = Store::empty(store.file, Layout::NEW, None);
    again.read().unwrap();
    assert_eq!(records(&again)[0], position(1, 2));
}

#[test]
fn freed_records_are_used_again_and_space_is_there_before_it_is_needed() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    let before = std::fs::metadata(dir.path().join("positions")).unwrap().len();
    let id = store.insert(position(1, 1));
    store.remove(id);
    assert_eq!(store.insert(position(2, 2)), id);
    store.write().unwrap();
    assert_eq!(std::fs::metadata(dir.path().join("positions")).unwrap().len(), before);
    (0..GROWTH as u64).for_each(|inode| _ = store.insert(position(inode, 0)));
    store.write().unwrap();
    drop(store);
    assert_eq!(records(&Store::open(dir.path()).unwrap()).len(), GROWTH + 1);
}

/// A file as version 1 wrote it: no ring, and records right behind the header.
fn version_1(dir: &Path, records: &[Record]) {
    let mut bytes = vec![0; 4096 + 512 * 128];
    bytes[..8].copy_from_slice(b"LGSHPOS\0");
    bytes[8..12].copy_from_slice(&1_u32.to_le_bytes());
    bytes[12..16].copy_from_slice(&256_u32.to_le_bytes());
    let crc = crc32c::crc32c(&bytes[..32]);
    bytes[32..36].copy_from_slice(&crc.to_le_bytes());
    for (index, record) in records.iter().enumerate() {
        let at = 4096 + 512 * index;
        bytes[at..at + SLOT].copy_from_slice(&slot::encode(5, record));
    }
    std::fs::write(dir.join("positions"), bytes).unwrap();
}

#[test]
fn a_file_of_the_version_before_is_read_and_goes_on_as_one_of_this() {
    let dir = tempfile::tempdir().unwrap();
    let before: Vec<_> = (1..=128).map(|inode| position(inode, inode)).collect();
    version_1(dir.path(), &before);
    let mut store = Store::open(dir.path()).unwrap();
    assert_eq!(records(&store), before);
    store.insert_intent(&intent("d", 7)).unwrap().unwrap();
    // Behind the ring.
    store.insert(position(129, 129));
    store.write().unwrap();
    drop(store);
    let mut store = Store::open(dir.path()).unwrap();
    assert_eq!(records(&store).len(), 129);
    assert_eq!(records(&store)[128], position(129, 129));
    assert_eq!(sequences(&mut store, "d"), [(7, Outcome::Open)]);
}

#[test]
fn a_process_that_is_killed_while_it_gives_a_file_its_ring_has_changed_nothing() {
    let dir = tempfile::tempdir().unwrap();
    version_1(dir.path(), &[position(1, 1)]);
    kill::after(0);
    let killed = std::panic::catch_unwind(|| Store::open(dir.path()).map(drop));
    kill::never();
    assert!(killed.is_err());
    assert_eq!(records(&Store::open(dir.path()).unwrap()), [position(1, 1)]);
}

#[test]
fn a_write_that_is_torn_at_any_sector_or_byte_leaves_the_record_as_it_was_or_as_it_was_to_be() {
    let (old, new) = (position(1, 1), position(1, 2));
    let dir = written();
    let path = dir.path().join("positions");
    let before = std::fs::read(&path).unwrap();
    let at = usize::try_from(slot_at(1)).unwrap();
    let slot = before[at..at + SLOT].to_vec();
    for length in 0..=SLOT {
        for rest in [0, 0xff] {
            let mut torn = before.clone();
            torn[at + length..at + SLOT].fill(rest);
            std::fs::write(&path, torn).unwrap();
            let store = Store::open(dir.path()).unwrap();
            let found = records(&store);
            // The last bytes of a slot are zero.
            let is_whole = rest == 0 && slot[length..].iter().all(|byte| *byte == 0) || length == SLOT;
            assert_eq!(
                (found, store.torn()),
                (vec![if is_whole { new.clone() } else { old.clone() }], 0),
                "{length} {rest}"
            );
        }
    }
    // Sectors of a whole file: any of them lost, or full of something else, and the process goes on.
    for sector in (0..before.len())
        .step_by(512)
        .filter(|at| before[*at..at + 512].iter().any(|byte| *byte != 0))
    {
        for with in [0, 0xff] {
            let mut torn = before.clone();
            torn[sector..sector + 512].fill(with);
            std::fs::write(&path, torn).unwrap();
            // A header of zeros is none yet; whatever else it was, its record is gone.
            let is_left = sector == 0 && with == 0;
            let left = if is_left { vec![new.clone()] } else { Vec::new() };
            assert_eq!(records(&Store::open(dir.path()).unwrap()), left, "{sector} {with}");
        }
    }
}

#[test]
fn what_was_not_synced_before_a_start_is_not_the_only_one_that_is_left_by_a_loss_of_power() {
    let dir = written();
    let mut store = Store::open(dir.path()).unwrap();
    let (id, _) = store.iter().find(|(_, record)| **record != Record::Free).unwrap();
    store.update(id, position(1, 3));
    store.write().unwrap();
    drop(store);
    // The power is lost: of the slot that was written twice since the last sync nothing is left.
    damage(dir.path(), slot_at(1) + 40);
    assert_eq!(records(&Store::open(dir.path()).unwrap()), [position(1, 1)]);
}

#[test]
fn an_intent_is_kept_until_a_written_position_covers_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    let lane = LaneKey::new("p", "d");
    let ids: Vec<_> = [1, 2, 3]
        .map(|sequence| store.insert_intent(&intent("d", sequence)).unwrap().unwrap())
        .into();
    store.insert_intent(&intent("other", 9)).unwrap().unwrap();
    store.settle_intent(ids[1], Outcome::Stored).unwrap();
    store.settle_intent(ids[0], Outcome::Open).unwrap();
    store.cover_intents(lane, 3);
    store.insert_intent(&intent("d", 4)).unwrap().unwrap();
    drop(store);
    let mut store = Store::open(dir.path()).unwrap();
    let left = [
        (1, Outcome::Open),
        (2, Outcome::Stored),
        (3, Outcome::Open),
        (4, Outcome::Open),
    ];
    assert_eq!(sequences(&mut store, "d"), left);
    assert_eq!(sequences(&mut store, "other"), [(9, Outcome::Open)]);
    store.settle_intent(ids[0], Outcome::Stored).unwrap();
    store.cover_intents(lane, 2);
    store.write().unwrap();
    let reused = store.insert_intent(&intent("d", 5)).unwrap();
    assert_eq!(reused, Some(ids[0]));
}

#[test]
fn without_room_for_another_intent_the_oldest_of_a_lane_that_is_gone_gives_way_and_no_other() {
    let mut store = Store::in_memory().unwrap();
    let mut rooms = 0;
    while store.has_room_for_an_intent() {
        rooms += 1;
        store
            .insert_intent(&intent(if rooms < 3 { "gone" } else { "d" }, rooms))
            .unwrap()
            .unwrap();
    }
    assert_eq!(store.insert_intent(&intent("d", 900)).unwrap(), None);
    store.leave_intents(LaneKey::new("p", "gone"));
    store.insert_intent(&intent("d", 901)).unwrap().unwrap();
    assert_eq!(sequences(&mut store, "gone").len(), 1);
    assert_eq!(sequences(&mut store, "d").len() as u64, rooms - 2 + 1);
    store.leave_intents(LaneKey::new("p", "d"));
    store.expire_intents(2);
    assert_eq!(sequences(&mut store, "d"), []);
}

#[test]
fn a_full_disk_stops_no_intent() {
    let flags = rustix::fs::MemfdFlags::CLOEXEC | rustix::fs::MemfdFlags::ALLOW_SEALING;
    let file = File::from(rustix::fs::memfd_create("full", flags).unwrap());
    header::reserve(&file, 0, Layout::NEW.record(GROWTH)).unwrap();
    let mut store = Store::empty(file, Layout::NEW, None);
    rustix::fs::fcntl_add_seals(&store.file, rustix::fs::SealFlags::GROW).unwrap();
    (0..GROWTH as u64).for_each(|inode| _ = store.insert(position(inode, 0)));
    store.write().unwrap();
    while store.has_room_for_an_intent() {
        store.insert_intent(&intent("d", 1)).unwrap().unwrap();
    }
}

#[test]
fn on_a_disk_without_room_for_intents_positions_are_kept_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let file = File::create_new(dir.path().join("positions")).unwrap();
    file.set_len(0).unwrap();
    let mut store = Store::empty(file, Layout::NO_RING, None);
    store.insert(position(1, 1));
    assert_eq!(store.insert_intent(&intent("d", 1)).unwrap(), None);
    store.write().unwrap();
    let mut again = Store::empty(store.file, Layout::NO_RING, None);
    again.read().unwrap();
    assert_eq!(records(&again), [position(1, 1)]);
}
