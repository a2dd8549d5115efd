//! Where records go: one destination is a name, exactly one type with its settings, and settings of transport.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::reference::{ConfigMapKeyRef, SecretKeyRef, SecretRef};
use crate::{ByteSize, Duration};

/// A log store, or the sidecar's own standard output.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = [
    {"rule": "[has(self.stdout), has(self.http), has(self.loki), has(self.otlp), has(self.elasticsearch), has(self.syslog), has(self.splunk), has(self.kafka), has(self.s3)].filter(x, x).size() == 1",
     "message": "exactly one of stdout, http, loki, otlp, elasticsearch, syslog, splunk, kafka, s3"},
])))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Destination {
    /// Name of the destination, unique in the object. Positions are kept under it: a new name starts anew, the same
    /// name with another address goes on where it was.
    #[cfg_attr(
        feature = "schema",
        schemars(regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"), length(max = 63))
    )]
    pub name: String,
    /// Sources that are sent here. Default: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 16), inner(length(max = 63))))]
    pub sources: Vec<String>,
    /// The sidecar's standard output, seen by `kubectl logs -c logshipping-sidecar`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdout: Option<Stdout>,
    /// JSON lines by HTTP POST; any 2xx answer means stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<Http>,
    /// Grafana Loki.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loki: Option<Loki>,
    /// OpenTelemetry protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otlp: Option<Otlp>,
    /// Elasticsearch and OpenSearch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elasticsearch: Option<Elasticsearch>,
    /// RFC 5424 syslog.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub syslog: Option<Syslog>,
    /// Splunk HTTP Event Collector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub splunk: Option<Splunk>,
    /// Apache Kafka.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kafka: Option<Kafka>,
    /// Objects in an S3 bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3>,
    /// A local file. Only in the sidecar's own configuration: in the CRD it would be a way to write into any volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub file: Option<File>,
    /// TLS settings, for addresses that use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// Credentials, always by reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// HTTP proxy. Default: `HTTPS_PROXY` and `NO_PROXY` of the sidecar's environment, else none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(regex(pattern = "^https?://[^@\\s]+$"), length(max = 2048))
    )]
    pub proxy: Option<String>,
    /// Compression of requests. `Auto` takes the best that the protocol's servers are known to accept.
    #[serde(default)]
    pub compression: Compression,
    /// How long one request may take, connecting included.
    #[serde(default = "default_timeout")]
    pub timeout: Duration,
    /// How records are grouped into requests. Default: by type.
    #[serde(default)]
    pub batch: Batch,
    /// What happens when a request fails.
    #[serde(default)]
    pub retry: Retry,
}

const fn default_timeout() -> Duration {
    Duration::from_secs(30)
}

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

/// TLS settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = [
    {"rule": "!(has(self.ca) && has(self.insecureSkipVerify) && self.insecureSkipVerify)", "message": "insecureSkipVerify makes ca meaningless: remove one of them"},
])))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tls {
    /// Certificate authority that the server's certificate must come from. Default: the public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<CertificateAuthority>,
    /// The sidecar's own certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<ClientCertificate>,
    /// Name that the server's certificate must carry. Default: the host of the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 253)))]
    pub server_name: Option<String>,
    /// Accepts any certificate. Anyone on the path can then read and change the logs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub insecure_skip_verify: bool,
}

/// Where the PEM file of a certificate authority is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = [
    {"rule": "has(self.configMapKeyRef) != has(self.secretKeyRef)", "message": "exactly one of configMapKeyRef, secretKeyRef"},
])))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CertificateAuthority {
    /// In a ConfigMap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<ConfigMapKeyRef>,
    /// In a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<SecretKeyRef>,
}

/// The sidecar's own certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientCertificate {
    /// A Secret with the keys `tls.crt` and `tls.key`.
    pub secret_ref: SecretRef,
}

/// Credentials, exactly one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = [
    {"rule": "[has(self.basic), has(self.bearer), has(self.header), has(self.oauth2)].filter(x, x).size() == 1", "message": "exactly one of basic, bearer, header, oauth2"},
])))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Auth {
    /// User name and password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic: Option<BasicAuth>,
    /// A bearer token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer: Option<BearerAuth>,
    /// A header of one's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<HeaderAuth>,
    /// OAuth 2.0 client credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth2: Option<OAuth2>,
}

