//! Label sets of streams, and names as Loki takes them.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{Batch, Origin};
use crate::batch::Record;
use crate::destination::attributes::{self, SERVICE_NAME};

const SERVICE_LABEL: &str = "service_name";
/// What OpenTelemetry calls a service without a name. Loki refuses a stream without any label.
const UNKNOWN_SERVICE: &str = "unknown_service";
/// Loki's `max_label_value_length`. A longer value would have all records refused.
const MAX_VALUE_BYTES: usize = 2048;

/// Labels and the fields they come from, the names sanitised.
#[derive(Debug)]
pub(super) struct Labels {
    fields: BTreeMap<String, String>,
}

impl Labels {
    pub(super) fn new(settings: &BTreeMap<String, String>) -> Self {
        let mut fields = BTreeMap::new();
        for (label, field) in settings {
            fields.entry(sanitise(label)).or_insert_with(|| field.clone());
        }
        if fields.is_empty() {
            fields.insert(SERVICE_LABEL.to_owned(), SERVICE_NAME.to_owned());
        }
        Self { fields }
    }

    /// The fields that have to be asked for of each record of a file.
    pub(super) fn of_records<'a>(&'a self, origin: &'a Origin) -> impl Iterator<Item = &'a str> {
        let fields = self.fields.values().map(String::as_str);
        fields.filter(|field| attributes::of_file(origin, field).is_none())
    }

    /// What the labels of all records of a file have in common.
    pub(super) fn of_file(&self, origin: &Origin) -> String {
        let mut set = String::new();
        for (label, field) in &self.fields {
            if let Some(value) = attributes::of_file(origin, field) {
                write_pair(&mut set, label, value);
            }
        }
        set
    }

    /// The stream of a record, in Prometheus' notation: `{app="server", service_name="shop"}`.
    pub(super) fn of(&self, batch: &Batch, record: &Record) -> String {
        let mut set = String::from("{");
        for (label, field) in &self.fields {
            if let Some(value) = attributes::of_file(batch.origin(record), field) {
                write_pair(&mut set, label, value);
            } else if let Some(value) = attributes::of_record(batch, record, field) {
                write_pair(&mut set, label, &value);
            }
        }
        if set.len() == 1 {
            write_pair(&mut set, SERVICE_LABEL, UNKNOWN_SERVICE);
        }
        set.push('}');
        set
    }
}

/// The value is quoted as Go quotes strings.
fn write_pair(set: &mut String, label: &str, value: &str) {
    if !(set.is_empty() || set.ends_with('{')) {
        set.push_str(", ");
    }
    set.push_str(label);
    set.push_str("=\"");
    let end = (0..=value.len().min(MAX_VALUE_BYTES))
        .rev()
        .find(|index| value.is_char_boundary(*index))
        .unwrap_or(0);
    for c in value[..end].chars() {
        match c {
            '"' | '\\' => set.extend(['\\', c]),
            '\n' => set.push_str("\\n"),
            // Writing to a string can't fail.
            c if c.is_ascii_control() => drop(write!(set, "\\x{:02x}", u32::from(c))),
            c => set.push(c),
        }
    }
    set.push('"');
}

/// Prometheus' rule for label names, `[a-zA-Z_][a-zA-Z0-9_]*`, kept the way Loki itself keeps it for structured metadata.
pub(super) fn sanitise(name: &str) -> String {
    let mut clean: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    if clean.is_empty() || clean.starts_with(|c: char| c.is_ascii_digit()) {
        clean.insert_str(0, "key_");
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destination::samples;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        Labels::new(
            &pairs
                .iter()
                .map(|(label, field)| ((*label).to_owned(), (*field).to_owned()))
                .collect(),
        )
    }

    #[test]
    fn a_stream_is_named_by_its_service_unless_told_otherwise() {
        let batch = samples::batch(&[b"x"]);
        let of = |labels: Labels| labels.of(&batch, &batch.records[0]);
        assert_eq!(of(labels(&[])), r#"{service_name="server"}"#);
        let own = labels(&[("pod", "k8s.pod.name"), ("file", "log.file.name"), ("none", "missing")]);
        assert_eq!(of(own), r#"{file="access.log", pod="server-0"}"#);
    }

    #[test]
    fn a_stream_always_has_a_label() {
        let batch = samples::batch(&[b"x"]);
        assert_eq!(
            labels(&[("none", "missing")]).of(&batch, &batch.records[0]),
            r#"{service_name="unknown_service"}"#
        );
    }

    #[test]
    fn values_are_quoted_and_cut() {
        let mut origin = std::sync::Arc::into_inner(samples::origin("a")).unwrap();
        origin.path = "a\"b\\c\nd\u{1}é".to_owned();
        let labels = labels(&[("p", "log.file.path")]);
        assert_eq!(labels.of_file(&origin), "p=\"a\\\"b\\\\c\\nd\\x01é\"");
        origin.path = "é".repeat(2000);
        assert_eq!(labels.of_file(&origin).len(), "p=\"\"".len() + MAX_VALUE_BYTES);
    }

    #[test]
    fn names_follow_the_rules_of_loki() {
        for (name, expected) in [
            ("app", "app"),
            ("k8s.pod.name", "k8s_pod_name"),
            ("7days", "key_7days"),
            ("größe", "gr__e"),
            ("", "key_"),
        ] {
            assert_eq!(sanitise(name), expected);
        }
        let twice = labels(&[("a.b", "log.file.name"), ("a-b", "log.file.path")]);
        assert_eq!(
            twice.of_file(&samples::origin("x")),
            r#"a_b="/var/log/x""#,
            "one of the two, always the same"
        );
    }
}
