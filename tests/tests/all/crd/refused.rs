//! Objects that are wrong in one thing each: refused by the API server, with the field and a sentence.
//!
//! What a case has of sources, transforms and destinations is also given to the validator of the sidecar's `check`, so
//! that the two can't come to different judgements.

mod cases;
mod destinations;

use tests::in_process::control_plane;
use tests::kubectl::Namespace;

use super::{dry_run, with};

/// What is wrong, and what the API server's answer must say of it: field and sentence.
pub(super) struct Case {
    field: &'static str,
    value: &'static str,
    answer: &'static [&'static str],
    also: Also,
}

/// Who else must refuse it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Also {
    /// The validator that operator and sidecar share.
    Validator,
    /// Nobody: it is about the object, or a bound that keeps the schema's rules cheap.
    Nobody,
}

const fn case(field: &'static str, value: &'static str, answer: &'static [&'static str]) -> Case {
    Case {
        field,
        value,
        answer,
        also: Also::Validator,
    }
}

const fn schema_only(field: &'static str, value: &'static str, answer: &'static [&'static str]) -> Case {
    Case {
        field,
        value,
        answer,
        also: Also::Nobody,
    }
}

fn all() -> impl Iterator<Item = &'static Case> {
    cases::OBJECT
        .iter()
        .chain(cases::SOURCES)
        .chain(cases::TRANSFORMS)
        .chain(destinations::CASES)
}

#[test]
fn a_bad_object_is_refused_by_the_name_of_its_field() {
    let namespace = Namespace::create(control_plane(), "crd");
    let good = dry_run(&namespace, &with("priority", "1"));
    assert!(good.is_ok(), "the objects below are good but for one thing: {good:?}");
    let mut wrong = Vec::new();
    for Case {
        field,
        value,
        answer: expected,
        ..
    } in all()
    {
        match dry_run(&namespace, &with(field, value)) {
            Ok(_) => wrong.push(format!("{field}: {value} is accepted")),
            Err(answer) if expected.iter().all(|words| answer.contains(words)) => {}
            Err(answer) => wrong.push(format!("{field}: {value} gives {answer:?} instead of {expected:?}")),
        }
    }
    let count = all().count();
    println!("{count} bad objects are refused");
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count >= 120, "{count} cases");
}

#[test]
fn what_the_schema_refuses_the_validator_refuses_too() {
    let mut accepted = Vec::new();
    for Case { field, value, .. } in all().filter(|case| case.also == Also::Validator) {
        let mut members = vec![
            ("name", "shop/logs"),
            ("sources", "[{name: s, paths: [/var/log/a.log]}]"),
            ("destinations", "[{name: out, stdout: {}}]"),
        ];
        members.retain(|(name, _)| name != field);
        members.push((field, value));
        let members: Vec<_> = members.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let loaded = pipeline::config::load(&format!("pipelines: [{{{}}}]", members.join(", "))).unwrap();
        let only_not_yet = |refused: &pipeline::config::Refused| {
            refused
                .errors
                .iter()
                .all(|error| error.message == pipeline::support::NOT_YET)
        };
        if loaded.refused.iter().all(only_not_yet) {
            accepted.push(format!("{field}: {value}"));
        }
    }
    assert_eq!(accepted, Vec::<String>::new());
}

#[test]
fn a_name_that_leaves_no_room_for_revisions_is_refused() {
    let namespace = Namespace::create(control_plane(), "crd");
    let long = with("priority", "1").replace("name: logs", &format!("name: {}", "x".repeat(64)));
    let answer = dry_run(&namespace, &long).unwrap_err();
    assert!(
        answer.contains("metadata.name must be at most 63 characters"),
        "{answer}"
    );
}
