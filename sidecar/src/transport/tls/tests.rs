//! Real TLS servers: who is trusted, who is not and why, and what happens when files change.

use std::time::Duration;

use bytes::Bytes;

use crate::references::References;
use crate::transport::forge::{Admits, Authority, Mounts};
use crate::transport::script::{STORED, Server, tls_server};
use crate::transport::{Endpoint, Messenger, RequestError, Surroundings, TransportError};

const LATER: i32 = 2100;

/// A destination with these TLS settings, as they stand in a configuration.
fn messenger(server: &Server, mounts: &Mounts, tls: &serde_json::Value) -> Messenger {
    messenger_with(server, mounts, tls, |_| None)
}

fn messenger_with(
    server: &Server,
    mounts: &Mounts,
    tls: &serde_json::Value,
    variables: impl Fn(&str) -> Option<String>,
) -> Messenger {
    let destination = serde_json::json!({"name": "d", "tls": tls, "timeout": "5s"});
    let destination: pipeline::Destination = serde_json::from_value(destination).unwrap();
    let around = Surroundings::new(References::new(Some(mounts.path().to_owned())), variables);
    let endpoint = Endpoint::new(&format!("https://localhost:{}", server.address.port()), "/in").unwrap();
    Messenger::new(endpoint, &destination, &around).unwrap()
}

/// The status, or what stands in the way.
async fn post(messenger: &Messenger) -> Result<u16, String> {
    let response = messenger.post(Bytes::from_static(b"secret")).await;
    response.map(|response| response.status.as_u16()).map_err(|error| {
        let kind = match &error {
            RequestError::Transport(TransportError::Tls { .. }) => "tls",
            RequestError::Transport(TransportError::Setup(_)) => "setup",
            _ => "other",
        };
        format!("{kind}: {}", crate::process::describe(&error))
    })
}

fn trusting(authority: &Authority) -> (Mounts, serde_json::Value) {
    let mounts = Mounts::new();
    mounts.put("configmaps/trust/ca.crt", &authority.pem());
    let ca = serde_json::json!({"ca": {"configMapKeyRef": {"name": "trust", "key": "ca.crt"}}});
    (mounts, ca)
}

#[tokio::test]
async fn an_authority_of_ones_own_is_trusted_and_takes_the_place_of_the_public_ones() {
    let authority = Authority::new();
    let server = tls_server(authority.server(&["localhost"], LATER, Admits::Anyone), |_| STORED).await;
    let (mounts, own) = trusting(&authority);
    mounts.put("secrets/trust/ca", &format!("words before it\n{}", authority.pem()));
    let from_secret = serde_json::json!({"ca": {"secretKeyRef": {"name": "trust", "key": "ca"}}});
    for settings in [&own, &from_secret] {
        assert_eq!(post(&messenger(&server, &mounts, settings)).await, Ok(204));
    }
    assert_eq!(server.seen()[0].body, b"secret");
    let public = post(&messenger(&server, &mounts, &serde_json::json!({})))
        .await
        .unwrap_err();
    assert!(
        public.starts_with("tls: ") && public.contains("isn't trusted"),
        "{public}"
    );
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn the_file_that_the_environment_names_replaces_the_public_authorities() {
    let authority = Authority::new();
    let server = tls_server(authority.server(&["localhost"], LATER, Admits::Anyone), |_| STORED).await;
    let (mounts, _) = trusting(&authority);
    let file = mounts.put("bundle.pem", &authority.pem());
    let settings = serde_json::json!({});
    let messenger = messenger_with(&server, &mounts, &settings, |name| {
        (name == "SSL_CERT_FILE").then(|| file.display().to_string())
    });
    assert_eq!(post(&messenger).await, Ok(204));
}

#[tokio::test]
async fn what_is_wrong_with_a_server_is_said_in_words() {
    let authority = Authority::new();
    let (mounts, own) = trusting(&authority);
    for (config, words) in [
        (
            authority.server(&["localhost"], 2020, Admits::Anyone),
            "the server's certificate has expired on 2020-12-31",
        ),
        (
            authority.server(&["loki.logging", "10.0.0.1"], LATER, Admits::Anyone),
            "is for loki.logging",
        ),
        (
            Authority::new().server(&["localhost"], LATER, Admits::Anyone),
            "comes from an authority that isn't trusted",
        ),
        (
            authority.server_without_own_certificate(),
            "that of an authority, not of a server",
        ),
    ] {
        let server = tls_server(config, |_| STORED).await;
        let error = post(&messenger(&server, &mounts, &own)).await.unwrap_err();
        assert!(error.starts_with("tls: ") && error.contains(words), "{error}");
        assert_eq!(server.seen(), [], "{words}");
    }
}

#[tokio::test]
async fn a_port_without_tls_is_recognised() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await?;
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await
    });
    let endpoint = Endpoint::new(&format!("https://localhost:{port}"), "").unwrap();
    let destination = pipeline::Destination {
        timeout: pipeline::Duration::from_secs(5),
        ..Default::default()
    };
    let messenger = Messenger::new(endpoint, &destination, &Surroundings::default()).unwrap();
    let error = post(&messenger).await.unwrap_err();
    assert!(error.starts_with("tls: ") && error.contains("plain http"), "{error}");
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn another_name_may_be_expected_and_verification_switched_off() {
    let authority = Authority::new();
    let (mounts, own) = trusting(&authority);
    let server = tls_server(authority.server(&["loki.logging"], 2020, Admits::Anyone), |_| STORED).await;
    let unverified = serde_json::json!({"insecureSkipVerify": true});
    assert_eq!(post(&messenger(&server, &mounts, &unverified)).await, Ok(204));
    let server = tls_server(authority.server(&["loki.logging"], LATER, Admits::Anyone), |_| STORED).await;
    let mut named = own;
    named["serverName"] = "loki.logging".into();
    assert_eq!(post(&messenger(&server, &mounts, &named)).await, Ok(204));
}

