//! A pipeline that can't be parsed as a whole. Each source, transform and destination is parsed and judged on its own,
//! so that one misspelt field doesn't hide what is wrong elsewhere.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::place::Place;
use super::{FieldError, Origin, destination, source, transform};
use crate::config::{Pipeline, parse};
use crate::{Destination, Source, Transform};

const LISTS: [&str; 3] = ["sources", "transforms", "destinations"];

/// Everything that is wrong with it; at least the reason why it can't be parsed.
pub(crate) fn parts(raw: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut at = Place::root(&mut errors);
    frame(&mut at, raw.clone());
    let sources: Vec<(usize, Source)> = parsed(&mut at, raw, LISTS[0]);
    let transforms: Vec<(usize, Transform)> = parsed(&mut at, raw, LISTS[1]);
    let destinations: Vec<(usize, Destination)> = parsed(&mut at, raw, LISTS[2]);
    for (index, one) in &sources {
        source::source(at.field(LISTS[0]).index(*index), one);
    }
    for (index, one) in &transforms {
        transform::transform(at.field(LISTS[1]).index(*index), one);
    }
    // A source that can't be parsed still has its name.
    let names: BTreeSet<_> = elements(raw, LISTS[0])
        .filter_map(|one| one.get("name")?.as_str())
        .collect();
    for (index, one) in &destinations {
        destination::destination(at.field(LISTS[2]).index(*index), one, &names, Origin::Standalone);
    }
    errors
}

/// What is around the lists.
fn frame(at: &mut Place<'_>, mut raw: Value) {
    for list in LISTS {
        if let Some(Value::Array(elements)) = raw.get_mut(list) {
            elements.clear();
        }
    }
    if let Err(error) = parse::<Pipeline>(raw) {
        at.add([FieldError::from(error)]);
    }
}

fn elements<'a>(raw: &'a Value, list: &str) -> impl Iterator<Item = &'a Value> {
    raw.get(list).and_then(Value::as_array).into_iter().flatten()
}

fn parsed<T: DeserializeOwned>(at: &mut Place<'_>, raw: &Value, list: &str) -> Vec<(usize, T)> {
    let mut parsed = Vec::new();
    for (index, element) in elements(raw, list).enumerate() {
        match parse(element.clone()) {
            Ok(element) => parsed.push((index, element)),
            Err(error) => {
                let mut error = FieldError::from(error);
                error.path = match error.path.as_str() {
                    "." => format!("{list}[{index}]"),
                    path => format!("{list}[{index}].{path}"),
                };
                at.add([error]);
            }
        }
    }
    parsed
}
