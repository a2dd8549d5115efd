use super::*;
use crate::transport::script::{Reaction, STORED, Server};
use crate::transport::{Endpoint, Surroundings};

fn client(url: &str) -> Client {
    let destination = pipeline::Destination::default();
    let endpoint = Endpoint::new(url, "").unwrap();
    let connector = Connector::new(endpoint, &destination, &Surroundings::default()).unwrap();
    Client::new(connector, Duration::from_secs(5))
}

#[tokio::test]
async fn an_answer_is_read_up_to_a_bound_and_its_connection_then_not_kept() {
    let long: &'static str = "x".repeat(response::MAX_BODY + 1).leak();
    let server = Server::start(move |_| Reaction::Answer(400, "", long)).await;
    let client = client(&server.url());
    for _ in 0..2 {
        let response = client.post(Bytes::new(), None).await.unwrap();
        assert_eq!(
            (response.status.as_u16(), response.body.len()),
            (400, response::MAX_BODY)
        );
    }
    let connections: Vec<usize> = server.seen().iter().map(|seen| seen.connection).collect();
    assert_eq!(connections, [0, 1]);
}

#[tokio::test]
async fn a_redirect_is_an_answer_like_any_other() {
    let server = Server::start(|_| Reaction::Answer(307, "location: http://127.0.0.1:1/\r\n", "")).await;
    assert_eq!(
        client(&server.url()).post(Bytes::new(), None).await.unwrap().status,
        307
    );
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_name_that_is_none_is_said_to_be_none() {
    let error = client("http://no-such-name.invalid")
        .post(Bytes::new(), None)
        .await
        .unwrap_err();
    assert!(matches!(error, TransportError::Resolve { .. }), "{error:?}");
}

#[tokio::test]
async fn hostile_answers_are_errors_and_nothing_worse() {
    for answer in [
        "",
        "\r\n\r\n",
        "HTTP/9.9 200 OK\r\n\r\n",
        "HTTP/1.1 99999\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
        "\0\u{1}\u{2}",
    ] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await?;
            tokio::io::AsyncWriteExt::write_all(&mut stream, answer.as_bytes()).await
        });
        let error = client(&format!("http://{address}"))
            .post(Bytes::new(), None)
            .await
            .unwrap_err();
        assert!(
            matches!(error, TransportError::Exchange { .. }),
            "{answer:?}: {error:?}"
        );
        server.await.unwrap().unwrap();
    }
    let server = Server::start(|_| STORED).await;
    assert_eq!(
        client(&server.url()).post(Bytes::new(), None).await.unwrap().status,
        204
    );
}

/// A server that says this, whatever it is asked, and then `rest` again and again for as long as anybody listens.
async fn babbler(answer: Vec<u8>, rest: &'static [u8]) -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                use tokio::io::{AsyncReadExt, AsyncWriteExt};
                let mut asked = Vec::new();
                while !asked.ends_with(b"\r\n\r\n") {
                    asked.push(stream.read_u8().await?);
                }
                stream.write_all(&answer).await?;
                while !rest.is_empty() {
                    stream.write_all(rest).await?;
                    tokio::task::yield_now().await;
                }
                stream.shutdown().await
            });
        }
    });
    address
}

fn impatient(address: std::net::SocketAddr) -> Client {
    let mut client = client(&format!("http://{address}"));
    client.timeout = Duration::from_secs(1);
    client
}

#[tokio::test]
async fn heads_and_chunks_that_never_end_are_errors_before_the_time_is_over_or_with_it() {
    const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    for (answer, rest) in [
        (b"HTTP/1.1 200 OK\r\nx: ".to_vec(), &b"xxxxxxxxxxxxxxxx"[..]),
        (b"HTTP/1.1 200 OK\r\n".to_vec(), b"x: y\r\n"),
        (b"HTTP/1.1 ".to_vec(), b"2"),
        (Vec::new(), b"HTTP/1.1 100 Continue\r\n\r\n"),
        ([CHUNKED.as_bytes(), b"zz\r\n"].concat(), b""),
        ([CHUNKED.as_bytes(), b"ffffffffffffffffff\r\n"].concat(), b"x"),
        ([CHUNKED.as_bytes(), b"5\r\nab"].concat(), b""),
        ([CHUNKED.as_bytes(), b"1;"].concat(), b"e=x;"),
        ([CHUNKED.as_bytes(), b"0\r\n"].concat(), b"trailer: x\r\n"),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nabcdef".to_vec(),
            b"",
        ),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999999\r\n\r\n".to_vec(),
            b"",
        ),
    ] {
        let shown = String::from_utf8_lossy(&answer).into_owned();
        let address = babbler(answer, rest).await;
        let started = Instant::now();
        let error = impatient(address).post(Bytes::new(), None).await.unwrap_err();
        assert!(
            matches!(error, TransportError::Exchange { .. } | TransportError::Timeout { .. }),
            "{shown:?}: {error:?}"
        );
        assert!(started.elapsed() < Duration::from_secs(8), "{shown:?}");
    }
}

#[tokio::test]
async fn a_body_without_an_end_is_read_up_to_a_bound() {
    for head in [
        "HTTP/1.1 400 no\r\n\r\n",
        "HTTP/1.1 400 no\r\ncontent-length: 18446744073709551\r\n\r\n",
    ] {
        let address = babbler(head.as_bytes().to_vec(), &[b'x'; 4096]).await;
        let response = impatient(address).post(Bytes::new(), None).await.unwrap();
        assert_eq!(
            (response.status.as_u16(), response.body.len()),
            (400, response::MAX_BODY),
            "{head:?}"
        );
    }
}

#[tokio::test]
async fn a_body_is_taken_as_it_is_whatever_it_says_of_itself() {
    // The beginning of what would be a gigabyte.
    let bomb = b"\x1f\x8b\x08\0\0\0\0\0\x02\x03\xed\xc1\xff\xfe";
    let head = format!(
        "HTTP/1.1 400 no\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
        bomb.len()
    );
    let address = babbler([head.as_bytes(), bomb].concat(), b"").await;
    let response = impatient(address).post(Bytes::new(), None).await.unwrap();
    assert_eq!(response.body, &bomb[..]);
}
