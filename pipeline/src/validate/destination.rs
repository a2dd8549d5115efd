//! Destinations: one type, addresses that fit it, and only settings that the type can use.

use std::collections::BTreeSet;

use super::place::Place;
use super::{FieldError, Origin};
use crate::destination::{
    AUTHORITIES, Auth, BACKOFFS, CertificateAuthority, Destination, ELASTIC_TARGETS, Elasticsearch, Http,
    KINDS_OF_AUTH, Kafka, Kind, Loki, S3, S3_CREDENTIALS, SKIP_VERIFY, Splunk, Syslog, Tls, abilities, header,
};
use crate::form::{self, Form};
use crate::limits;
use crate::support;

pub(super) fn destination(mut at: Place<'_>, destination: &Destination, sources: &BTreeSet<&str>, origin: Origin) {
    at.field("name").form(&form::NAME, &destination.name);
    let mut seen = BTreeSet::new();
    for (index, name) in destination.sources.iter().enumerate() {
        let mut list = at.field("sources");
        let mut at = list.index(index);
        if !sources.contains(name.as_str()) {
            at.refuse(format!("there is no source {name:?}"));
        }
        if !seen.insert(name) {
            at.refuse(format!("{name:?} stands here twice"));
        }
    }
    sending(&mut at, destination);
    if let Some(tls) = &destination.tls {
        self::tls(at.field("tls"), tls);
    }
    if let Some(auth) = &destination.auth {
        self::auth(at.field("auth"), auth);
    }
    if let Some(proxy) = &destination.proxy {
        at.field("proxy").form(&form::BASE_URL, proxy);
    }
    let wrong = references(at.path(), destination);
    at.add(wrong);
    let Some(kind) = destination.kind() else {
        return at.refuse("exactly one destination type is needed, such as loki or stdout");
    };
    of_kind(at.field(kind.name()), kind, origin);
    for (field, message) in abilities::ignored(destination, kind) {
        at.field(field).refuse(message);
    }
    let errors = support::destination(at.path(), destination, kind);
    at.add(errors);
}

/// Names and keys become paths of files, so they are more than a matter of taste. Each wrong name is told once, though a
/// `secretRef` stands for several keys.
fn references(path: &str, destination: &Destination) -> BTreeSet<FieldError> {
    let references = destination.references();
    let problems = references
        .iter()
        .flat_map(|one| one.problems().map(move |problem| (one.field, problem)));
    problems
        .map(|(field, (part, message))| FieldError::new(format!("{path}.{field}.{part}"), message))
        .collect()
}

fn of_kind(mut at: Place<'_>, kind: Kind<'_>, origin: Origin) {
    match kind {
        Kind::Stdout(_) => {}
        Kind::Http(http) => self::http(at, http),
        Kind::Loki(loki) => self::loki(at, loki),
        Kind::Otlp(otlp) => at.field("endpoint").form(&form::BASE_URL, &otlp.endpoint),
        Kind::Elasticsearch(elasticsearch) => self::elasticsearch(at, elasticsearch),
        Kind::Syslog(syslog) => self::syslog(at, syslog),
        Kind::Splunk(splunk) => self::splunk(at, splunk),
        Kind::Kafka(kafka) => self::kafka(at, kafka),
        Kind::S3(s3) => self::s3(at, s3),
        Kind::File(_) if origin == Origin::Cluster => {
            at.refuse("is only allowed in a configuration file of the sidecar");
        }
        Kind::File(file) => at.field("path").form(&form::PATH, &file.path),
    }
}

fn optional(mut at: Place<'_>, form: &Form, text: Option<&String>) {
    if let Some(text) = text {
        at.form(form, text);
    }
}

fn http(mut at: Place<'_>, http: &Http) {
    at.field("url").form(&form::URL, &http.url);
    for (name, value) in &http.headers {
        let mut at = at.field("headers");
        at.form(&form::HEADER_NAME, name);
        if let Some(refusal) = header::refusal(name) {
            at.refuse(refusal);
        }
        at.field(name).form(&form::HEADER_VALUE, value);
    }
}

fn loki(mut at: Place<'_>, loki: &Loki) {
    at.field("url").form(&form::BASE_URL, &loki.url);
    optional(at.field("tenant"), &form::TENANT, loki.tenant.as_ref());
    for (label, field) in &loki.labels {
        let mut at = at.field("labels");
        at.form(&form::LABEL, label);
        at.field(label).form(&form::FIELD, field);
    }
    for (index, field) in loki.structured_metadata.iter().enumerate() {
        at.field("structuredMetadata").index(index).form(&form::FIELD, field);
    }
}

