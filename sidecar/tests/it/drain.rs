//! SIGTERM: what is waited for in each placement, and what the kubelet is told meanwhile.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::collector::Collector;
use crate::harness::{Arrived, Sidecar, Workspace, destination, lines_out, numbered, stdout, until};

fn configure(workspace: &mut Workspace, settings: &Value, destination: &Value) {
    let pipeline = workspace.pipeline("p", destination);
    workspace.configure_text(&json!({"sidecar": settings, "pipelines": [pipeline]}).to_string());
}

fn start(workspace: &Workspace) -> Sidecar {
    let sidecar = Sidecar::start(workspace);
    sidecar.report_until("state running", |report| report["state"] == "running");
    sidecar
}

fn ask_to_end(sidecar: &Sidecar) -> Instant {
    sidecar.signal(Signal::TERM);
    let asked = Instant::now();
    sidecar.report_until("state draining", |report| report["state"] == "draining");
    asked
}

fn message(workspace: &Workspace) -> Value {
    serde_json::from_str(&fs::read_to_string(workspace.path("termination")).unwrap()).unwrap_or_default()
}

/// A sidecar that ends together with its application, and may take so long for it.
fn plain_container(drain_timeout: &str) -> (Workspace, Sidecar) {
    let mut workspace = Workspace::new();
    configure(
        &mut workspace,
        &json!({"placement": "Container", "drainTimeout": drain_timeout}),
        &stdout(),
    );
    let sidecar = start(&workspace);
    (workspace, sidecar)
}

#[test]
fn a_native_sidecar_reads_on_as_long_as_files_grow() {
    let mut workspace = Workspace::new();
    configure(&mut workspace, &json!({"drainTimeout": "60s"}), &stdout());
    let sidecar = start(&workspace);
    let asked = ask_to_end(&sidecar);
    // Each line well within the 300 ms after which a file counts as quiet, all of them beyond it.
    let mut total = 0;
    while asked.elapsed() < Duration::from_secs(2) {
        workspace.append("a.log", &numbered(total));
        total += 1;
        lines_out(&workspace, usize::try_from(total).unwrap());
    }
    workspace.append("a.log", numbered(total).trim_end());
    assert_eq!(sidecar.wait().code(), Some(0));
    let arrived = Arrived::of(workspace.output().lines());
    assert_eq!((arrived.missing(total + 1), arrived.duplicates()), (vec![], 0));
    assert_eq!(message(&workspace), json!({"drained": true, "leftBytes": {}}));
}

#[test]
fn a_plain_container_waits_until_the_application_closes_its_files() {
    let (workspace, sidecar) = plain_container("60s");
    let mut log = OpenOptions::new()
        .append(true)
        .create(true)
        .open(workspace.log("a.log"))
        .unwrap();
    // With the second line it is certain that somebody has the file open; the first may be found together with it.
    for number in 0..2 {
        log.write_all(numbered(number).as_bytes()).unwrap();
        lines_out(&workspace, usize::try_from(number + 1).unwrap());
    }
    let asked = ask_to_end(&sidecar);
    // A pause that is longer than a container without open files would wait.
    until("a long pause", || {
        assert!(sidecar.get("/livez").is_some(), "it has ended though the file is open");
        (asked.elapsed() > Duration::from_secs(3)).then_some(())
    });
    log.write_all(numbered(2).as_bytes()).unwrap();
    lines_out(&workspace, 3);
    drop(log);
    let closed = Instant::now();
    assert_eq!(sidecar.wait().code(), Some(0));
    assert!(
        closed.elapsed() > Duration::from_millis(1_500),
        "{:?} after the close",
        closed.elapsed()
    );
    assert!(
        asked.elapsed() < Duration::from_secs(50),
        "it waited for the end of the time"
    );
    assert_eq!(message(&workspace), json!({"drained": true, "leftBytes": {}}));
}

#[test]
fn a_plain_container_does_not_wait_for_files_that_are_closed_after_each_line() {
    let (workspace, sidecar) = plain_container("60s");
    let mut total = 0;
    let mut append = || {
        workspace.append("a.log", &numbered(total));
        total += 1;
        lines_out(&workspace, usize::try_from(total).unwrap());
    };
    (0..5).for_each(|_| append());
    let asked = ask_to_end(&sidecar);
    (0..5).for_each(|_| append());
    assert_eq!(sidecar.wait().code(), Some(0));
    assert!(
        asked.elapsed() < Duration::from_secs(50),
        "it waited for the end of the time"
    );
    assert_eq!(message(&workspace), json!({"drained": true, "leftBytes": {}}));
}

