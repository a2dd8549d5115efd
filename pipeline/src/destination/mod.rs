//! Where records go: one destination is a name, exactly one type with its settings, and settings of transport.

pub mod abilities;
pub(crate) mod header;
mod references;
mod security;
mod sending;
mod types;

use serde::{Deserialize, Serialize};

pub(crate) use self::security::{AUTHORITIES, KINDS_OF_AUTH, SKIP_VERIFY};
pub use self::security::{
    Auth, BasicAuth, BearerAuth, CertificateAuthority, ClientCertificate, HeaderAuth, OAuth2, Tls,
};
pub(crate) use self::sending::BACKOFFS;
pub use self::sending::{Batch, Compression, Retry};
pub(crate) use self::types::{ELASTIC_TARGETS, S3_CREDENTIALS};
pub use self::types::{
    Elasticsearch, File, Http, Kafka, LineFormat, Loki, Otlp, OtlpProtocol, S3, S3Credentials, Sasl, SaslMechanism,
    Splunk, SplunkToken, Stdout, Syslog, SyslogFacility, SyslogProtocol,
};
use crate::Duration;
#[cfg(feature = "schema")]
use crate::{form, limits, schema::rules};

/// A log store, or the sidecar's own standard output.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = rules::destination())))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Destination {
    /// Name of the destination, unique in the object. Positions are kept under it: a new name starts anew, the same
    /// name with another address goes on where it was.
    #[cfg_attr(feature = "schema", schemars(length(max = 63), extend("x-kubernetes-validations" = rules::text(&form::NAME))))]
    pub name: String,
    /// Names of the sources that are sent here. Default: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 16), inner(length(max = 63)), extend("x-kubernetes-list-type" = "set")))]
    pub sources: Vec<String>,
    /// The sidecar's standard output, seen by `kubectl logs deploy/NAME -c logshipping-sidecar`. Example: `stdout: {}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdout: Option<Stdout>,
    /// JSON lines by HTTP POST; any 2xx answer means stored. Example: `http: {url: "https://logs.example/ingest"}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<Http>,
    /// Grafana Loki. Example: `loki: {url: "http://loki.logging:3100", tenant: shop}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loki: Option<Loki>,
    /// OpenTelemetry protocol, to a collector or a log store. Example: `otlp: {endpoint: "http://collector:4318"}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otlp: Option<Otlp>,
    /// Elasticsearch and OpenSearch. Example: `elasticsearch: {url: "https://es:9200", dataStream: logs-shop-default}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elasticsearch: Option<Elasticsearch>,
    /// Syslog, RFC 5424. Example: `syslog: {address: "logs.example:6514", protocol: TLS}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub syslog: Option<Syslog>,
    /// Splunk's HTTP Event Collector. Example:
    /// `splunk: {url: "https://splunk:8088", token: {secretKeyRef: {name: splunk, key: token}}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub splunk: Option<Splunk>,
    /// Apache Kafka. Example: `kafka: {brokers: ["kafka:9092"], topic: logs}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kafka: Option<Kafka>,
    /// Objects in a bucket of S3 or of a store that speaks its protocol. Example:
    /// `s3: {bucket: logs, region: eu-central-1, keyPrefix: "shop/{yyyy}/{MM}/{dd}/"}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3>,
    /// A local file. Only in the sidecar's own configuration: in the CRD it would be a way to write into any volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub file: Option<File>,
    /// TLS settings, for addresses that use it (`https://`, syslog with protocol `TLS`, Kafka). Default: the public
    /// certificate authorities are trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// Credentials of `http`, `loki`, `otlp` and `elasticsearch`, always by reference: exactly one kind. Over `http://`
    /// they can be read by anyone on the way. Example: `auth: {basic: {secretRef: {name: loki-auth}}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// HTTP proxy. Default: `HTTPS_PROXY` and `NO_PROXY` of the sidecar's environment, else none. Example:
    /// `http://proxy.example:3128`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = 2048), extend("x-kubernetes-validations" = rules::text(&form::BASE_URL))))]
    pub proxy: Option<String>,
    /// Compression of requests. `Auto` takes the best that the servers of the type are known to accept.
    #[serde(default)]
    pub compression: Compression,
    /// How long one request may take, connecting included.
    #[serde(default = "default_timeout")]
    #[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = rules::duration(limits::TIMEOUT))))]
    pub timeout: Duration,
    /// How records are grouped into requests.
    #[serde(default)]
    pub batch: Batch,
    /// What happens when a request fails. Nothing is lost meanwhile: records wait in the file.
    #[serde(default)]
    pub retry: Retry,
}

const fn default_timeout() -> Duration {
    Duration::from_secs(30)
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
    /// The address of a type that speaks HTTP, if it is written.
    pub fn url(&self) -> Option<&str> {
        match self {
            Self::Http(http) => Some(&http.url),
            Self::Loki(loki) => Some(&loki.url),
            Self::Otlp(otlp) => Some(&otlp.endpoint),
            Self::Elasticsearch(elasticsearch) => Some(&elasticsearch.url),
            Self::Splunk(splunk) => Some(&splunk.url),
            Self::S3(s3) => s3.endpoint.as_deref(),
            Self::Stdout(_) | Self::Syslog(_) | Self::Kafka(_) | Self::File(_) => None,
        }
    }

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
