//! Position files that this program has never written: read without harm, and written over.

use proptest::prelude::*;

use super::slot::{self, Read, SLOT};
use super::{Record, Store};

/// Bytes whose checksum says that they are a slot.
fn forged(mut bytes: Vec<u8>, kind: u8) -> [u8; SLOT] {
    bytes.resize(SLOT, 0);
    bytes[4] = kind;
    // No sequence that is about to run out; nobody writes so often.
    bytes[15] &= 0x7f;
    let crc = crc32c::crc32c(&bytes[4..]);
    bytes[..4].copy_from_slice(&crc.to_le_bytes());
    bytes.try_into().unwrap()
}

fn slots() -> impl Strategy<Value = [u8; SLOT]> {
    let bytes = proptest::collection::vec(any::<u8>(), SLOT);
    prop_oneof![
        Just([0; SLOT]),
        bytes.clone().prop_map(|bytes| bytes.try_into().unwrap()),
        (bytes, 0..6_u8).prop_map(|(bytes, kind)| forged(bytes, kind)),
    ]
}

proptest! {
    #[test]
    fn a_slot_of_any_bytes_is_read_and_what_it_said_is_written_again(slot in slots()) {
        if let Read::Good { sequence, record } = slot::decode(&slot)
            && record != Record::Reserved
        {
            prop_assert_eq!(slot::decode(&slot::encode(sequence, &record)), Read::Good { sequence, record });
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_file_of_any_slots_of_any_length_can_be_opened_and_written(
        slots in proptest::collection::vec(slots(), 0..12),
        surplus in 0..SLOT,
        header in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..64)),
    ) {
        let directory = tempfile::tempdir().unwrap();
        drop(Store::open(directory.path()).unwrap());
        let path = directory.path().join("positions");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.truncate(4096);
        if let Some(header) = &header {
            bytes[..header.len()].copy_from_slice(header);
        }
        bytes.extend(slots.concat());
        bytes.extend(vec![7; surplus]);
        std::fs::write(&path, bytes).unwrap();
        // A header that says nothing known begins anew, a newer version is left alone.
        let Ok(mut store) = Store::open(directory.path()) else {
            return Ok(());
        };
        let known: Vec<_> = store.iter().map(|(id, record)| (id, record.clone())).collect();
        for (id, record) in known {
            if record != Record::Reserved {
                store.update(id, record);
            }
        }
        store.write().unwrap();
        store.sync().unwrap();
    }
}
