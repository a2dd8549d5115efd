//! The settings of each type of destination.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::reference::{SecretKeyRef, SecretRef};
#[cfg(feature = "schema")]
use crate::{form, schema, schema::rules};

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
    /// `Raw`: the line as it was read. `JSON`: one object a line with `timestamp`, `body` and all fields. Default: `Raw`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<LineFormat>,
}

/// JSON lines over HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Http {
    /// Where to POST. Credentials don't belong here, see `auth`. Example: `https://logs.example/ingest?team=shop`.
    #[cfg_attr(feature = "schema", schemars(length(max = 2048), extend("x-kubernetes-validations" = rules::text(&form::URL))))]
    pub url: String,
    /// Additional request headers. Not for secrets, which everyone who can read this object would see: use `auth`.
    /// Example: `{X-Team: shop}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "schema::headers"))]
    pub headers: BTreeMap<String, String>,
}

/// Grafana Loki's push API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Loki {
    /// Base URL; `/loki/api/v1/push` is added. Example: `http://loki.logging:3100`.
    #[cfg_attr(feature = "schema", schemars(length(max = 2048), extend("x-kubernetes-validations" = rules::text(&form::BASE_URL))))]
    pub url: String,
    /// Tenant, sent as `X-Scope-OrgID`. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = 150), extend("x-kubernetes-validations" = rules::text(&form::TENANT))))]
    pub tenant: Option<String>,
    /// Stream labels and the fields that they come from, at most 15. Choose fields with few different values.
    /// Default: `{service_name: service.name}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "schema::labels"))]
    pub labels: BTreeMap<String, String>,
    /// Fields to send as structured metadata: right for values of which there are many. Example: `[k8s.pod.name]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(
        feature = "schema",
        schemars(
            length(max = 32),
            inner(length(min = 1, max = 256), regex(pattern = form::TEXT.pattern())),
            extend("x-kubernetes-list-type" = "set")
        )
    )]
    pub structured_metadata: Vec<String>,
}

/// OpenTelemetry protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Otlp {
    /// Base URL. Example: `http://collector.observability:4318`.
    #[cfg_attr(feature = "schema", schemars(length(max = 2048), extend("x-kubernetes-validations" = rules::text(&form::BASE_URL))))]
    pub endpoint: String,
    /// `HTTP` (adds `/v1/logs`) or `GRPC`. Default: `HTTP`.
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
#[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = rules::exactly_one(ELASTIC_TARGETS))))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Elasticsearch {
    /// Base URL; `/_bulk` is added. Example: `https://elasticsearch.logging:9200`.
    #[cfg_attr(feature = "schema", schemars(length(max = 2048), extend("x-kubernetes-validations" = rules::text(&form::BASE_URL))))]
    pub url: String,
    /// Name of a data stream. Exactly one of `dataStream` and `index` is needed. Example: `logs-shop-default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = 255), extend("x-kubernetes-validations" = rules::text(&form::DATA_STREAM))))]
    pub data_stream: Option<String>,
    /// Name of an index, with `{yyyy.MM.dd}` for the date of the record in UTC. Example: `shop-{yyyy.MM.dd}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = 255), extend("x-kubernetes-validations" = rules::text(&form::INDEX))))]
    pub index: Option<String>,
    /// Gives each record an id of its own, so that a repeated request stores it once. Default: `true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotent: Option<bool>,
}

/// Syslog, RFC 5424.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Syslog {
    /// `host:port`. Example: `logs.example:6514`.
    #[cfg_attr(feature = "schema", schemars(length(max = 261), extend("x-kubernetes-validations" = rules::text(&form::ADDRESS))))]
    pub address: String,
    /// `TCP`, `TLS` or `UDP`. Over `UDP` lines can be lost unseen. Default: `TCP`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<SyslogProtocol>,
    /// Facility of the messages. Default: `user`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facility: Option<SyslogFacility>,
    /// APP-NAME of the messages. Default: the name of the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = 48), extend("x-kubernetes-validations" = rules::text(&form::APP_NAME))))]
    pub app_name: Option<String>,
}

/// Facilities of syslog, by the names that configurations use for the numbers of RFC 5424, section 6.2.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum SyslogFacility {
    Kern,
    User,
    Mail,
    Daemon,
    Auth,
    Syslog,
    Lpr,
    News,
    Uucp,
    Cron,
    Authpriv,
    Ftp,
    Local0,
    Local1,
    Local2,
    Local3,
    Local4,
    Local5,
    Local6,
    Local7,
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
    /// Base URL of the collector. Example: `https://splunk.example:8088`.
    #[cfg_attr(feature = "schema", schemars(length(max = 2048), extend("x-kubernetes-validations" = rules::text(&form::BASE_URL))))]
    pub url: String,
    /// The collector's token.
    pub token: SplunkToken,
    /// Sends lines to the raw endpoint instead of events. Default: `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<bool>,
    /// Index. Default: that of the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 255), regex(pattern = form::TEXT.pattern())))]
    pub index: Option<String>,
    /// Source type. Default: that of the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 255), regex(pattern = form::TEXT.pattern())))]
    pub sourcetype: Option<String>,
    /// Waits until the indexers have acknowledged, so that nothing is lost between collector and indexer. Default:
    /// `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledge: Option<bool>,
}

/// The members of [`Elasticsearch`] that say where records go.
pub(crate) const ELASTIC_TARGETS: &[&str] = &["dataStream", "index"];

/// The members of [`S3Credentials`].
pub(crate) const S3_CREDENTIALS: &[&str] = &["secretRef", "webIdentityTokenFile"];

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
    /// Bootstrap servers, `host:port`. Example: `["kafka-0.kafka:9092"]`.
    #[cfg_attr(
        feature = "schema",
        schemars(
            length(min = 1, max = 16),
            inner(length(max = 261)),
            extend("x-kubernetes-list-type" = "set", "x-kubernetes-validations" = rules::each(&form::ADDRESS))
        )
    )]
    pub brokers: Vec<String>,
    /// Topic. Example: `logs`.
    #[cfg_attr(feature = "schema", schemars(length(max = 249), extend("x-kubernetes-validations" = rules::text(&form::TOPIC))))]
    pub topic: String,
    /// Authentication. Default: none.
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
    /// Bucket. Example: `shop-logs`.
    #[cfg_attr(feature = "schema", schemars(length(max = 63), extend("x-kubernetes-validations" = rules::text(&form::BUCKET))))]
    pub bucket: String,
    /// Region. Example: `eu-central-1`.
    #[cfg_attr(feature = "schema", schemars(length(max = 63), extend("x-kubernetes-validations" = rules::text(&form::REGION))))]
    pub region: String,
    /// Base URL of a store that isn't AWS. Default: AWS in `region`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = 2048), extend("x-kubernetes-validations" = rules::text(&form::BASE_URL))))]
    pub endpoint: Option<String>,
    /// Prefix of object keys, with `{yyyy}`, `{MM}`, `{dd}`, `{HH}` for the time in UTC. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = 512), extend("x-kubernetes-validations" = rules::text(&form::KEY_PREFIX))))]
    pub key_prefix: Option<String>,
    /// Credentials: exactly one of `secretRef` and `webIdentityTokenFile`. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<S3Credentials>,
}

/// Credentials for S3, one of the two.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = rules::exactly_one(S3_CREDENTIALS))))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct S3Credentials {
    /// A Secret with `aws_access_key_id`, `aws_secret_access_key` and, if need be, `aws_session_token`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
    /// Path of a projected token file in the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = 1024), extend("x-kubernetes-validations" = rules::text(&form::PATH))))]
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
