//! Through a real proxy to a real server.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::references::References;
use crate::transport::forge::{Admits, Authority, Mounts};
use crate::transport::script::{STORED, Server, tls_server};
use crate::transport::{Endpoint, Messenger, RequestError, Surroundings};

/// A proxy that connects to `target` whatever it is asked for, or answers with `refusal`.
async fn proxy(target: SocketAddr, refusal: Option<&'static str>) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::<Mutex<Vec<String>>>::default();
    let requests = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let requests = Arc::clone(&requests);
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(client.read_u8().await?);
                }
                requests.lock().unwrap().push(String::from_utf8(head).unwrap());
                if let Some(refusal) = refusal {
                    return client.write_all(refusal.as_bytes()).await;
                }
                let mut server = TcpStream::connect(target).await?;
                client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
                copy_bidirectional(&mut client, &mut server).await.map(drop)
            });
        }
    });
    (address, asked)
}

fn messenger(url: &str, proxy: SocketAddr, mounts: &Mounts) -> Messenger {
    let destination = serde_json::json!({
        "name": "d", "timeout": "5s", "proxy": format!("http://{proxy}"),
        "tls": {"ca": {"configMapKeyRef": {"name": "trust", "key": "ca.crt"}}},
    });
    let destination: pipeline::Destination = serde_json::from_value(destination).unwrap();
    let around = Surroundings::new(References::new(Some(mounts.path().to_owned())), |_| None);
    Messenger::new(Endpoint::new(url, "/in").unwrap(), &destination, &around).unwrap()
}

#[tokio::test]
async fn an_https_destination_is_reached_by_a_tunnel_and_its_certificate_still_checked() {
    let authority = Authority::new();
    let mounts = Mounts::new();
    mounts.put("configmaps/trust/ca.crt", &authority.pem());
    let server = tls_server(authority.server(&["logs.example"], 2100, Admits::Anyone), |_| STORED).await;
    let (proxy, asked) = proxy(server.address, None).await;
    // The name is resolved by the proxy alone.
    let through = messenger("https://logs.example", proxy, &mounts);
    for _ in 0..2 {
        assert_eq!(through.post(Bytes::from_static(b"line")).await.unwrap().status, 204);
    }
    assert_eq!(server.seen()[1].body, b"line");
    let asked = asked.lock().unwrap().clone();
    assert_eq!(asked.len(), 1, "the connection is kept");
    assert!(
        asked[0].starts_with("CONNECT logs.example:443 HTTP/1.1\r\n"),
        "{asked:?}"
    );
    assert!(asked[0].contains("host: logs.example:443\r\n"), "{asked:?}");
    let other = messenger("https://other.example", proxy, &mounts);
    let error = other.post(Bytes::new()).await.unwrap_err();
    assert!(
        crate::process::describe(&error).contains("not for other.example"),
        "{error}"
    );
}

#[tokio::test]
async fn an_http_destination_is_named_in_the_request_itself() {
    let server = Server::start(|_| STORED).await;
    let through = messenger("http://logs.example:3100/base", server.address, &Mounts::new());
    through.post(Bytes::new()).await.unwrap();
    let head = &server.seen()[0].head;
    assert!(
        head.starts_with("POST http://logs.example:3100/base/in HTTP/1.1\r\n"),
        "{head}"
    );
    assert!(head.contains("host: logs.example:3100\r\n"), "{head}");
}

#[tokio::test]
async fn what_a_proxy_refuses_is_told_apart_from_what_passes() {
    use crate::batch::Answer;
    use pipeline::report::FailureReason::{Unauthorized, UnexpectedAnswer, Unreachable};
    let mounts = Mounts::new();
    mounts.put("configmaps/trust/ca.crt", &Authority::new().pem());
    for (refusal, meaning, reason) in [
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            "blocked",
            Unauthorized,
        ),
        (
            "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n",
            "blocked",
            Unauthorized,
        ),
        (
            "HTTP/1.1 302 Found\r\nlocation: http://x/\r\n\r\n",
            "blocked",
            UnexpectedAnswer,
        ),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", "retry", Unreachable),
        ("SSH-2.0-OpenSSH\r\n", "retry", Unreachable),
        ("", "retry", Unreachable),
    ] {
        let (proxy, _) = proxy("127.0.0.1:1".parse().unwrap(), Some(refusal)).await;
        let error = messenger("https://logs.example", proxy, &mounts)
            .post(Bytes::new())
            .await;
        let error: RequestError = error.unwrap_err();
        let (found, failure) = match crate::destination::of_request_error(&error) {
            Answer::Blocked { failure } => ("blocked", failure),
            Answer::Retry { failure, .. } => ("retry", failure),
            other => panic!("{other:?}"),
        };
        assert_eq!((found, failure.reason), (meaning, reason), "{refusal}");
        let begin = format!("the proxy {proxy} doesn't connect us to logs.example:443: ");
        assert!(failure.message.starts_with(&begin), "{}", failure.message);
    }
}