fn elasticsearch(mut at: Place<'_>, elasticsearch: &Elasticsearch) {
    let Elasticsearch {
        url,
        data_stream,
        index,
        idempotent: _,
    } = elasticsearch;
    at.field("url").form(&form::BASE_URL, url);
    at.exactly_one(ELASTIC_TARGETS, [data_stream.is_some(), index.is_some()]);
    optional(at.field("dataStream"), &form::DATA_STREAM, data_stream.as_ref());
    optional(at.field("index"), &form::INDEX, index.as_ref());
}

fn syslog(mut at: Place<'_>, syslog: &Syslog) {
    at.field("address").form(&form::ADDRESS, &syslog.address);
    optional(at.field("appName"), &form::APP_NAME, syslog.app_name.as_ref());
}

fn splunk(mut at: Place<'_>, splunk: &Splunk) {
    at.field("url").form(&form::BASE_URL, &splunk.url);
    optional(at.field("index"), &form::FIELD, splunk.index.as_ref());
    optional(at.field("sourcetype"), &form::FIELD, splunk.sourcetype.as_ref());
}

fn kafka(mut at: Place<'_>, kafka: &Kafka) {
    if kafka.brokers.is_empty() {
        at.field("brokers").refuse("at least one broker is needed");
    }
    for (index, broker) in kafka.brokers.iter().enumerate() {
        at.field("brokers").index(index).form(&form::ADDRESS, broker);
    }
    at.field("topic").form(&form::TOPIC, &kafka.topic);
}

fn s3(mut at: Place<'_>, s3: &S3) {
    at.field("bucket").form(&form::BUCKET, &s3.bucket);
    at.field("region").form(&form::REGION, &s3.region);
    optional(at.field("endpoint"), &form::BASE_URL, s3.endpoint.as_ref());
    optional(at.field("keyPrefix"), &form::KEY_PREFIX, s3.key_prefix.as_ref());
    if let Some(credentials) = &s3.credentials {
        let mut at = at.field("credentials");
        let file = credentials.web_identity_token_file.as_ref();
        at.exactly_one(S3_CREDENTIALS, [credentials.secret_ref.is_some(), file.is_some()]);
        optional(at.field("webIdentityTokenFile"), &form::PATH, file);
    }
}

fn sending(at: &mut Place<'_>, destination: &Destination) {
    at.field("timeout").judge(limits::TIMEOUT.check(destination.timeout));
    let batch = &destination.batch;
    if let Some(size) = batch.max_bytes {
        at.field("batch")
            .field("maxBytes")
            .judge(limits::BATCH_BYTES.check(size));
    }
    if let Some(delay) = batch.max_delay {
        at.field("batch")
            .field("maxDelay")
            .judge(limits::MAX_DELAY.check(delay));
    }
    if batch
        .in_flight
        .is_some_and(|number| !limits::IN_FLIGHT.contains(&number))
    {
        at.field("batch").field("inFlight").refuse("must be from 1 to 64");
    }
    let retry = &destination.retry;
    let mut at = at.field("retry");
    at.field("initialBackoff")
        .judge(limits::BACKOFF.check(retry.initial_backoff));
    at.field("maxBackoff").judge(limits::BACKOFF.check(retry.max_backoff));
    if retry.initial_backoff > retry.max_backoff {
        at.field("initialBackoff").refuse(BACKOFFS);
    }
    if let Some(age) = retry.give_up_after {
        at.field("giveUpAfter").judge(limits::GIVE_UP_AFTER.check(age));
    }
}

fn tls(mut at: Place<'_>, tls: &Tls) {
    if tls.ca.is_some() && tls.insecure_skip_verify {
        at.field("insecureSkipVerify").refuse(SKIP_VERIFY);
    }
    if let Some(ca) = &tls.ca {
        authority(at.field("ca"), ca);
    }
    optional(at.field("serverName"), &form::SERVER_NAME, tls.server_name.as_ref());
}

fn authority(mut at: Place<'_>, ca: &CertificateAuthority) {
    let CertificateAuthority {
        config_map_key_ref,
        secret_key_ref,
    } = ca;
    at.exactly_one(AUTHORITIES, [config_map_key_ref.is_some(), secret_key_ref.is_some()]);
}

fn auth(mut at: Place<'_>, auth: &Auth) {
    let Auth {
        basic,
        bearer,
        header,
        oauth2,
    } = auth;
    let present = [basic.is_some(), bearer.is_some(), header.is_some(), oauth2.is_some()];
    at.exactly_one(KINDS_OF_AUTH, present);
    if let Some(header) = header {
        at.field("header").field("name").form(&form::HEADER_NAME, &header.name);
    }
    if let Some(oauth2) = oauth2 {
        let mut at = at.field("oauth2");
        at.field("tokenURL").form(&form::URL, &oauth2.token_url);
        for (index, scope) in oauth2.scopes.iter().enumerate() {
            at.field("scopes").index(index).form(&form::SCOPE, scope);
        }
    }
}
