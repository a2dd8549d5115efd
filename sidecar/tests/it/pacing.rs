//! `rateLimit` with `onExceed: Wait`: reading slower, with the real program.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::collector::Collector;
use crate::harness::{Arrived, Sidecar, Workspace, assert_balanced, destination, lines_out, numbered, stdout, until};

fn paced(workspace: &Workspace, destination: &Value, limit: &Value) -> Value {
    let mut pipeline = workspace.pipeline("p", destination);
    pipeline["transforms"] = json!([{ "rateLimit": limit }]);
    pipeline
}

#[test]
fn a_backlog_leaves_at_the_rate_and_nothing_else_is_held_back() {
    let mut workspace = Workspace::new();
    let collector = Collector::start();
    let limit = json!({"recordsPerSecond": 50, "burst": 20, "onExceed": "Wait"});
    let mut slow = paced(&workspace, &collector.destination(), &limit);
    let mut other = workspace.source();
    other["name"] = "other".into();
    other["paths"] = json!(["/var/log/other.txt"]);
    slow["sources"].as_array_mut().unwrap().push(other);
    let mut fast = workspace.pipeline("q", &stdout());
    fast["name"] = "q".into();
    workspace.configure(&[slow, fast]);
    let lines = 200;
    workspace.append("a.log", &(0..lines).map(numbered).collect::<String>());
    workspace.append("other.txt", &numbered(lines));
    let began = Instant::now();
    let sidecar = Sidecar::start(&workspace);
    // The other source of the same destination, and the same file on its way to another destination.
    until("the other source", || {
        collector
            .lines()
            .iter()
            .any(|line| *line == *numbered(lines).trim_end())
            .then_some(())
    });
    lines_out(&workspace, 200);
    let report = sidecar
        .report()
        .filter(|report| destination(report, "http")["pendingBytes"].as_u64() > Some(0))
        .unwrap();
    assert_balanced(&report);
    let report = sidecar.report_until("an empty backlog", |report| {
        destination(report, "http")["pendingBytes"] == 0
    });
    assert!(began.elapsed() >= Duration::from_millis(3_600), "{:?}", began.elapsed());
    assert_balanced(&report);
    assert_eq!(destination(&report, "http")["acknowledgedRecords"], lines + 1);
    assert_eq!(destination(&report, "http")["filteredRecords"]["rateLimited"], 0);
    let arrived = Arrived::of(collector.lines());
    assert_eq!((arrived.missing(lines + 1), arrived.duplicates()), (vec![], 0));
}

#[test]
fn at_the_end_nothing_is_left_behind_for_a_rate() {
    let mut workspace = Workspace::new();
    let limit = json!({"recordsPerSecond": 1, "burst": 5, "onExceed": "Wait"});
    workspace.configure(&[paced(&workspace, &stdout(), &limit)]);
    workspace.append("a.log", &(0..500).map(numbered).collect::<String>());
    let sidecar = Sidecar::start(&workspace);
    lines_out(&workspace, 5);
    sidecar.kill();
    // A process that is killed while it waits goes on where it was.
    let sidecar = Sidecar::start(&workspace);
    sidecar.report_until("five more", |report| {
        destination(report, "out")["acknowledgedRecords"].as_u64() >= Some(8)
    });
    assert!(sidecar.terminate().success());
    let arrived = Arrived::of(workspace.output().lines());
    assert_eq!(arrived.missing(500), Vec::<u64>::new());
    assert!(arrived.duplicates() <= 5, "{}", arrived.duplicates());
}
