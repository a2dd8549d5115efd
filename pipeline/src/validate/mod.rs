//! Offline validation of what a schema can't say, shared by the operator (`Accepted`) and `logshipping-sidecar check`.
//!
//! Every error is found at once, each with the path of its field. Nothing here opens a file or a socket.

mod destination;
mod parts;
mod place;
mod size;
mod source;
mod time;
mod transform;

use std::collections::BTreeSet;
use std::fmt;

pub(crate) use self::parts::parts;
use self::place::Place;
use crate::config::{ConfigError, Pipeline};
use crate::destination::Destination;
use crate::limits;
use crate::source::Source;
use crate::transform::Transform;

/// Where the specification comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A LogShipping object: destination `file` is refused.
    Cluster,
    /// A configuration file.
    Standalone,
}

/// Something wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldError {
    /// Like `sources[0].format.regex.pattern`, relative to what was validated.
    pub path: String,
    pub message: String,
}

impl FieldError {
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
        }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

impl From<ConfigError> for FieldError {
    fn from(error: ConfigError) -> Self {
        match error {
            ConfigError::Field { path, message } => Self { path, message },
            other => Self::new(".", other.to_string()),
        }
    }
}

/// All errors in one line, as they stand in a status message.
pub fn join(errors: &[FieldError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Judges a pipeline of a configuration file.
pub fn pipeline(pipeline: &Pipeline) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut at = Place::root(&mut errors);
    if pipeline.name.is_empty() {
        at.field("name").refuse("must not be empty");
    }
    at.field("maxHeldBytes")
        .judge(limits::MAX_HELD_BYTES.check(pipeline.max_held_bytes));
    at.add(specification(
        &pipeline.sources,
        &pipeline.transforms,
        &pipeline.destinations,
        Origin::Standalone,
    ));
    errors
}

/// Judges what a user wrote: the same rules for an object and for a file.
pub fn specification(
    sources: &[Source],
    transforms: &[Transform],
    destinations: &[Destination],
    origin: Origin,
) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut at = Place::root(&mut errors);
    if sources.is_empty() {
        at.field("sources").refuse("at least one source is needed");
    }
    if destinations.is_empty() {
        at.field("destinations").refuse("at least one destination is needed");
    }
    let names: Vec<_> = sources.iter().map(|source| source.name.as_str()).collect();
    unique(at.field("sources"), names.iter().copied());
    unique(
        at.field("destinations"),
        destinations.iter().map(|one| one.name.as_str()),
    );
    for (index, source) in sources.iter().enumerate() {
        source::source(at.field("sources").index(index), source);
    }
    for (index, transform) in transforms.iter().enumerate() {
        transform::transform(at.field("transforms").index(index), transform);
    }
    let names = names.into_iter().collect();
    for (index, destination) in destinations.iter().enumerate() {
        destination::destination(at.field("destinations").index(index), destination, &names, origin);
    }
    at.add(size::rendered(sources, transforms, destinations));
    errors
}

fn unique<'a>(mut list: Place<'_>, names: impl Iterator<Item = &'a str>) {
    let mut seen = BTreeSet::new();
    for (index, name) in names.enumerate() {
        if !seen.insert(name) {
            list.index(index)
                .field("name")
                .refuse(format!("{name:?} is used twice"));
        }
    }
}

#[cfg(test)]
mod tests;
