//! The settings of each type of destination.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::reference::{SecretKeyRef, SecretRef};

/// What a line on standard output or in a file looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum LineFormat {
    /// The line as it was read.
    #[default]
    Raw,
    /// One JSON object a line.
    #[serde(rename = "JSON")]
    Json,
}

/// Standard output.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Stdout {
    /// `Raw` or `JSON`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<LineFormat>,
}

/// JSON lines over HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Http {
    /// Where to POST. Credentials don't belong here, see `auth`.
    #[cfg_attr(
        feature = "schema",
        schemars(regex(pattern = "^https?://[^@\\s/?#]+([/?#][^\\s]*)?$"), length(max = 2048))
    )]
    pub url: String,
    /// Additional request headers. Not for secrets: they are visible to everyone who can read this object.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "schema", schemars(extend("maxProperties" = 32), inner(length(max = 256))))]
    pub headers: BTreeMap<String, String>,
}

/// Grafana Loki's push API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Loki {
    /// Base URL; `/loki/api/v1/push` is added.
    #[cfg_attr(
        feature = "schema",
        schemars(regex(pattern = "^https?://[^@\\s/?#]+(/[^\\s?#]*)?$"), length(max = 2048))
    )]
    pub url: String,
    /// Tenant, sent as `X-Scope-OrgID`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(regex(pattern = "^[a-zA-Z0-9!_.*'()-]+$"), length(max = 150))
    )]
    pub tenant: Option<String>,
    /// Stream labels and the fields they come from. Default: `service_name` from `service.name`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "schema", schemars(extend("maxProperties" = 15), inner(length(min = 1, max = 256))))]
    pub labels: BTreeMap<String, String>,
    /// Fields to send as structured metadata: right for values of which there are many, such as pod names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = 32), inner(length(min = 1, max = 256))))]
    pub structured_metadata: Vec<String>,
}

/// OpenTelemetry protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Otlp {
    /// Base URL.
    #[cfg_attr(
        feature = "schema",
        schemars(regex(pattern = "^https?://[^@\\s]+$"), length(max = 2048))
    )]
    pub endpoint: String,
    /// `HTTP` (adds `/v1/logs`) or `GRPC`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<OtlpProtocol>,
}

/// Transports of OTLP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum OtlpProtocol {
    #[default]
    #[serde(rename = "HTTP")]
    Http,
    #[serde(rename = "GRPC")]
    Grpc,
}

/// Elasticsearch and OpenSearch `_bulk`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = [
    {"rule": "has(self.dataStream) != has(self.index)", "message": "exactly one of dataStream, index"},
])))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Elasticsearch {
    /// Base URL.
    #[cfg_attr(
        feature = "schema",
        schemars(regex(pattern = "^https?://[^@\\s]+$"), length(max = 2048))
    )]
    pub url: String,
    /// Data stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 255)))]
    pub data_stream: Option<String>,
    /// Index, with `{yyyy.MM.dd}` for the record's date in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 255)))]
    pub index: Option<String>,
    /// Gives each record an id of its own, so that a repeated request stores it once. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotent: Option<bool>,
}

/// Syslog, RFC 5424.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Syslog {
    /// `host:port`.
    #[cfg_attr(
        feature = "schema",
        schemars(regex(pattern = "^[^\\s/@]+:[0-9]{1,5}$"), length(max = 261))
    )]
    pub address: String,
    /// `TCP`, `TLS` or `UDP`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<SyslogProtocol>,
    /// Facility by name, for example `local0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 16)))]
    pub facility: Option<String>,
    /// APP-NAME of the messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 48)))]
    pub app_name: Option<String>,
}

/// Transports of syslog.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum SyslogProtocol {
    #[default]
    #[serde(rename = "TCP")]
    Tcp,
    #[serde(rename = "TLS")]
    Tls,
    #[serde(rename = "UDP")]
    Udp,
}

/// Splunk HTTP Event Collector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Splunk {
    /// Base URL.
    #[cfg_attr(
        feature = "schema",
        schemars(regex(pattern = "^https?://[^@\\s]+$"), length(max = 2048))
    )]
    pub url: String,
    /// The collector's token.
    pub token: SplunkToken,
    /// Sends lines to the raw endpoint instead of events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<bool>,
    /// Index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 255)))]
    pub index: Option<String>,
    /// Source type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 255)))]
    pub sourcetype: Option<String>,
    /// Waits for the indexer's acknowledgement. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledge: Option<bool>,
}

/// A reference to the collector's token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SplunkToken {
    /// The key that holds the token.
    pub secret_key_ref: SecretKeyRef,
}

/// Apache Kafka.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Kafka {
    /// Bootstrap servers, `host:port`.
    #[cfg_attr(
        feature = "schema",
        schemars(
            length(min = 1, max = 16),
            inner(regex(pattern = "^[^\\s/@]+:[0-9]{1,5}$"), length(max = 261))
        )
    )]
    pub brokers: Vec<String>,
    /// Topic.
    #[cfg_attr(
        feature = "schema",
        schemars(regex(pattern = "^[a-zA-Z0-9._-]+$"), length(min = 1, max = 249))
    )]
    pub topic: String,
    /// Authentication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sasl: Option<Sasl>,
}

/// SASL authentication.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sasl {
    /// The mechanism.
    pub mechanism: SaslMechanism,
    /// A Secret with the keys `username` and `password`.
    pub secret_ref: SecretRef,
}

/// SASL mechanisms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum SaslMechanism {
    #[serde(rename = "PLAIN")]
    Plain,
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
}

/// An S3 bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct S3 {
    /// Bucket.
    #[cfg_attr(feature = "schema", schemars(length(min = 3, max = 63)))]
    pub bucket: String,
    /// Region.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 63)))]
    pub region: String,
    /// Endpoint of a store that isn't AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(regex(pattern = "^https?://[^@\\s]+$"), length(max = 2048))
    )]
    pub endpoint: Option<String>,
    /// Prefix of object keys, with `{yyyy}/{MM}/{dd}/{HH}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 512)))]
    pub key_prefix: Option<String>,
    /// Credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<S3Credentials>,
}

/// Credentials for S3, one of the two.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = [
    {"rule": "has(self.secretRef) != has(self.webIdentityTokenFile)", "message": "exactly one of secretRef, webIdentityTokenFile"},
])))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct S3Credentials {
    /// A Secret with `aws_access_key_id`, `aws_secret_access_key` and, if need be, `aws_session_token`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
    /// A projected token file in the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(regex(pattern = "^/[^\\x00-\\x1f\\x7f]*$"), length(max = 1024))
    )]
    pub web_identity_token_file: Option<String>,
}

/// A local file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct File {
    /// Absolute path; the file is appended to.
    pub path: String,
    /// `Raw` or `JSON`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<LineFormat>,
}
