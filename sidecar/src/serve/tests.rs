//! Over real sockets.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};

use pipeline::report::{Report, State};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// A server on a free port of both families; its port.
fn start(observe: Observe) -> u16 {
    let listener = bind("[::]:0".parse().unwrap()).unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(serve(listener, observe));
    port
}

fn in_state(state: State) -> Observe {
    Arc::new(move || Snapshot {
        report: Report {
            state,
            schema_version: 1,
            ..Default::default()
        },
        ..Default::default()
    })
}

async fn ask(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    stream
        .write_all(format!("{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn status_of(port: u16, request: &str) -> u16 {
    ask(port, request).await["HTTP/1.1 ".len()..][..3].parse().unwrap()
}

#[tokio::test]
async fn paths_and_methods() {
    let port = start(in_state(State::Running));
    for (request, expected) in [
        ("GET /status", 200),
        ("GET /metrics", 200),
        ("GET /livez", 200),
        ("GET /readyz", 200),
        ("HEAD /livez", 200),
        ("GET /", 404),
        ("GET /status/", 404),
        ("POST /status", 405),
        ("DELETE /metrics", 405),
    ] {
        assert_eq!(status_of(port, request).await, expected, "{request}");
    }
}

#[tokio::test]
async fn the_report_is_json_and_the_metrics_are_text() {
    let port = start(in_state(State::Running));
    let status = ask(port, "GET /status").await;
    let (head, body) = status.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("application/json"), "{head}");
    assert_eq!(serde_json::from_str::<Report>(body).unwrap().state, State::Running);
    assert!(
        ask(port, "GET /metrics")
            .await
            .contains("# TYPE logshipping_build_info gauge")
    );
}

#[tokio::test]
async fn ready_means_that_a_configuration_is_loaded() {
    for (state, expected) in [
        (State::Starting, 503),
        (State::NoConfig, 503),
        (State::Running, 200),
        (State::Draining, 200),
    ] {
        let port = start(in_state(state));
        assert_eq!(status_of(port, "GET /readyz").await, expected, "{state:?}");
        assert_eq!(status_of(port, "GET /livez").await, 200, "{state:?}");
    }
}

#[tokio::test]
async fn both_address_families_are_served() {
    let port = start(in_state(State::Running));
    assert_eq!(status_of(port, "GET /livez").await, 200);
    match TcpStream::connect((std::net::Ipv6Addr::LOCALHOST, port)).await {
        Ok(_) => {}
        // A machine without IPv6 is served by IPv4 alone.
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::AddrNotAvailable),
    }
}

#[tokio::test(start_paused = true)]
async fn a_busy_port_is_tried_again() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let server = tokio::spawn(run(address, in_state(State::Running)));
    sleep(RETRY * 3).await;
    assert!(!server.is_finished());
    drop(taken);
    sleep(RETRY * 2).await;
    assert_eq!(status_of(address.port(), "GET /livez").await, 200);
}

#[tokio::test]
async fn idle_connections_do_not_lock_others_out() {
    let asked = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&asked);
    let port = start(Arc::new(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        Snapshot::default()
    }));
    let mut idle = Vec::new();
    for _ in 0..MAX_CONNECTIONS - 1 {
        idle.push(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap());
    }
    for _ in 0..3 {
        assert_eq!(status_of(port, "GET /status").await, 200);
    }
    assert_eq!(asked.load(Ordering::Relaxed), 3);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_never_ends_is_cut_off() {
    let port = start(in_state(State::Running));
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    stream.write_all(b"GET /status HTT").await.unwrap();
    let mut answer = Vec::new();
    let ended = timeout(HEADER_TIMEOUT * 2, stream.read_to_end(&mut answer)).await;
    assert!(ended.is_ok(), "still open");
}
