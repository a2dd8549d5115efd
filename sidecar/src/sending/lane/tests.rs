//! Lanes against real sockets: everything a log store does wrong, and that nothing is lost by it.

use std::sync::mpsc::{Receiver, channel};

use pipeline::destination::{Compression, Http, Loki, Retry};
use pipeline::report::FailureReason;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::*;
use crate::batch::{DropCause, Settled};
use crate::destination::{Writer, samples, stdout};
use crate::sending::{Health, LaneHandle, LaneId, spawn};
use crate::transport::Surroundings;
use crate::transport::forge::{Admits, Authority};
use crate::transport::script::{Reaction, STORED, Server, tls_server};

const DEADLINE: Duration = Duration::from_secs(10);

/// A lane under test and the reader's ends of it.
struct Bench {
    batches: Option<mpsc::Sender<Parcel>>,
    settled: Receiver<(LaneId, Settled)>,
    health: Arc<Health>,
    handle: LaneHandle,
}

impl Bench {
    fn start(destination: &pipeline::Destination) -> Self {
        Self::start_with(destination, stdout::writer().unwrap())
    }

    fn start_with(destination: &pipeline::Destination, stdout: Writer) -> Self {
        let (batches, waiting) = mpsc::channel(16);
        let (done, settled) = channel();
        let health = Arc::new(Health::default());
        let parts = LaneParts {
            id: LaneId(1),
            pipeline: "shop/server-logs".to_owned(),
            batches: waiting,
            settled: done,
            wake: Arc::new(|| {}),
            health: Arc::clone(&health),
            holding: Arc::default(),
            stdout,
            around: Surroundings::default(),
        };
        let handle = spawn(&tokio::runtime::Handle::current(), destination, parts).unwrap();
        Self {
            batches: Some(batches),
            settled,
            health,
            handle,
        }
    }

    async fn send(&self, sequence: u64, lines: &[&[u8]]) {
        let batch = Arc::new(samples::batch(lines));
        let parcel = Parcel { sequence, batch };
        self.batches.as_ref().unwrap().send(parcel).await.unwrap();
    }

    /// Waits until so many batches are settled.
    async fn settled(&self, count: usize) -> Vec<Settled> {
        let mut settled = Vec::new();
        let all = async {
            while settled.len() < count {
                match self.settled.try_recv() {
                    Ok((_, batch)) => settled.push(batch),
                    Err(_) => sleep(Duration::from_millis(1)).await,
                }
            }
        };
        let complete = timeout(DEADLINE, all).await;
        assert!(
            complete.is_ok(),
            "{} of {count} settled, health {:?}",
            settled.len(),
            self.health.snapshot()
        );
        settled
    }

    async fn until(&self, what: impl Fn(&crate::sending::health::Snapshot) -> bool) {
        let fulfilled = async {
            while !what(&self.health.snapshot()) {
                sleep(Duration::from_millis(1)).await;
            }
        };
        assert!(
            timeout(DEADLINE, fulfilled).await.is_ok(),
            "{:?}",
            self.health.snapshot()
        );
    }
}

fn http(url: String) -> pipeline::Destination {
    pipeline::Destination {
        name: "store".to_owned(),
        http: Some(Http { url, ..Http::default() }),
        timeout: pipeline::Duration::from_millis(300),
        retry: Retry {
            initial_backoff: pipeline::Duration::from_millis(5),
            max_backoff: pipeline::Duration::from_millis(20),
            give_up_after: None,
        },
        ..Default::default()
    }
}

fn bodies(server: &Server) -> Vec<Vec<u8>> {
    server.seen().into_iter().map(|seen| seen.body).collect()
}

