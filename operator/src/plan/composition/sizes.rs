//! The size limit of a directory that several LogShippings share by a volume of ours: the volume has only one.
//!
//! Those that act come before those that only hold what they have, and a limit that is unset is no opinion.

use std::collections::BTreeMap;

use pipeline::ByteSize;

use super::{Member, Note, Stance};
use crate::plan::target::{Origin, Place};

/// By volume: the limit, and whose it is.
type Limits = BTreeMap<String, (ByteSize, String)>;

/// Gives each volume of ours one limit; tells who asked for another one.
pub(super) fn settle(members: &mut [Member]) -> Vec<(String, Note)> {
    let limits = limits(members);
    let mut notes = Vec::new();
    for member in members {
        let mut told = Vec::new();
        for place in member.targets.iter_mut().flat_map(|target| &mut target.places) {
            let Origin::Added { size_limit: wanted } = place.origin else {
                continue;
            };
            let Some((limit, winner)) = limits.get(&place.volume) else {
                continue;
            };
            if let Some(wanted) = wanted.filter(|wanted| wanted != limit)
                && !told.contains(&place.volume)
            {
                told.push(place.volume.clone());
                notes.push((member.name.clone(), note(place, wanted, *limit, winner)));
            }
            place.origin = Origin::Added {
                size_limit: Some(*limit),
            };
            place.limit_bytes = Some(limit.as_bytes());
        }
    }
    notes
}

fn limits(members: &[Member]) -> Limits {
    let mut limits = Limits::new();
    for stance in [Stance::Acts, Stance::Holds] {
        for member in members.iter().filter(|member| member.stance == stance) {
            for place in member.targets.iter().flat_map(|target| &target.places) {
                if let Origin::Added {
                    size_limit: Some(limit),
                } = place.origin
                {
                    let first = || (limit, member.name.clone());
                    limits.entry(place.volume.clone()).or_insert_with(first);
                }
            }
        }
    }
    limits
}

fn note(place: &Place, wanted: ByteSize, limit: ByteSize, winner: &str) -> Note {
    Note::Overruled {
        field: format!("volume.sizeLimit of {}", place.path),
        wanted: wanted.to_string(),
        winner: winner.to_owned(),
        value: limit.to_string(),
    }
}
