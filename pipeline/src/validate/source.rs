//! Sources: what is read, and how lines become records.

use std::collections::BTreeSet;

use super::place::Place;
use super::time;
use crate::glob::Patterns;
use crate::source::{
    Format, FormatType, Multiline, PRESET_OR_PATTERNS, REGEX_BELONGS, Source, TEXT_HAS_NO_FIELDS, TimestampField,
};
use crate::{form, limits, pattern};

/// The sidecar's own container; a pipeline that reads what it writes would never come to an end.
const SIDECAR: &str = "logshipping-sidecar";

pub(super) fn source(mut at: Place<'_>, source: &Source) {
    at.field("name").form(&form::NAME, &source.name);
    if let Some(container) = &source.container {
        let mut at = at.field("container");
        at.form(&form::NAME, container);
        if container == SIDECAR {
            at.refuse("is the sidecar itself: name the container that writes the files");
        }
    }
    paths(at.field("paths"), &source.paths);
    for (index, pattern) in source.exclude.iter().enumerate() {
        exclude(at.field("exclude").index(index), pattern);
    }
    if let Some(age) = source.ignore_older {
        at.field("ignoreOlder").judge(limits::IGNORE_OLDER.check(age));
    }
    format(at.field("format"), &source.format);
    if let Some(multiline) = &source.multiline {
        self::multiline(at.field("multiline"), multiline);
    }
    encoding(at.field("encoding"), &source.encoding);
    at.field("maxLineBytes")
        .judge(limits::MAX_LINE_BYTES.check(source.max_line_bytes));
    at.field("unterminatedAfter")
        .judge(limits::WAIT_FOR_MORE.check(source.unterminated_after));
}

fn paths(mut at: Place<'_>, paths: &[String]) {
    if paths.is_empty() {
        at.refuse("at least one path is needed");
    }
    for (index, path) in paths.iter().enumerate() {
        path_glob(at.index(index), path);
    }
}

fn path_glob(mut at: Place<'_>, path: &str) {
    at.form(&form::TEXT, path);
    if at.judge(Patterns::new(&[path.to_owned()], &[])).is_some() {
        at.judge(whole_glob(path));
    }
}

/// [`Patterns`] takes a brace that is never closed for a character of a name.
fn whole_glob(pattern: &str) -> Result<(), String> {
    globset::Glob::new(pattern)
        .map(drop)
        .map_err(|error| format!("{pattern:?} is not a glob: {}", error.kind()))
}

fn exclude(mut at: Place<'_>, pattern: &str) {
    if pattern.is_empty() {
        return at.refuse("must not be empty");
    }
    at.form(&form::TEXT, pattern);
    at.judge(Patterns::new(&[], &[pattern.to_owned()]));
}

fn encoding(mut at: Place<'_>, label: &str) {
    if encoding_rs::Encoding::for_label_no_replacement(label.as_bytes()).is_none() {
        at.refuse(format!(
            "{label:?} is not a known encoding: write a label of the WHATWG Encoding Standard, such as utf-8, utf-16le or windows-1252"
        ));
    }
}

fn format(mut at: Place<'_>, format: &Format) {
    if (format.kind == FormatType::Regex) != format.regex.is_some() {
        at.field("regex").refuse(REGEX_BELONGS);
    }
    let parsed = [
        format.body.is_some(),
        format.timestamp.is_some(),
        format.severity.is_some(),
    ];
    if format.kind == FormatType::Text && parsed.contains(&true) {
        at.field("type").refuse(TEXT_HAS_NO_FIELDS);
    }
    let groups = format.regex.as_ref().and_then(|regex| {
        let compiled = at.field("regex").field("pattern").judge(compile(&regex.pattern))?;
        Some(
            compiled
                .capture_names()
                .flatten()
                .map(str::to_owned)
                .collect::<BTreeSet<_>>(),
        )
    });
    if groups.as_ref().is_some_and(BTreeSet::is_empty) {
        at.field("regex")
            .field("pattern")
            .refuse("has no named group such as (?P<level>[A-Z]+), so it would parse nothing");
    }
    let parsed_field = |mut at: Place<'_>, name: &str| {
        at.form(&form::FIELD, name);
        if groups
            .as_ref()
            .is_some_and(|groups| !groups.is_empty() && !groups.contains(name))
        {
            at.refuse(format!("the pattern has no group {name:?}"));
        }
    };
    if let Some(body) = &format.body {
        parsed_field(at.field("body"), body);
    }
    if let Some(timestamp) = &format.timestamp {
        let mut at = at.field("timestamp");
        parsed_field(at.field("field"), &timestamp.field);
        self::timestamp(at, timestamp);
    }
    if let Some(severity) = &format.severity {
        parsed_field(at.field("severity").field("field"), &severity.field);
    }
}

fn timestamp(mut at: Place<'_>, timestamp: &TimestampField) {
    at.field("layout").judge(time::layout(&timestamp.layout));
    if let Some(zone) = &timestamp.time_zone {
        at.field("timeZone").judge(time::zone(zone, &timestamp.layout));
    }
}

fn multiline(mut at: Place<'_>, multiline: &Multiline) {
    let patterns = [
        ("startPattern", &multiline.start_pattern),
        ("endPattern", &multiline.end_pattern),
    ];
    let written = patterns.iter().any(|(_, pattern)| pattern.is_some());
    if multiline.preset.is_some() == written {
        at.refuse(PRESET_OR_PATTERNS);
    }
    for (name, pattern) in patterns {
        if let Some(pattern) = pattern {
            at.field(name).judge(compile(pattern));
        }
    }
    at.field("flushAfter")
        .judge(limits::WAIT_FOR_MORE.check(multiline.flush_after));
}

/// An empty pattern compiles and means nothing.
pub(super) fn compile(text: &str) -> Result<regex::bytes::Regex, String> {
    if text.is_empty() {
        return Err("must not be empty".to_owned());
    }
    form::TEXT.check(text)?;
    pattern::compile(text).map_err(|error| error.to_string())
}
