//! What happens to records between reading and sending. A transform is one verb; conditions stand inside the verb and
//! never nest, because a CRD schema can't recurse.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One step, exactly one verb.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = [
    {"rule": "[has(self.keep), has(self.drop), has(self.redact), has(self.sample), has(self.rateLimit), has(self.set), has(self.remove)].filter(x, x).size() == 1",
     "message": "exactly one of keep, drop, redact, sample, rateLimit, set, remove"},
])))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Transform {
    /// Only records that match go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<Condition>,
    /// Records that match are left out; they count as filtered, not as lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drop: Option<Condition>,
    /// Replaces secrets and personal data in the body and in all text fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redact: Option<Redact>,
    /// Keeps a share of the records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<Sample>,
    /// Bounds the number of records per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
    /// Sets fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<SetFields>,
    /// Removes fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remove: Option<RemoveFields>,
}

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
#[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = [
    {"rule": "[has(self.equals), has(self.__in__), has(self.exists), has(self.matches), has(self.atLeast)].filter(x, x).size() == 1",
     "message": "exactly one of equals, in, exists, matches, atLeast"},
])))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct When {
    /// `body`, `severity`, or the name of an attribute.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 256)))]
    pub field: String,
    /// The field is exactly this text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = 256)))]
    pub equals: Option<String>,
    /// The field is one of these texts.
    #[serde(rename = "in", default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 32), inner(length(max = 256))))]
    pub one_of: Option<Vec<String>>,
    /// The record has the field, or has it not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exists: Option<bool>,
    /// The regular expression is found in the field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 1024)))]
    pub matches: Option<String>,
    /// The severity is this or a higher one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<Severity>,
    /// Negates the test.
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
#[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = [
    {"rule": "has(self.presets) || has(self.patterns)", "message": "give presets or patterns"},
])))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Redact {
    /// Known kinds of values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 16)))]
    pub presets: Vec<RedactPreset>,
    /// Patterns of one's own.
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
    /// A regular expression.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 1024)))]
    pub pattern: String,
    /// The text in its place.
    #[cfg_attr(feature = "schema", schemars(length(max = 256)))]
    pub replacement: String,
}

/// A share of the records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sample {
    /// How many of a hundred records go on.
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = 100)))]
    pub percent: u8,
    /// Records with the same value of this field are kept or left out together. Without it, file and offset decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 256)))]
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
    /// `Drop` judges by the time of the record, so that the backlog of an outage isn't dropped; `Wait` reads slower.
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
    /// Names and values.
    #[cfg_attr(feature = "schema", schemars(extend("minProperties" = 1, "maxProperties" = 32), inner(length(max = 256))))]
    pub fields: BTreeMap<String, String>,
}

/// Fields to remove.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RemoveFields {
    /// Names.
    #[cfg_attr(
        feature = "schema",
        schemars(length(min = 1, max = 32), inner(length(min = 1, max = 256)))
    )]
    pub fields: Vec<String>,
}
