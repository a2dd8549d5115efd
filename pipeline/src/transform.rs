//! What happens to records between reading and sending. A transform is one verb; conditions stand inside the verb and
//! never nest, because a CRD schema can't recurse.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

#[cfg(feature = "schema")]
use crate::{form, schema, schema::rules};

/// One step, exactly one verb.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = rules::exactly_one(VERBS))))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Transform {
    /// Only records that match go on. Example: `keep: {when: {field: severity, atLeast: Info}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<Condition>,
    /// Records that match are left out; they count as filtered, not as lost. Example:
    /// `drop: {when: {field: body, matches: "GET /healthz"}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drop: Option<Condition>,
    /// Replaces secrets and personal data in the body and in all text fields. Example:
    /// `redact: {presets: [CreditCard], patterns: [{pattern: "token=\\S+", replacement: "token=***"}]}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redact: Option<Redact>,
    /// Keeps a share of the records. Example: `sample: {percent: 10, key: trace_id}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<Sample>,
    /// Bounds the number of records per second. Example: `rateLimit: {recordsPerSecond: 1000, onExceed: Drop}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
    /// Sets fields. Example: `set: {fields: {team: payments}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<SetFields>,
    /// Removes fields. Example: `remove: {fields: [password]}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remove: Option<RemoveFields>,
}

/// The verbs, in the order in which messages list them.
pub(crate) const VERBS: &[&str] = &["keep", "drop", "redact", "sample", "rateLimit", "set", "remove"];

/// The operators of a test.
pub(crate) const OPERATORS: &[&str] = &["equals", "in", "exists", "matches", "atLeast"];

pub(crate) const SEVERITY_ONLY: &str = "atLeast compares severities: it needs field: severity";
pub(crate) const SOMETHING_TO_REDACT: &str = "give presets or patterns";

/// A required condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Condition {
    /// Which records.
    pub when: When,
}

/// A test of one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = rules::exactly_one_and(OPERATORS, &[
    ("!has(self.atLeast) || self.field == 'severity'", SEVERITY_ONLY),
]))))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct When {
    /// `body`, `severity`, or the name of a field. Example: `http.status`.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 256), regex(pattern = form::TEXT.pattern())))]
    pub field: String,
    /// The field is exactly this text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = 256), regex(pattern = form::TEXT.pattern())))]
    pub equals: Option<String>,
    /// The field is one of these texts.
    #[serde(rename = "in", default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(length(min = 1, max = 32), inner(length(max = 256), regex(pattern = form::TEXT.pattern())))
    )]
    pub one_of: Option<Vec<String>>,
    /// `true`: the record has the field. `false`: it has it not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exists: Option<bool>,
    /// This regular expression is found somewhere in the field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 1024), regex(pattern = form::TEXT.pattern())))]
    pub matches: Option<String>,
    /// The severity is this or a higher one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<Severity>,
    /// `true` negates the test.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not: bool,
}

/// Severities of the OpenTelemetry log data model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Severity {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
}

/// What to replace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = rules::rules(&[
    ("has(self.presets) || has(self.patterns)", SOMETHING_TO_REDACT),
]))))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Redact {
    /// Known kinds of values: `CreditCard`, `Email`, `JWT`, `IPv4`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 16), extend("x-kubernetes-list-type" = "set")))]
    pub presets: Vec<RedactPreset>,
    /// Patterns of one's own, applied in order after the presets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 16)))]
    pub patterns: Vec<RedactPattern>,
}

/// Known kinds of values to redact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum RedactPreset {
    CreditCard,
    Email,
    #[serde(rename = "JWT")]
    Jwt,
    IPv4,
}

/// A pattern and what stands in its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RedactPattern {
    /// A regular expression that doesn't match the empty text.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 1024), regex(pattern = form::TEXT.pattern())))]
    pub pattern: String,
    /// The text in place of each match.
    #[cfg_attr(feature = "schema", schemars(length(max = 256), regex(pattern = form::TEXT.pattern())))]
    pub replacement: String,
}

/// A share of the records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sample {
    /// How many of a hundred records go on: 0 to 100.
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = 100)))]
    pub percent: u8,
    /// Records with the same value of this field are kept or left out together. Default: file and offset decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 256), regex(pattern = form::TEXT.pattern())))]
    pub key: Option<String>,
}

/// A bound on records per second.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RateLimit {
    /// The lasting rate.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 10_000_000)))]
    pub records_per_second: u32,
    /// How many records may come at once. Default: one second's worth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 10_000_000)))]
    pub burst: Option<u32>,
    /// `Drop` leaves out what is above the rate, judged by the time of the record, so that the backlog of an outage
    /// isn't dropped. `Wait` reads slower, by the clock: the rest stays in its file as pending, and no other source or
    /// destination is held back; when the pod ends it leaves at once.
    #[serde(default)]
    pub on_exceed: OnExceed,
}

/// What happens above the rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum OnExceed {
    #[default]
    Drop,
    Wait,
}

/// Fields to set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetFields {
    /// Names and values of the fields, at most 32.
    #[cfg_attr(feature = "schema", schemars(schema_with = "schema::set_fields"))]
    pub fields: BTreeMap<String, String>,
}

/// Fields to remove.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RemoveFields {
    /// Names of the fields, at most 32.
    #[cfg_attr(
        feature = "schema",
        schemars(
            length(min = 1, max = 32),
            inner(length(min = 1, max = 256), regex(pattern = form::TEXT.pattern())),
            extend("x-kubernetes-list-type" = "set")
        )
    )]
    pub fields: Vec<String>,
}