#[tokio::test]
async fn a_client_certificate_opens_the_door_and_its_absence_is_told() {
    let authority = Authority::new();
    let (mounts, own) = trusting(&authority);
    let server = tls_server(authority.server(&["localhost"], LATER, Admits::Own), |_| STORED).await;
    let mut settings = own.clone();
    settings["clientCertificate"] = serde_json::json!({"secretRef": {"name": "client"}});
    let missing = post(&messenger(&server, &mounts, &settings)).await.unwrap_err();
    assert!(
        missing.starts_with("setup: key \"tls.crt\" of Secret \"client\" is missing"),
        "{missing}"
    );
    mounts.put_identity("client", &authority.identity(&["sidecar"], LATER));
    assert_eq!(post(&messenger(&server, &mounts, &settings)).await, Ok(204));

    // Where the server's alert is overtaken by its closing the connection, the reason is seen with a later attempt.
    let without = messenger(&server, &mounts, &own);
    let stranger = Mounts::new();
    stranger.put("configmaps/trust/ca.crt", &authority.pem());
    stranger.put_identity("client", &Authority::new().identity(&["sidecar"], LATER));
    let unknown = messenger(&server, &stranger, &settings);
    for (messenger, words) in [
        (without, "asks for a client certificate"),
        (unknown, "refuses the certificate"),
    ] {
        let tells = |outcome: &Result<u16, String>| outcome.as_ref().is_err_and(|error| error.contains(words));
        until(&messenger, words, tells).await;
    }
}

#[tokio::test]
async fn files_that_can_not_be_used_are_named_and_not_quoted() {
    let authority = Authority::new();
    let server = tls_server(authority.server(&["localhost"], LATER, Admits::Anyone), |_| STORED).await;
    let (mounts, own) = trusting(&authority);
    let good = authority.identity(&["sidecar"], LATER);
    let other = authority.identity(&["sidecar"], LATER);
    let mut settings = own;
    settings["clientCertificate"] = serde_json::json!({"secretRef": {"name": "client"}});
    let garbage = "-----BEGIN hidden\nhidden\n";
    for (ca, certificate, key, words) in [
        (
            "hidden",
            good.certificate.as_str(),
            good.key.as_str(),
            "key \"ca.crt\" of ConfigMap \"trust\" holds no usable",
        ),
        (
            &authority.pem(),
            garbage,
            &good.key,
            "tls.crt of Secret \"client\" holds no usable certificate",
        ),
        (
            &authority.pem(),
            &good.certificate,
            garbage,
            "tls.key of Secret \"client\" holds no private key",
        ),
        (
            &authority.pem(),
            &good.certificate,
            &other.key,
            "can't be used together",
        ),
    ] {
        mounts.put("configmaps/trust/ca.crt", ca);
        mounts.put("secrets/client/tls.crt", certificate);
        mounts.put("secrets/client/tls.key", key);
        let error = post(&messenger(&server, &mounts, &settings)).await.unwrap_err();
        assert!(error.starts_with("setup: ") && error.contains(words), "{error}");
        assert!(!error.contains("hidden"), "{error}");
    }
}

#[tokio::test]
async fn a_rotated_authority_takes_effect_without_a_restart_and_on_kept_connections() {
    let (old, new) = (Authority::new(), Authority::new());
    let server = tls_server(old.server(&["localhost"], LATER, Admits::Anyone), |_| STORED).await;
    let (mounts, own) = trusting(&old);
    let messenger = messenger(&server, &mounts, &own);
    assert_eq!(post(&messenger).await, Ok(204));
    mounts.put("configmaps/trust/ca.crt", &new.pem());
    until(&messenger, "the kept connection is used no more", Result::is_err).await;
    mounts.put("configmaps/trust/ca.crt", &format!("{}{}", new.pem(), old.pem()));
    until(&messenger, "both are trusted while they are changed", Result::is_ok).await;
}

/// Sends until the outcome is as wanted.
async fn until(messenger: &Messenger, what: &str, check: impl Fn(&Result<u16, String>) -> bool) {
    let fulfilled = async {
        while !check(&post(messenger).await) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(
        tokio::time::timeout(Duration::from_secs(10), fulfilled).await.is_ok(),
        "{what}"
    );
}
