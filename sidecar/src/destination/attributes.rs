//! The attributes of a record by their OpenTelemetry names, and how a field of the configuration finds its value.
//!
//! What a line says about itself never stands for what is known of its file and its pod: those come first.

use std::borrow::Cow;

use crate::batch::{Batch, Origin, Record};
use crate::processing::severity_name;

pub(super) const FILE_PATH: &str = "log.file.path";
pub(super) const FILE_NAME: &str = "log.file.name";
pub(super) const FILE_OFFSET: &str = "log.file.offset";
/// The line had no newline yet when it was shipped, or is the rest of such a line.
pub(super) const PARTIAL: &str = "log.partial";
/// The line was longer than allowed; its end is missing.
pub(super) const TRUNCATED: &str = "log.truncated";
/// The line isn't of the format that its source has.
pub(super) const UNPARSED: &str = "log.unparsed";
pub(super) const SERVICE_NAME: &str = "service.name";

/// The value of a field that is the same for all records of a file.
pub(crate) fn of_file<'a>(origin: &'a Origin, field: &str) -> Option<&'a str> {
    let value = match field {
        FILE_PATH => Some(origin.path.as_str()),
        FILE_NAME => Some(origin.name()),
        _ => origin
            .resource
            .iter()
            .find(|(name, _)| name == field)
            .map(|(_, value)| value.as_str()),
    };
    value.filter(|value| !value.is_empty())
}

/// The record's severity, as fields are asked for it.
pub(super) const SEVERITY: &str = "severity";

/// The value of a field that the record has beside those of its file.
pub(super) fn of_record<'a>(batch: &'a Batch, record: &Record, field: &str) -> Option<Cow<'a, str>> {
    if field == SEVERITY {
        return record.severity.map(|severity| severity_name(severity).into());
    }
    let found = batch.field(record, field)?;
    let value = String::from_utf8_lossy(batch.part(found.value));
    (!value.is_empty()).then_some(value)
}
