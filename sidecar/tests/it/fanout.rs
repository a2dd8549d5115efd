//! Several destinations and several pipelines on the same files.

use serde_json::Value;

use crate::collector::Collector;
use crate::harness::{Arrived, Sidecar, Workspace, assert_balanced, destination, lines_out, numbered, stdout, until};

const CHUNK: u64 = 5_000;

fn named(name: &str, collector: &Collector) -> Value {
    let mut destination = collector.destination();
    destination["name"] = name.into();
    destination
}

fn with(workspace: &Workspace, name: &str, destinations: &[Value]) -> Value {
    let mut pipeline = workspace.pipeline(name, &stdout());
    pipeline["destinations"] = destinations.to_vec().into();
    pipeline
}

fn append(workspace: &Workspace, from: u64, count: u64) -> u64 {
    workspace.append("a.log", &(from..from + count).map(numbered).collect::<String>());
    from + count
}

/// All lines, once and in order.
fn assert_complete(collector: &Collector, total: u64) {
    let lines = until("all lines", || {
        (collector.count() as u64 >= total).then(|| collector.lines())
    });
    let arrived = Arrived::of(&lines);
    assert_eq!((arrived.missing(total), arrived.duplicates()), (vec![], 0));
    assert!(lines.is_sorted(), "the order of the file");
}

#[test]
fn a_dead_destination_holds_nobody_back_and_gets_everything_when_it_recovers() {
    let mut workspace = Workspace::new();
    let (alive, dead) = (Collector::start(), Collector::start());
    let mut config = with(&workspace, "p", &[named("alive", &alive), named("dead", &dead)]);
    for destination in config["destinations"].as_array_mut().unwrap() {
        destination["batch"] = serde_json::json!({"maxBytes": "64Ki", "maxDelay": "10ms"});
    }
    workspace.configure(&[config]);
    let sidecar = Sidecar::start(&workspace);
    let mut total = append(&workspace, 0, CHUNK);
    assert_complete(&alive, total);
    assert_complete(&dead, total);
    for _ in 0..3 {
        dead.answer(503);
        for _ in 0..4 {
            total = append(&workspace, total, CHUNK);
            assert_complete(&alive, total);
            let report = sidecar.report().unwrap();
            assert_balanced(&report);
            assert!(report["memory"]["usedBytes"].as_u64() <= report["memory"]["budgetBytes"].as_u64());
        }
        dead.answer(204);
        assert_complete(&dead, total);
    }
    let report = sidecar.report_until("nothing pending", |report| {
        ["alive", "dead"]
            .iter()
            .all(|name| destination(report, name)["pendingBytes"] == 0)
    });
    assert_balanced(&report);
}

#[test]
fn a_destination_that_is_added_changed_or_removed_makes_no_duplicates_at_the_other() {
    let mut workspace = Workspace::new();
    let (kept, other, third) = (Collector::start(), Collector::start(), Collector::start());
    let with_other = |url: &Collector| vec![named("kept", &kept), named("other", url)];
    workspace.configure(&[with(&workspace, "p", &with_other(&other))]);
    let sidecar = Sidecar::start(&workspace);
    let mut total = 0;
    for round in 0..12 {
        total = append(&workspace, total, CHUNK);
        let destinations = match round % 4 {
            0 => vec![named("kept", &kept)],
            1 | 3 => with_other(&other),
            _ => with_other(&third),
        };
        let mut config = with(&workspace, "p", &destinations);
        config["revision"] = format!("r{round}").into();
        workspace.configure(&[config]);
        total = append(&workspace, total, CHUNK);
        sidecar.report_until("the new configuration", |report| {
            report["pipelines"][0]["revision"] == format!("r{round}")
        });
    }
    assert_complete(&kept, total);
    let report = sidecar.report_until("nothing pending", |report| {
        destination(report, "other")["pendingBytes"] == 0
    });
    assert_balanced(&report);
    let both: Vec<String> = [other.lines(), third.lines()].concat();
    assert_eq!(Arrived::of(both).missing(total), Vec::<u64>::new());
}

#[test]
fn pipelines_and_sources_on_one_file_share_its_descriptor_and_each_has_its_own_place() {
    let mut workspace = Workspace::new();
    let (slow, second) = (Collector::start(), Collector::start());
    slow.answer(503);
    let mut twice = with(&workspace, "twice", &[named("a", &second)]);
    let mut again = twice["sources"][0].clone();
    again["name"] = "again".into();
    twice["sources"].as_array_mut().unwrap().push(again);
    workspace.configure(&[
        with(&workspace, "one", &[stdout()]),
        with(&workspace, "slow", &[named("b", &slow)]),
        twice,
    ]);
    let sidecar = Sidecar::start(&workspace);
    append(&workspace, 0, 100);
    lines_out(&workspace, 100);
    until("the lines of both sources", || (second.count() == 200).then_some(()));
    assert_eq!(sidecar.descriptors_of(&workspace.log("a.log")), 1);
    slow.answer(204);
    assert_complete(&slow, 100);
    assert_eq!((workspace.output().lines().count(), second.count()), (100, 200));
}

/// Pipelines with several destinations, most of them dead, and a backlog that grows far beyond the budget.
#[test]
fn memory_stays_flat_during_an_outage_however_long_it_is() {
    let mut workspace = Workspace::new();
    let (alive, dead) = (Collector::start(), Collector::start());
    dead.answer(503);
    let pipelines = [
        with(
            &workspace,
            "p",
            &[named("alive", &alive), named("dead", &dead), named("dead2", &dead)],
        ),
        with(&workspace, "q", &[named("dead", &dead), named("dead2", &dead)]),
    ];
    let config = serde_json::json!({"version": 1, "sidecar": {"memoryLimit": "16Mi"}, "pipelines": pipelines});
    workspace.configure_text(&config.to_string());
    let sidecar = Sidecar::start(&workspace);
    sidecar.report_until("all pipelines", |report| report["pipelines"][1].is_object());
    let (mut total, mut peaks) = (0, Vec::new());
    for _ in 0..6 {
        for _ in 0..6 {
            total = append(&workspace, total, CHUNK);
        }
        until("all lines where there is no outage", || {
            let memory = sidecar.report()?["memory"].clone();
            let (used, budget) = (memory["usedBytes"].as_u64()?, memory["budgetBytes"].as_u64()?);
            assert!(used <= budget && budget == 8 << 20, "{used} of {budget}");
            (alive.count() as u64 >= total).then_some(())
        });
        peaks.push(sidecar.peak_memory());
    }
    assert!(peaks[5] < peaks[2] + 3072, "KiB after each 3 MB of logs: {peaks:?}");
    assert_complete(&alive, total);
}
