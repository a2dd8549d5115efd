//! What to read: files by glob, how their lines are framed and parsed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{ByteSize, Duration};
#[cfg(feature = "schema")]
use crate::{form, limits, schema::rules};

/// A set of files of one container, read in one way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Source {
    /// Name of the source, unique in the object. Destinations refer to it, and positions in the files are kept under
    /// it: a renamed source begins anew. Example: `access`.
    #[cfg_attr(feature = "schema", schemars(length(max = 63), extend("x-kubernetes-validations" = rules::text(&form::NAME))))]
    pub name: String,
    /// Container that writes the files. Default: the one that the annotation
    /// `kubectl.kubernetes.io/default-container` of the pod template names, else the first container of the owner. May also be a native sidecar of the owner's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = 63), extend("x-kubernetes-validations" = rules::container())))]
    pub container: Option<String>,
    /// Absolute globs of the files to read, as the application sees them: `*`, `?`, `[a-z]`, `{a,b}`, and `**` for
    /// directories at any depth. The part before the first glob character is the directory that is shared with the
    /// sidecar; a directory of the system never is. Example: `["/var/log/app/*.log"]`.
    #[cfg_attr(
        feature = "schema",
        schemars(
            length(min = 1, max = 16),
            inner(length(max = 1024)),
            extend("x-kubernetes-list-type" = "set", "x-kubernetes-validations" = rules::paths())
        )
    )]
    pub paths: Vec<String>,
    /// Globs of files to leave out. One without a slash is matched against the name of the file, any other against
    /// its path. Example: `["*.gz", "/var/log/app/old/**"]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(
        feature = "schema",
        schemars(
            length(max = 16),
            inner(regex(pattern = form::TEXT.pattern()), length(min = 1, max = 1024)),
            extend("x-kubernetes-list-type" = "set")
        )
    )]
    pub exclude: Vec<String>,
    /// Where to begin in a file that was there before the sidecar and has no position yet: `Beginning` or `End`.
    /// Default: `Beginning` on a volume that the operator added, `End` on one that outlives the pod. A file that
    /// appears later is always read from its beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_at: Option<StartAt>,
    /// Files whose last change is longer ago than this when they are first seen are left alone. Default: none are.
    /// Example: `24h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = rules::duration(limits::IGNORE_OLDER))))]
    pub ignore_older: Option<Duration>,
    /// How a line becomes a record. Default: the line is the body of the record as it is. A line that can't be
    /// parsed is shipped as it is, marked and counted.
    #[serde(default)]
    pub format: Format,
    /// Joins several lines into one record, for example a stack trace. Default: every line is a record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multiline: Option<Multiline>,
    /// Character encoding of the files, a label of the WHATWG Encoding Standard such as `utf-8`, `utf-16le` or
    /// `windows-1252`. A byte order mark at the beginning of a file says more. Bytes that are invalid are replaced, and
    /// their lines counted.
    #[serde(default = "utf8")]
    #[cfg_attr(feature = "schema", schemars(length(max = 63), extend("x-kubernetes-validations" = rules::text(&form::ENCODING))))]
    pub encoding: String,
    /// Longest line, in bytes of the file. The rest of a longer one is cut off, marked and counted; the line is never lost as a
    /// whole. A number of bytes, or a quantity such as `256Ki`.
    #[serde(default = "default_max_line_bytes")]
    #[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = rules::size(limits::MAX_LINE_BYTES))))]
    pub max_line_bytes: ByteSize,
    /// A last line without a newline is shipped, marked as partial, when nothing came after it for this long.
    #[serde(default = "default_unterminated_after")]
    #[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = rules::duration(limits::WAIT_FOR_MORE))))]
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
#[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = rules::rules(&[
    ("(self.type == 'Regex') == has(self.regex)", REGEX_BELONGS),
    ("self.type != 'Text' || !(has(self.body) || has(self.timestamp) || has(self.severity))", TEXT_HAS_NO_FIELDS),
]))))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Format {
    /// `Text` takes the line as it is; the others parse fields out of it. `JSON`: one object a line, nested keys are
    /// joined by `.`. `Logfmt`: `key=value` pairs. `Regex`: the named groups of `regex.pattern`. `CRI`: files of a
    /// container runtime.
    #[serde(rename = "type", default)]
    pub kind: FormatType,
    /// The regular expression; with type `Regex`, and only then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regex: Option<RegexFormat>,
    /// The parsed field that becomes the body of the record. Default: the raw line. Example: `msg`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 256), regex(pattern = form::TEXT.pattern())))]
    pub body: Option<String>,
    /// The parsed field that holds the time of the record. Default: the time at which the line was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<TimestampField>,
    /// The parsed field that holds the severity of the record. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<SeverityField>,
}

