//! Which keys of which Secrets and ConfigMaps a destination needs: what the operator mounts is what the sidecar reads.
//!
//! Every type is taken apart to its last field, so that a new one which holds a reference can't be forgotten.

use super::{Auth, Destination, Kafka, S3, S3Credentials, Splunk, Tls};
use crate::reference::{ConfigMapKeyRef, Object, Reference, SecretKeyRef, SecretRef, keys};

impl Destination {
    /// Everything that it refers to, in the order of its fields. The same key may be named more than once.
    pub fn references(&self) -> Vec<Reference<'_>> {
        let Self {
            splunk,
            kafka,
            s3,
            tls,
            auth,
            // None of these can hold a reference.
            stdout: _,
            http: _,
            loki: _,
            otlp: _,
            elasticsearch: _,
            syslog: _,
            file: _,
            name: _,
            sources: _,
            proxy: _,
            compression: _,
            timeout: _,
            batch: _,
            retry: _,
        } = self;
        let of_type = splunk.iter().map(of_splunk);
        let of_type = of_type
            .chain(kafka.iter().flat_map(of_kafka))
            .chain(s3.iter().flat_map(of_s3));
        of_type
            .chain(tls.iter().flat_map(of_tls))
            .chain(auth.iter().flat_map(of_auth))
            .collect()
    }
}

fn of_splunk(splunk: &Splunk) -> Reference<'_> {
    secret_key("splunk.token.secretKeyRef", &splunk.token.secret_key_ref)
}

fn of_kafka(kafka: &Kafka) -> Vec<Reference<'_>> {
    let sasl = kafka.sasl.iter();
    sasl.flat_map(|sasl| secret("kafka.sasl.secretRef", &sasl.secret_ref, &keys::BASIC))
        .collect()
}

fn of_s3(s3: &S3) -> Vec<Reference<'_>> {
    let credentials = s3.credentials.iter();
    credentials
        .flat_map(
            |S3Credentials {
                 secret_ref,
                 web_identity_token_file: _,
             }| secret_ref,
        )
        .flat_map(|secret_ref| secret("s3.credentials.secretRef", secret_ref, &keys::AWS))
        .collect()
}

fn of_tls(tls: &Tls) -> Vec<Reference<'_>> {
    let Tls {
        ca,
        client_certificate,
        server_name: _,
        insecure_skip_verify: _,
    } = tls;
    let authority = ca.iter().flat_map(|ca| {
        let config_map = ca
            .config_map_key_ref
            .iter()
            .map(|r| config_map_key("tls.ca.configMapKeyRef", r));
        config_map.chain(ca.secret_key_ref.iter().map(|r| secret_key("tls.ca.secretKeyRef", r)))
    });
    let certificate = client_certificate.iter();
    let certificate =
        certificate.flat_map(|one| secret("tls.clientCertificate.secretRef", &one.secret_ref, &keys::CERTIFICATE));
    authority.chain(certificate).collect()
}

fn of_auth(auth: &Auth) -> Vec<Reference<'_>> {
    let Auth {
        basic,
        bearer,
        header,
        oauth2,
    } = auth;
    let basic = basic
        .iter()
        .flat_map(|one| secret("auth.basic.secretRef", &one.secret_ref, &keys::BASIC));
    let bearer = bearer
        .iter()
        .map(|one| secret_key("auth.bearer.secretKeyRef", &one.secret_key_ref));
    let header = header
        .iter()
        .map(|one| secret_key("auth.header.secretKeyRef", &one.secret_key_ref));
    let oauth2 = oauth2
        .iter()
        .flat_map(|one| secret("auth.oauth2.secretRef", &one.secret_ref, &keys::OAUTH2));
    basic.chain(bearer).chain(header).chain(oauth2).collect()
}

fn secret<'a>(field: &'static str, of: &'a SecretRef, keys: &[&'a str]) -> Vec<Reference<'a>> {
    let reference = |key: &&'a str| Reference {
        field,
        object: Object::Secret,
        name: &of.name,
        key,
    };
    keys.iter().map(reference).collect()
}

fn secret_key<'a>(field: &'static str, of: &'a SecretKeyRef) -> Reference<'a> {
    Reference {
        field,
        object: Object::Secret,
        name: &of.name,
        key: &of.key,
    }
}

fn config_map_key<'a>(field: &'static str, of: &'a ConfigMapKeyRef) -> Reference<'a> {
    Reference {
        field,
        object: Object::ConfigMap,
        name: &of.name,
        key: &of.key,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(destination: &str) -> Vec<String> {
        let destination: Destination = serde_saphyr::from_str(&format!("{{name: d, {destination}}}")).unwrap();
        let references = destination.references();
        references.iter().map(|one| one.path().display().to_string()).collect()
    }

    #[test]
    fn each_use_of_a_reference_has_its_keys() {
        for (destination, expected) in [
            ("stdout: {}", &[][..]),
            (
                "loki: {url: 'https://l'}, tls: {ca: {configMapKeyRef: {name: trust, key: ca.crt}}, \
                 clientCertificate: {secretRef: {name: c}}}, auth: {basic: {secretRef: {name: a}}}",
                &[
                    "configmaps/trust/ca.crt",
                    "secrets/c/tls.crt",
                    "secrets/c/tls.key",
                    "secrets/a/username",
                    "secrets/a/password",
                ],
            ),
            (
                "http: {url: 'https://h'}, tls: {ca: {secretKeyRef: {name: t, key: k}}}",
                &["secrets/t/k"],
            ),
            (
                "http: {url: 'https://h'}, auth: {bearer: {secretKeyRef: {name: t, key: k}}}",
                &["secrets/t/k"],
            ),
            (
                "http: {url: 'https://h'}, auth: {header: {name: X, secretKeyRef: {name: t, key: k}}}",
                &["secrets/t/k"],
            ),
            (
                "http: {url: 'https://h'}, auth: {oauth2: {tokenURL: 'https://t', secretRef: {name: o}}}",
                &["secrets/o/client_id", "secrets/o/client_secret"],
            ),
            (
                "splunk: {url: 'https://s', token: {secretKeyRef: {name: t, key: k}}}",
                &["secrets/t/k"],
            ),
            (
                "kafka: {brokers: ['k:1'], topic: t, sasl: {mechanism: PLAIN, secretRef: {name: s}}}",
                &["secrets/s/username", "secrets/s/password"],
            ),
            (
                "s3: {bucket: bbb, region: r, credentials: {secretRef: {name: s}}}",
                &[
                    "secrets/s/aws_access_key_id",
                    "secrets/s/aws_secret_access_key",
                    "secrets/s/aws_session_token",
                ],
            ),
            (
                "s3: {bucket: bbb, region: r, credentials: {webIdentityTokenFile: /t}}",
                &[],
            ),
        ] {
            assert_eq!(paths(destination), expected, "{destination}");
        }
    }
}
