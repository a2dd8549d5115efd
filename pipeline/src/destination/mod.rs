//! Where records go: one destination is a name, exactly one type with its settings, and settings of transport.

mod references;
mod security;
mod sending;
mod types;

use serde::{Deserialize, Serialize};

pub use self::security::{
    Auth, BasicAuth, BearerAuth, CertificateAuthority, ClientCertificate, HeaderAuth, OAuth2, Tls,
};
pub use self::sending::{Batch, Compression, Retry};
pub use self::types::{
    Elasticsearch, File, Http, Kafka, LineFormat, Loki, Otlp, OtlpProtocol, S3, S3Credentials, Sasl, SaslMechanism,
    Splunk, SplunkToken, Stdout, Syslog, SyslogProtocol,
};
use crate::Duration;

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
