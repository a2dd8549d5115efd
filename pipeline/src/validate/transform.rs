//! Transforms: one verb each, conditions of one operator, patterns that compile.

use super::place::Place;
use super::source::compile;
use crate::transform::{
    OPERATORS, RateLimit, Redact, RemoveFields, SEVERITY_ONLY, SOMETHING_TO_REDACT, Sample, SetFields, Transform,
    VERBS, When,
};
use crate::{form, limits};

pub(super) fn transform(mut at: Place<'_>, transform: &Transform) {
    // Every member is named, so that a new verb can't be forgotten here.
    let Transform {
        keep,
        drop,
        redact,
        sample,
        rate_limit,
        set,
        remove,
    } = transform;
    at.exactly_one(
        VERBS,
        [
            keep.is_some(),
            drop.is_some(),
            redact.is_some(),
            sample.is_some(),
            rate_limit.is_some(),
            set.is_some(),
            remove.is_some(),
        ],
    );
    for (name, condition) in [("keep", keep), ("drop", drop)] {
        if let Some(condition) = condition {
            when(at.field(name).field("when"), &condition.when);
        }
    }
    if let Some(redact) = redact {
        self::redact(at.field("redact"), redact);
    }
    if let Some(sample) = sample {
        self::sample(at.field("sample"), sample);
    }
    if let Some(limit) = rate_limit {
        self::rate_limit(at.field("rateLimit"), limit);
    }
    if let Some(set) = set {
        self::set(at.field("set").field("fields"), set);
    }
    if let Some(remove) = remove {
        self::remove(at.field("remove").field("fields"), remove);
    }
}

fn sample(mut at: Place<'_>, sample: &Sample) {
    if !limits::PERCENT.contains(&sample.percent) {
        at.field("percent").refuse("must be from 0 to 100");
    }
    if let Some(key) = &sample.key {
        at.field("key").form(&form::FIELD, key);
    }
}

fn rate_limit(mut at: Place<'_>, limit: &RateLimit) {
    let rates = [
        ("recordsPerSecond", Some(limit.records_per_second)),
        ("burst", limit.burst),
    ];
    for (name, rate) in rates {
        if rate.is_some_and(|rate| !limits::RATE.contains(&rate)) {
            at.field(name).refuse("must be from 1 to 10000000");
        }
    }
}

fn set(mut at: Place<'_>, set: &SetFields) {
    if set.fields.is_empty() {
        at.refuse("at least one field is needed");
    }
    for (name, value) in &set.fields {
        at.form(&form::FIELD, name);
        at.field(name).form(&form::TEXT, value);
    }
}

fn remove(mut at: Place<'_>, remove: &RemoveFields) {
    if remove.fields.is_empty() {
        at.refuse("at least one field is needed");
    }
    for (index, name) in remove.fields.iter().enumerate() {
        at.index(index).form(&form::FIELD, name);
    }
}

fn when(mut at: Place<'_>, when: &When) {
    let When {
        field,
        equals,
        one_of,
        exists,
        matches,
        at_least,
        not: _,
    } = when;
    at.exactly_one(
        OPERATORS,
        [
            equals.is_some(),
            one_of.is_some(),
            exists.is_some(),
            matches.is_some(),
            at_least.is_some(),
        ],
    );
    at.field("field").form(&form::FIELD, field);
    if one_of.as_ref().is_some_and(Vec::is_empty) {
        at.field("in").refuse("at least one text is needed");
    }
    if let Some(pattern) = matches {
        at.field("matches").judge(compile(pattern));
    }
    if at_least.is_some() && field != "severity" {
        at.field("atLeast").refuse(SEVERITY_ONLY);
    }
}

fn redact(mut at: Place<'_>, redact: &Redact) {
    if redact.presets.is_empty() && redact.patterns.is_empty() {
        at.refuse(SOMETHING_TO_REDACT);
    }
    for (index, one) in redact.patterns.iter().enumerate() {
        let mut list = at.field("patterns");
        let mut at = list.index(index);
        let compiled = at.field("pattern").judge(compile(&one.pattern));
        if compiled.is_some_and(|regex| regex.is_match(b"")) {
            at.field("pattern")
                .refuse("matches the empty text, so the replacement would stand between all characters");
        }
        at.field("replacement").form(&form::TEXT, &one.replacement);
    }
}
