//! The attributes of a record by their OpenTelemetry names, and how a field of the configuration finds its value.

use crate::batch::Origin;

pub(super) const FILE_PATH: &str = "log.file.path";
pub(super) const FILE_NAME: &str = "log.file.name";
pub(super) const FILE_OFFSET: &str = "log.file.offset";
/// The line had no newline yet when it was shipped, or is the rest of such a line.
pub(super) const PARTIAL: &str = "log.partial";
/// The line was longer than allowed; its end is missing.
pub(super) const TRUNCATED: &str = "log.truncated";
pub(super) const SERVICE_NAME: &str = "service.name";

/// The value of a field that is the same for all records of a file.
pub(super) fn of_file<'a>(origin: &'a Origin, field: &str) -> Option<&'a str> {
    let value = match field {
        FILE_PATH => Some(origin.path.as_str()),
        FILE_NAME => Some(origin.name.as_str()),
        _ => origin
            .resource
            .iter()
            .find(|(name, _)| name == field)
            .map(|(_, value)| value.as_str()),
    };
    value.filter(|value| !value.is_empty())
}