#[test]
fn a_plain_container_gives_up_on_a_file_that_stays_open_two_seconds_before_the_end() {
    let (workspace, sidecar) = plain_container("5s");
    let mut log = OpenOptions::new()
        .append(true)
        .create(true)
        .open(workspace.log("a.log"))
        .unwrap();
    log.write_all(numbered(0).as_bytes()).unwrap();
    lines_out(&workspace, 1);
    let asked = ask_to_end(&sidecar);
    log.write_all(b"without an end").unwrap();
    assert_eq!(sidecar.wait().code(), Some(0));
    let took = asked.elapsed();
    assert!(
        took > Duration::from_millis(2_500),
        "{took:?}: it didn't wait for the file to be closed"
    );
    assert!(
        workspace.output().ends_with("without an end\n"),
        "the last words leave in any case"
    );
    assert_eq!(message(&workspace), json!({"drained": true, "leftBytes": {}}));
}

#[test]
fn what_is_left_is_told_every_second_since_the_end_may_come_without_warning() {
    let mut workspace = Workspace::new();
    let collector = Collector::start();
    collector.answer(503);
    configure(
        &mut workspace,
        &json!({"drainTimeout": "60s"}),
        &collector.destination(),
    );
    workspace.append("a.log", "12345\n");
    let sidecar = start(&workspace);
    sidecar.report_until("a failing destination", |report| {
        destination(report, "http")["state"] == "retrying"
    });
    ask_to_end(&sidecar);
    for expected in [6, 12, 18] {
        until("the message", || {
            (message(&workspace)["leftBytes"]["p/http"] == expected).then_some(())
        });
        assert_eq!(message(&workspace)["drained"], false);
        workspace.append("a.log", "12345\n");
    }
    sidecar.kill();
    assert_eq!(message(&workspace)["drained"], false);
}

#[test]
fn a_backlog_of_100_megabytes_is_delivered_before_the_end() {
    let mut workspace = Workspace::new();
    let collector = Collector::start();
    collector.answer(503);
    // The time is for a busy machine and a program that isn't optimised; how fast it really is, is measured elsewhere.
    configure(
        &mut workspace,
        &json!({"drainTimeout": "300s"}),
        &collector.destination(),
    );
    let total = 100 << 10;
    let line = |number: u64| format!("line {number:08} {}\n", "x".repeat(1009));
    for start in (0..total).step_by(1 << 10) {
        workspace.append("a.log", &(start..start + (1 << 10)).map(line).collect::<String>());
    }
    let sidecar = start(&workspace);
    sidecar.report_until("the backlog", |report| {
        destination(report, "http")["pendingBytes"] == total * 1024
            && destination(report, "http")["state"] == "retrying"
    });
    ask_to_end(&sidecar);
    collector.answer(204);
    let arrived_at_the_end = until("the end", || {
        let left = message(&workspace)["leftBytes"]["p/http"].as_u64();
        (left.is_none() && message(&workspace)["drained"] == true).then(|| collector.count())
    });
    assert_eq!(sidecar.wait().code(), Some(0));
    assert_eq!(arrived_at_the_end as u64, total);
    let arrived = Arrived::of(collector.lines());
    assert_eq!((arrived.missing(total), arrived.duplicates()), (vec![], 0));
}

#[test]
fn a_status_port_that_is_taken_stops_nothing_and_is_had_when_it_is_free() {
    let mut workspace = Workspace::new();
    configure(&mut workspace, &json!({}), &stdout());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let sidecar = Sidecar::start_at(taken.local_addr().unwrap(), &workspace);
    workspace.append("a.log", "one\n");
    assert_eq!(lines_out(&workspace, 1), ["one"]);
    until("a word about the port", || {
        workspace.log_lines().contains("can't be bound").then_some(())
    });
    drop(taken);
    sidecar.report_until("the status", |report| report["state"] == "running");
    assert_eq!(sidecar.terminate().code(), Some(0));
}

#[test]
fn what_never_had_a_configuration_ends_too() {
    let workspace = Workspace::new();
    let sidecar = Sidecar::start(&workspace);
    sidecar.report_until("state noConfig", |report| report["state"] == "noConfig");
    assert_eq!(sidecar.terminate().code(), Some(0));
    assert_eq!(message(&workspace), json!({"drained": true, "leftBytes": {}}));
}
