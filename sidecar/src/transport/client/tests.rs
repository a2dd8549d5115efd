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