/// HTTP basic authentication.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BasicAuth {
    /// A Secret with the keys `username` and `password`.
    pub secret_ref: SecretRef,
}

/// A bearer token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BearerAuth {
    /// The key that holds the token.
    pub secret_key_ref: SecretKeyRef,
}

/// A secret header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HeaderAuth {
    /// Name of the header.
    #[cfg_attr(
        feature = "schema",
        schemars(regex(pattern = "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"), length(min = 1, max = 128))
    )]
    pub name: String,
    /// The key that holds the value.
    pub secret_key_ref: SecretKeyRef,
}

/// OAuth 2.0 client credentials, RFC 6749 section 4.4.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OAuth2 {
    /// Where tokens come from.
    #[serde(rename = "tokenURL")]
    #[cfg_attr(
        feature = "schema",
        schemars(regex(pattern = "^https?://[^@\\s]+$"), length(max = 2048))
    )]
    pub token_url: String,
    /// Scopes to ask for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = 16), inner(length(min = 1, max = 256))))]
    pub scopes: Vec<String>,
    /// A Secret with the keys `client_id` and `client_secret`.
    pub secret_ref: SecretRef,
}

/// Compression of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Compression {
    #[default]
    Auto,
    None,
    Gzip,
    Zstd,
    Snappy,
    Lz4,
}

/// How records are grouped into requests; what is unset takes the default of the destination's type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Batch {
    /// Size of the log text in one request at which it is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<ByteSize>,
    /// Longest time that a record waits for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_delay: Option<Duration>,
    /// Requests under way at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 64)))]
    pub in_flight: Option<u32>,
}

/// What happens when a request fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Retry {
    /// First pause; it doubles with each failure, with jitter.
    #[serde(default = "default_initial_backoff")]
    pub initial_backoff: Duration,
    /// Longest pause.
    #[serde(default = "default_max_backoff")]
    pub max_backoff: Duration,
    /// Records older than this are dropped and counted. Default: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub give_up_after: Option<Duration>,
}

const fn default_initial_backoff() -> Duration {
    Duration::from_millis(200)
}

const fn default_max_backoff() -> Duration {
    Duration::from_secs(30)
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            initial_backoff: default_initial_backoff(),
            max_backoff: default_max_backoff(),
            give_up_after: None,
        }
    }
}

/// The one type of a destination, with its settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind<'a> {
    Stdout(&'a Stdout),
    Http(&'a Http),
    Loki(&'a Loki),
    Otlp(&'a Otlp),
    Elasticsearch(&'a Elasticsearch),
    Syslog(&'a Syslog),
    Splunk(&'a Splunk),
    Kafka(&'a Kafka),
    S3(&'a S3),
    File(&'a File),
}

impl Kind<'_> {
    /// The name of the type as users write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stdout(_) => "stdout",
            Self::Http(_) => "http",
            Self::Loki(_) => "loki",
            Self::Otlp(_) => "otlp",
            Self::Elasticsearch(_) => "elasticsearch",
            Self::Syslog(_) => "syslog",
            Self::Splunk(_) => "splunk",
            Self::Kafka(_) => "kafka",
            Self::S3(_) => "s3",
            Self::File(_) => "file",
        }
    }
}

impl Destination {
    /// The type of the destination, if there is exactly one.
    pub fn kind(&self) -> Option<Kind<'_>> {
        let mut kinds = self.kinds();
        let first = kinds.next();
        first.filter(|_| kinds.next().is_none())
    }

    fn kinds(&self) -> impl Iterator<Item = Kind<'_>> {
        [
            self.stdout.as_ref().map(Kind::Stdout),
            self.http.as_ref().map(Kind::Http),
            self.loki.as_ref().map(Kind::Loki),
            self.otlp.as_ref().map(Kind::Otlp),
            self.elasticsearch.as_ref().map(Kind::Elasticsearch),
            self.syslog.as_ref().map(Kind::Syslog),
            self.splunk.as_ref().map(Kind::Splunk),
            self.kafka.as_ref().map(Kind::Kafka),
            self.s3.as_ref().map(Kind::S3),
            self.file.as_ref().map(Kind::File),
        ]
        .into_iter()
        .flatten()
    }
}