#[tokio::test]
async fn whatever_fails_is_sent_again_byte_for_byte() {
    for failure in [
        Reaction::Reset,
        Reaction::HalfAnswer,
        Reaction::Hang,
        Reaction::Slow(Duration::from_secs(1)),
        Reaction::Answer(503, "", "busy"),
        Reaction::Answer(429, "", "slow down"),
        Reaction::Answer(400, "", "what?"),
        Reaction::Answer(401, "", "who?"),
        Reaction::Answer(302, "location: http://127.0.0.1:1/\r\n", ""),
    ] {
        let server = Server::start(move |request| if request < 2 { failure } else { STORED }).await;
        let bench = Bench::start(&http(server.url()));
        bench.send(1, &[b"first", b"second"]).await;
        let settled = bench.settled(1).await;
        assert_eq!(settled[0].dropped, [], "{failure:?}");
        let bodies = bodies(&server);
        assert_eq!(bodies.len(), 3, "{failure:?}");
        assert!(bodies.iter().all(|body| *body == bodies[0]), "{failure:?}");
        assert_eq!(bench.health.snapshot().state, DestinationState::Healthy);
    }
}

#[tokio::test]
async fn the_health_says_what_is_wrong_in_the_words_of_the_server() {
    use DestinationState::{Blocked, Retrying};
    for (reaction, state, reason, words) in [
        (
            Reaction::Answer(503, "", "no\tspace\r\n"),
            Retrying,
            FailureReason::ServerError,
            "503 Service Unavailable: no space",
        ),
        (
            Reaction::Answer(401, "", "who?"),
            Blocked,
            FailureReason::Unauthorized,
            "401 Unauthorized: who?",
        ),
        (
            Reaction::Answer(404, "", ""),
            Blocked,
            FailureReason::NotFound,
            "404 Not Found",
        ),
        (
            Reaction::Answer(429, "", "wait"),
            Retrying,
            FailureReason::RateLimited,
            "429 Too Many Requests: wait",
        ),
        (
            Reaction::Hang,
            Retrying,
            FailureReason::Unreachable,
            "no answer from 127.0.0.1:",
        ),
    ] {
        let server = Server::start(move |_| reaction).await;
        let bench = Bench::start(&http(server.url()));
        bench.send(1, &[b"line"]).await;
        bench
            .until(|health| health.retries.get(reason.as_str()).is_some_and(|count| *count > 1))
            .await;
        let health = bench.health.snapshot();
        assert_eq!((health.state, health.reason), (state, Some(reason)));
        let message = health.last_error.unwrap().1;
        assert!(message.starts_with(words), "{message}");
        assert!(health.failing_since.is_some() && health.last_acknowledged_at.is_none());
    }
}

#[tokio::test]
async fn bodies_travel_compressed_and_say_so() {
    for (compression, token) in [(Compression::Gzip, "gzip"), (Compression::Zstd, "zstd")] {
        let server = Server::start(|request| if request == 0 { Reaction::Reset } else { STORED }).await;
        let bench = Bench::start(&pipeline::Destination {
            compression,
            ..http(server.url())
        });
        bench.send(1, &[b"first", b"second"]).await;
        bench.settled(1).await;
        let seen = server.seen();
        let header = format!("content-encoding: {token}\r\n");
        assert!(seen.iter().all(|seen| seen.head.contains(&header)), "{seen:?}");
        assert_eq!(seen[0].body, seen[1].body, "what is sent again is the same");
        let mut text = Vec::new();
        let body = &*seen[1].body;
        if token == "zstd" {
            zstd::stream::copy_decode(body, &mut text).unwrap();
        } else {
            std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(body), &mut text).unwrap();
        }
        let lines: Vec<serde_json::Value> = text
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect();
        assert_eq!((lines.len(), &lines[1]["body"]), (2, &"second".into()));
    }
}

