//! Credentials on their way to a real server.

use std::time::Duration;

use super::*;
use crate::transport::forge::Mounts;
use crate::transport::script::{Reaction, STORED, Server};
use crate::transport::{Endpoint, Messenger, RequestError};

fn messenger(server: &Server, mounts: &Mounts, auth: &serde_json::Value) -> Messenger {
    let destination = serde_json::json!({"name": "d", "auth": auth, "timeout": "5s"});
    let destination: pipeline::Destination = serde_json::from_value(destination).unwrap();
    let around = Surroundings::new(References::new(Some(mounts.path().to_owned())), |_| None);
    Messenger::new(Endpoint::new(&server.url(), "/in").unwrap(), &destination, &around).unwrap()
}

async fn post(messenger: &Messenger) -> Result<Response, String> {
    let response = messenger.post(Bytes::from_static(b"line")).await;
    response.map_err(|error| crate::process::describe(&error))
}

/// The value of a header in each request, in order.
fn headers(server: &Server, name: &str) -> Vec<String> {
    let prefix = format!("{name}: ");
    let seen = server.seen().into_iter();
    seen.map(|seen| {
        let found = seen
            .head
            .lines()
            .find_map(|line| line.strip_prefix(&prefix).map(str::to_owned));
        found.unwrap_or_default()
    })
    .collect()
}

#[tokio::test]
async fn each_kind_of_credential_is_sent_as_its_header() {
    let server = Server::start(|_| STORED).await;
    let mounts = Mounts::new();
    mounts.put("secrets/auth/username", "Aladdin\n");
    mounts.put("secrets/auth/password", "open sesame\r\n");
    mounts.put("secrets/auth/token", "t0ken\n");
    for auth in [
        serde_json::json!({"basic": {"secretRef": {"name": "auth"}}}),
        serde_json::json!({"bearer": {"secretKeyRef": {"name": "auth", "key": "token"}}}),
        serde_json::json!({"header": {"name": "X-Api-Key", "secretKeyRef": {"name": "auth", "key": "token"}}}),
    ] {
        post(&messenger(&server, &mounts, &auth)).await.unwrap();
    }
    // The first is the example of RFC 7617 section 2.
    let expected = ["Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Bearer t0ken", ""];
    assert_eq!(headers(&server, "authorization"), expected);
    assert_eq!(headers(&server, "x-api-key"), ["", "", "t0ken"]);
}

#[tokio::test]
async fn a_missing_or_unusable_secret_is_named_and_nothing_is_sent() {
    let server = Server::start(|_| STORED).await;
    let mounts = Mounts::new();
    let auth = serde_json::json!({"bearer": {"secretKeyRef": {"name": "auth", "key": "token"}}});
    let messenger = messenger(&server, &mounts, &auth);
    let missing = post(&messenger).await.unwrap_err();
    assert!(
        missing.starts_with("key \"token\" of Secret \"auth\" is missing"),
        "{missing}"
    );
    mounts.put("secrets/auth/token", "hid\nden");
    let error = post(&messenger).await.unwrap_err();
    assert_eq!(
        error,
        "key \"token\" of Secret \"auth\" has characters that a header can't carry"
    );
    assert_eq!(server.seen(), []);
    mounts.put("secrets/auth/token", "good");
    post(&messenger).await.unwrap();
}

#[tokio::test]
async fn a_rotated_secret_is_used_without_a_restart() {
    let server = Server::start(|_| STORED).await;
    let mounts = Mounts::new();
    mounts.put("secrets/auth/token", "before");
    let auth = serde_json::json!({"bearer": {"secretKeyRef": {"name": "auth", "key": "token"}}});
    let messenger = messenger(&server, &mounts, &auth);
    post(&messenger).await.unwrap();
    mounts.put("secrets/auth/token", "after");
    let rotated = async {
        while headers(&server, "authorization")
            .last()
            .is_none_or(|last| last != "Bearer after")
        {
            post(&messenger).await.unwrap();
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(10), rotated).await.is_ok());
    assert_eq!(headers(&server, "authorization")[0], "Bearer before");
}

#[tokio::test]
async fn what_a_server_quotes_of_a_credential_is_blotted_out() {
    let quote = "you sent Basic dTpodW50ZXIy and hunter2, twice hunter2";
    let server = Server::start(move |_| Reaction::Answer(403, "", quote)).await;
    let mounts = Mounts::new();
    mounts.put("secrets/auth/username", "u");
    mounts.put("secrets/auth/password", "hunter2");
    let auth = serde_json::json!({"basic": {"secretRef": {"name": "auth"}}});
    let response = post(&messenger(&server, &mounts, &auth)).await.unwrap();
    assert_eq!(response.body, "you sent Basic *** and ***, twice ***");
}

