//! What to read: files by glob, how their lines are framed and parsed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{ByteSize, Duration};

/// A set of files of one container, read in one way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Source {
    /// Name of the source, unique in the object; destinations refer to it and positions are kept under it.
    #[cfg_attr(
        feature = "schema",
        schemars(regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"), length(max = 63))
    )]
    pub name: String,
    /// Container that writes the files. Default: the annotation `kubectl.kubernetes.io/default-container`, else the
    /// first container of the owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"), length(max = 63))
    )]
    pub container: Option<String>,
    /// Absolute globs of the files to read, as the application sees them: `*`, `?`, `[a-z]`, `{a,b}` and `**`.
    #[cfg_attr(
        feature = "schema",
        schemars(
            length(min = 1, max = 16),
            inner(regex(pattern = "^/[^\\x00-\\x1f\\x7f]*$"), length(max = 1024))
        )
    )]
    pub paths: Vec<String>,
    /// Globs of files to leave out. A pattern without a slash is matched against the file's name, one that starts with a slash against its path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(
        feature = "schema",
        schemars(
            length(max = 16),
            inner(regex(pattern = "^[^\\x00-\\x1f\\x7f]+$"), length(max = 1024))
        )
    )]
    pub exclude: Vec<String>,
    /// Where to begin in a file that was there before the sidecar and has no position yet. Default: `Beginning` on a
    /// volume that the operator added, `End` on a volume that outlives the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_at: Option<StartAt>,
    /// Files whose last change is older than this when they are first seen are left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore_older: Option<Duration>,
    /// How a line becomes a record.
    #[serde(default)]
    pub format: Format,
    /// Joins several lines into one record, for example a stack trace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multiline: Option<Multiline>,
    /// Character encoding of the files, a label of the WHATWG Encoding Standard.
    #[serde(default = "utf8")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 63)))]
    pub encoding: String,
    /// The rest of a longer line is cut off, marked and counted; the line is never lost as a whole.
    #[serde(default = "default_max_line_bytes")]
    pub max_line_bytes: ByteSize,
    /// A last line without a newline is shipped, marked as partial, when nothing came after it for this long.
    #[serde(default = "default_unterminated_after")]
    pub unterminated_after: Duration,
    /// Where the directories of `paths` are mounted in the sidecar. Filled in by the operator; no part of the CRD.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub mounts: Vec<Mount>,
    /// Resource attributes of this source, beside those of the configuration. Filled in by the operator; no part of the CRD.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub resource: BTreeMap<String, String>,
}

fn utf8() -> String {
    "utf-8".to_owned()
}

const fn default_max_line_bytes() -> ByteSize {
    ByteSize::from_mib(1)
}

const fn default_unterminated_after() -> Duration {
    Duration::from_secs(5)
}

/// A directory of the application and where the sidecar has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mount {
    /// The directory as the application and the globs name it.
    pub path: String,
    /// The same directory in the sidecar's file system. Files are opened confined to it.
    pub at: String,
    /// Size limit of the volume, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_bytes: Option<u64>,
}

/// Where to begin in a file without a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum StartAt {
    Beginning,
    End,
}

/// How a line becomes a record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = [
    {"rule": "(self.type == 'Regex') == has(self.regex)", "message": "regex is required with type Regex, and only allowed with it"},
    {"rule": "self.type != 'Text' || !(has(self.body) || has(self.timestamp) || has(self.severity))",
     "message": "body, timestamp and severity name parsed fields: choose a type other than Text"},
])))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Format {
    /// Text takes the line as it is; the others parse fields out of it.
    #[serde(rename = "type", default)]
    pub kind: FormatType,
    /// Only with type `Regex`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regex: Option<RegexFormat>,
    /// The parsed field that becomes the body of the record. Default: the raw line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 256)))]
    pub body: Option<String>,
    /// The parsed field that holds the record's time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<TimestampField>,
    /// The parsed field that holds the record's severity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<SeverityField>,
}

/// Types of line formats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum FormatType {
    #[default]
    Text,
    #[serde(rename = "JSON")]
    Json,
    Logfmt,
    Regex,
    #[serde(rename = "CRI")]
    Cri,
}

/// Named capture groups become fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegexFormat {
    /// A regular expression in the syntax of the Rust crate `regex` (RE2-like, linear time) with named groups.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 1024)))]
    pub pattern: String,
}

/// A field that holds a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TimestampField {
    /// Name of the parsed field.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 256)))]
    pub field: String,
    /// `RFC3339`, `Unix` (seconds), `UnixMilli`, or a strftime layout such as `%Y-%m-%d %H:%M:%S`.
    #[serde(default = "rfc3339")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 256)))]
    pub layout: String,
    /// IANA time zone of times that carry none. Default: UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 64)))]
    pub time_zone: Option<String>,
}

fn rfc3339() -> String {
    "RFC3339".to_owned()
}

/// A field that holds a severity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SeverityField {
    /// Name of the parsed field.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 256)))]
    pub field: String,
}

/// Joins several lines into one record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = [
    {"rule": "has(self.preset) != (has(self.startPattern) || has(self.endPattern))", "message": "give either preset, or startPattern and/or endPattern"},
])))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Multiline {
    /// Stack traces of a language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<MultilinePreset>,
    /// A line that matches begins a new record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 1024)))]
    pub start_pattern: Option<String>,
    /// A line that matches ends the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 1024)))]
    pub end_pattern: Option<String>,
    /// A record is complete when nothing came after it for this long.
    #[serde(default = "default_flush_after")]
    pub flush_after: Duration,
}

const fn default_flush_after() -> Duration {
    Duration::from_secs(1)
}

/// Languages whose stack traces are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum MultilinePreset {
    Java,
    Python,
    Go,
    Node,
    Ruby,
    DotNet,
}