#[tokio::test]
async fn a_store_that_is_not_there_yet_gets_everything_when_it_is() {
    let address = Server::start(|_| STORED).await.address;
    let bench = Bench::start(&http(format!("http://{address}")));
    bench.send(1, &[b"line"]).await;
    bench
        .until(|health| health.reason == Some(FailureReason::Unreachable))
        .await;
    let message = bench.health.snapshot().last_error.unwrap().1;
    assert!(message.contains("Connection refused"), "{message}");
    let server = Server::start_on(address, |_| STORED).await;
    bench.settled(1).await;
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_server_is_left_alone_as_long_as_it_asks() {
    let server = Server::start(|request| match request {
        0 => Reaction::Answer(429, "retry-after: 1\r\n", ""),
        _ => STORED,
    })
    .await;
    let bench = Bench::start(&http(server.url()));
    let started = Clock::now();
    bench.send(1, &[b"line"]).await;
    bench.settled(1).await;
    assert!(started.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_burst_of_400_loses_nothing_and_a_poisonous_record_is_found() {
    let server = Server::start(|request| {
        if request < 9 {
            Reaction::Answer(400, "", "")
        } else {
            STORED
        }
    })
    .await;
    let bench = Bench::start(&http(server.url()));
    bench.send(1, &[b"a", b"b", b"c", b"d"]).await;
    assert_eq!(bench.settled(1).await[0].dropped, []);
    drop(server);

    let server = Server::start(|_| Reaction::RefuseWord("poison")).await;
    let bench = Bench::start(&http(server.url()));
    bench.send(1, &[b"a", b"b", b"poison", b"d"]).await;
    // What comes next shows that it was the record and not the store.
    bench.send(2, &[b"e"]).await;
    let mut settled = bench.settled(2).await;
    settled.sort_by_key(|settled| settled.sequence);
    assert_eq!(settled[0].dropped, [(2, DropCause::Rejected)]);
    assert_eq!(settled[1].dropped, []);
}

#[tokio::test]
async fn what_is_older_than_the_user_wants_is_given_up_where_it_can_not_be_delivered() {
    let server = Server::start(|_| Reaction::Answer(503, "", "busy")).await;
    let mut destination = http(server.url());
    destination.retry.give_up_after = Some(pipeline::Duration::from_secs(3600));
    let bench = Bench::start(&destination);
    // The first of two records is of the year 2000.
    let now = i64::try_from(Timestamp::now().as_nanosecond()).unwrap();
    let mut batch = samples::batch(&[b"old", b"young"]);
    (batch.records[0].time, batch.records[1].time) = (946_684_800_000_000_000, now);
    bench
        .batches
        .as_ref()
        .unwrap()
        .send(Parcel {
            sequence: 0,
            batch: Arc::new(batch),
        })
        .await
        .unwrap();
    until(|| {
        server
            .seen()
            .last()
            .is_some_and(|seen| !seen.body.windows(3).any(|part| part == b"old"))
    })
    .await;
    assert!(bench.settled.try_recv().is_err(), "the young one waits");
    drop(server);

    let server = Server::start(|_| STORED).await;
    destination.http = http(server.url()).http;
    let bench = Bench::start(&destination);
    let mut batch = samples::batch(&[b"old"]);
    batch.records[0].time = 946_684_800_000_000_000;
    bench
        .batches
        .as_ref()
        .unwrap()
        .send(Parcel {
            sequence: 0,
            batch: Arc::new(batch),
        })
        .await
        .unwrap();
    assert_eq!(
        bench.settled(1).await[0].dropped,
        [],
        "a store that accepts gets everything"
    );
}

#[tokio::test]
async fn connections_are_kept_and_a_closed_one_is_no_failure() {
    let server = Server::start(|request| if request == 4 { Reaction::AnswerAndClose } else { STORED }).await;
    let bench = Bench::start(&http(server.url()));
    for sequence in 0..10 {
        bench.send(sequence, &[b"line"]).await;
        bench.settled(1).await;
    }
    let connections: Vec<usize> = server.seen().iter().map(|seen| seen.connection).collect();
    assert_eq!(connections, [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]);
    assert!(bench.health.snapshot().retries.is_empty());
}

#[tokio::test]
async fn loki_gets_several_requests_at_once_and_http_one() {
    let server = Server::start(|request| if request < 4 { Reaction::Hang } else { STORED }).await;
    let loki = pipeline::Destination {
        http: None,
        loki: Some(Loki {
            url: server.url(),
            tenant: Some("shop".to_owned()),
            ..Loki::default()
        }),
        timeout: pipeline::Duration::from_secs(30),
        ..http(String::new())
    };
    let bench = Bench::start(&loki);
    for sequence in 0..6 {
        bench.send(sequence, &[b"line"]).await;
    }
    until(|| server.seen().len() == 4).await;
    let head = &server.seen()[0].head;
    assert!(head.starts_with("POST /loki/api/v1/push HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("x-scope-orgid: shop\r\n"), "{head}");

    let server = Server::start(|_| Reaction::Hang).await;
    let bench = Bench::start(&pipeline::Destination {
        timeout: loki.timeout,
        ..http(server.url())
    });
    bench.send(1, &[b"line"]).await;
    bench.send(2, &[b"line"]).await;
    until(|| server.seen().len() == 1).await;
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn as_many_connections_as_requests_at_once_are_enough() {
    let server = Server::start(|_| STORED).await;
    let loki = Loki {
        url: server.url(),
        ..Loki::default()
    };
    let bench = Bench::start(&pipeline::Destination {
        http: None,
        loki: Some(loki),
        ..http(String::new())
    });
    for sequence in 0..200 {
        bench.send(sequence, &[b"line"]).await;
    }
    bench.settled(200).await;
    assert!(server.seen().iter().all(|seen| seen.connection < 4));
}

async fn until(what: impl Fn() -> bool) {
    let fulfilled = async {
        while !what() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(DEADLINE, fulfilled).await.unwrap();
}

#[tokio::test]
async fn the_lane_ends_when_no_batch_can_come_and_all_are_settled() {
    let server = Server::start(|request| if request < 3 { Reaction::Reset } else { STORED }).await;
    let mut bench = Bench::start(&http(server.url()));
    bench.send(1, &[b"line"]).await;
    bench.batches = None;
    bench.settled(1).await;
    until(|| bench.handle.is_finished()).await;
}

#[tokio::test]
async fn an_aborted_lane_settles_nothing_and_closes_its_connections() {
    let server = Server::start(|_| Reaction::Hang).await;
    let bench = Bench::start(&pipeline::Destination {
        timeout: pipeline::Duration::from_secs(30),
        ..http(server.url())
    });
    bench.send(1, &[b"line"]).await;
    until(|| server.seen().len() == 1).await;
    let Bench { settled, handle, .. } = bench;
    drop(handle);
    // The other end of the channel is gone with the task.
    until(|| matches!(settled.try_recv(), Err(std::sync::mpsc::TryRecvError::Disconnected))).await;
}

#[tokio::test]
async fn a_server_that_can_not_prove_who_it_is_gets_nothing() {
    let config = Authority::new().server(&["127.0.0.1"], 2100, Admits::Anyone);
    let server = tls_server(config, |_| STORED).await;
    let bench = Bench::start(&http(format!("https://{}", server.address)));
    bench.send(1, &[b"line"]).await;
    bench
        .until(|health| health.reason == Some(FailureReason::TlsFailure))
        .await;
    assert_eq!(bench.health.snapshot().state, DestinationState::Blocked);
    assert_eq!(server.seen(), []);
}

#[tokio::test]
async fn standard_output_gets_the_lines_and_nothing_else() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let destination = pipeline::Destination {
        stdout: Some(pipeline::destination::Stdout::default()),
        http: None,
        ..http(String::new())
    };
    let bench = Bench::start_with(&destination, stdout::writer_on(writer).unwrap());
    bench.send(1, &[b"one", b"two"]).await;
    bench.settled(1).await;
    let mut text = [0; 16];
    let length = std::io::Read::read(&mut reader, &mut text).unwrap();
    assert_eq!(&text[..length], b"one\ntwo\n");
}

#[tokio::test]
async fn a_pipe_that_nobody_reads_holds_back_only_its_lane() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let destination = pipeline::Destination {
        stdout: Some(pipeline::destination::Stdout::default()),
        http: None,
        ..http(String::new())
    };
    let bench = Bench::start_with(&destination, stdout::writer_on(writer).unwrap());
    let long = vec![b'x'; 200_000];
    bench.send(1, &[&long]).await;
    bench
        .until(|health| health.reason == Some(FailureReason::Unreachable))
        .await;
    let read = std::thread::spawn(move || {
        let mut text = vec![0; long.len() + 1];
        std::io::Read::read_exact(&mut reader, &mut text).unwrap();
        reader
    });
    assert_eq!(bench.settled(1).await[0].dropped, []);
    let reader = read.join().unwrap();
    bench.until(|health| health.state == DestinationState::Healthy).await;

    drop(reader);
    bench.send(2, &[b"nobody is there"]).await;
    bench
        .until(|health| {
            health
                .last_error
                .as_ref()
                .is_some_and(|(_, message)| message.contains("Broken pipe"))
        })
        .await;
}