pub(crate) const REGEX_BELONGS: &str = "regex is required with type Regex, and only allowed with it";
pub(crate) const TEXT_HAS_NO_FIELDS: &str =
    "body, timestamp and severity name parsed fields: choose a type other than Text";

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
    /// A regular expression with named groups, which become fields. Syntax of the Rust crate `regex`: like RE2, no
    /// look-around, no back-references. Example: `^(?P<ip>\S+) (?P<status>\d+)$`.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 1024), regex(pattern = form::TEXT.pattern())))]
    pub pattern: String,
}

/// A field that holds a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = rules::rules(&[
    ("self.layout in ['RFC3339', 'Unix', 'UnixMilli'] || self.layout.contains('%')", LAYOUT),
    ("!has(self.timeZone) || !(self.layout in ['Unix', 'UnixMilli'])", ZONE_BELONGS),
]))))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TimestampField {
    /// Name of the parsed field. Example: `ts`.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 256), regex(pattern = form::TEXT.pattern())))]
    pub field: String,
    /// `RFC3339`, `Unix` (seconds, fractions allowed), `UnixMilli`, or a strftime layout with date and time of day, such
    /// as `%Y-%m-%d %H:%M:%S%.f`. Without a year it is the one in which the line was read.
    #[serde(default = "rfc3339")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 256), regex(pattern = form::TEXT.pattern())))]
    pub layout: String,
    /// IANA time zone of times that say none. Default: UTC. Example: `Europe/Berlin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = 64), extend("x-kubernetes-validations" = rules::text(&form::TIME_ZONE))))]
    pub time_zone: Option<String>,
}

pub(crate) const LAYOUT: &str =
    "layout must be RFC3339, Unix, UnixMilli, or a strftime layout such as %Y-%m-%d %H:%M:%S";
pub(crate) const ZONE_BELONGS: &str =
    "timeZone is for RFC3339 and strftime layouts: seconds since 1970 are the same everywhere";

fn rfc3339() -> String {
    "RFC3339".to_owned()
}

/// A field that holds a severity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SeverityField {
    /// Name of the parsed field. Its text is read as a severity, whatever the case: `info`, `WARN`, `error` and
    /// the like. Example: `level`.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 256), regex(pattern = form::TEXT.pattern())))]
    pub field: String,
}

/// Joins several lines into one record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = rules::rules(&[
    ("has(self.preset) != (has(self.startPattern) || has(self.endPattern))", PRESET_OR_PATTERNS),
]))))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Multiline {
    /// Stack traces of a language: `Java`, `Python`, `Go`, `Node`, `Ruby` or `DotNet`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<MultilinePreset>,
    /// A line in which this regular expression is found begins a new record. Example: `^\d{4}-\d\d-\d\d`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 1024), regex(pattern = form::TEXT.pattern())))]
    pub start_pattern: Option<String>,
    /// A line in which this regular expression is found ends the record. Example: `;$`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 1024), regex(pattern = form::TEXT.pattern())))]
    pub end_pattern: Option<String>,
    /// A record is complete when nothing came after it for this long.
    #[serde(default = "default_flush_after")]
    #[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = rules::duration(limits::WAIT_FOR_MORE))))]
    pub flush_after: Duration,
}

pub(crate) const PRESET_OR_PATTERNS: &str = "give either preset, or startPattern and/or endPattern";

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
