//! What only all sources of a Deployment together tell: the names of the volumes that we add, and which of them a pattern
//! of another source reaches into. It depends neither on the order of the sources nor on what is there already.
//! Deliberately not here: the size limits of these volumes, which LogShippings may disagree about.

use std::collections::{BTreeMap, BTreeSet};

use super::place::Place;
use super::{Directory, SourceTarget, Writer};

/// Brings the targets of all sources into agreement.
pub(in crate::plan) fn settle(mut targets: Vec<&mut SourceTarget>) {
    let added = Added::of(&targets);
    for target in &mut targets {
        target.reach(&added);
        for place in &mut target.places {
            added.set_apart(&target.writer, place);
        }
    }
}

/// The volumes that we add: by their directory the containers that have one there.
struct Added(BTreeMap<String, BTreeSet<Writer>>);

impl Added {
    fn of(targets: &[&mut SourceTarget]) -> Self {
        let mut added: BTreeMap<String, BTreeSet<Writer>> = BTreeMap::new();
        for target in targets {
            for place in target.places.iter().filter(|place| place.is_added()) {
                added
                    .entry(place.path.clone())
                    .or_default()
                    .insert(target.writer.clone());
            }
        }
        Self(added)
    }

    /// The directories in which a container has a volume of ours.
    fn of_writer<'a>(&'a self, writer: &'a Writer) -> impl Iterator<Item = &'a str> {
        let with = self.0.iter().filter(|(_, writers)| writers.contains(writer));
        with.map(|(directory, _)| directory.as_str())
    }

    /// Two containers that had a directory of the same name each must not find themselves in one volume.
    fn set_apart(&self, writer: &Writer, place: &mut Place) {
        let writers = self.0.get(&place.path).filter(|_| place.is_added());
        if writers.and_then(BTreeSet::first).is_some_and(|first| first != writer) {
            place.set_apart(&writer.container);
        }
    }
}

impl SourceTarget {
    /// Adds the volumes of ours that another source has in this container, where a pattern of this one reaches into them.
    fn reach(&mut self, added: &Added) {
        let known: BTreeSet<_> = self.places.iter().map(|place| place.path.clone()).collect();
        let reached: Vec<_> = added
            .of_writer(&self.writer)
            .filter(|path| !known.contains(*path) && self.reaches_into(&Directory::of(path)))
            .map(|path| Place::added(path, None))
            .collect();
        self.places.extend(reached);
        self.places.sort_by(|a, b| a.path.cmp(&b.path));
    }

    fn reaches_into(&self, path: &Directory) -> bool {
        let below = |directory: &Directory| path != directory && path.is_within(directory);
        self.directories.iter().any(below) && !self.patterns.at(path.as_str()).inside.is_empty()
    }
}

#[cfg(test)]
mod tests;