/// A token endpoint and a store that are one server, told apart by their requests.
async fn issuer(script: impl Fn(usize) -> Reaction + Send + Sync + 'static) -> (Server, Mounts, serde_json::Value) {
    let server = Server::start(script).await;
    let mounts = Mounts::new();
    mounts.put("secrets/client/client_id", "me&you");
    mounts.put("secrets/client/client_secret", "p w\n");
    let url = format!("{}/token", server.url());
    let auth =
        serde_json::json!({"oauth2": {"tokenURL": url, "scopes": ["logs", "more"], "secretRef": {"name": "client"}}});
    (server, mounts, auth)
}

fn paths(server: &Server) -> Vec<String> {
    let seen = server.seen().into_iter();
    seen.map(|seen| seen.head.split(' ').nth(1).unwrap().to_owned())
        .collect()
}

const GRANT: Reaction = Reaction::Answer(
    200,
    "",
    r#"{"access_token":"first","token_type":"Bearer","expires_in":3600}"#,
);
const SECOND: Reaction = Reaction::Answer(200, "", r#"{"access_token":"second","token_type":"bearer"}"#);
const DENIED: Reaction = Reaction::Answer(401, "", "who?");

#[tokio::test]
async fn a_token_is_asked_for_once_and_kept() {
    let (server, mounts, auth) = issuer(|request| if request == 0 { GRANT } else { STORED }).await;
    let messenger = messenger(&server, &mounts, &auth);
    for _ in 0..3 {
        assert_eq!(post(&messenger).await.unwrap().status, 204);
    }
    assert_eq!(paths(&server), ["/token", "/in", "/in", "/in"]);
    assert_eq!(server.seen()[0].body, b"grant_type=client_credentials&scope=logs+more");
    // Both parts are form-encoded before they are joined (RFC 6749 section 2.3.1).
    let basic = format!("Basic {}", STANDARD.encode("me%26you:p+w"));
    let expected = [basic.as_str(), "Bearer first", "Bearer first", "Bearer first"];
    assert_eq!(headers(&server, "authorization"), expected);
}

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    let (server, mounts, auth) = issuer(|request| match request {
        0 => GRANT,
        2 => SECOND,
        3 => STORED,
        _ => DENIED,
    })
    .await;
    let messenger = messenger(&server, &mounts, &auth);
    assert_eq!(post(&messenger).await.unwrap().status, 204);
    assert_eq!(paths(&server), ["/token", "/in", "/token", "/in"]);
    assert_eq!(headers(&server, "authorization")[3], "Bearer second");
    // Refused again, and the endpoint gives nothing any more.
    let error = post(&messenger).await.unwrap_err();
    assert!(error.starts_with("no token from 127.0.0.1:"), "{error}");
}

#[tokio::test]
async fn an_endpoint_that_wants_the_client_in_the_body_gets_it_there() {
    let (server, mounts, auth) = issuer(|request| match request {
        0 => DENIED,
        1 => GRANT,
        _ => STORED,
    })
    .await;
    assert_eq!(post(&messenger(&server, &mounts, &auth)).await.unwrap().status, 204);
    assert_eq!(headers(&server, "authorization")[1], "");
    let body = String::from_utf8(server.seen()[1].body.clone()).unwrap();
    assert!(body.ends_with("&client_id=me%26you&client_secret=p+w"), "{body}");
}

#[tokio::test]
async fn an_endpoint_without_a_usable_answer_keeps_the_records_and_no_secret_leaks() {
    for (reaction, words) in [
        (
            Reaction::Answer(400, "", "bad client p+w p w"),
            "no token from 127.0.0.1:",
        ),
        (Reaction::Answer(200, "", "<html>"), "holds no usable access_token"),
        (
            Reaction::Answer(200, "", r#"{"access_token":"a\nb"}"#),
            "holds no usable access_token",
        ),
    ] {
        let (server, mounts, auth) = issuer(move |_| reaction).await;
        let error = messenger(&server, &mounts, &auth).post(Bytes::new()).await.unwrap_err();
        let RequestError::Authorization(error) = error else {
            panic!("{error}")
        };
        let answer = crate::destination::of_request_error(&RequestError::Authorization(error));
        let crate::batch::Answer::Blocked { failure } = answer else {
            panic!("{answer:?}")
        };
        assert!(failure.message.contains(words), "{}", failure.message);
        assert!(!failure.message.contains("p w"), "{}", failure.message);
    }
}

#[test]
fn secrets_of_one_or_two_letters_are_not_looked_for() {
    let credential = Credential::basic(b"u", b"a").unwrap();
    let response = Response {
        status: http::StatusCode::FORBIDDEN,
        retry_after: None,
        body: "a bad day".into(),
    };
    assert_eq!(credential.blot_out(response).body, "a bad day");
}
