//! A process that was killed goes on where it was.

use std::fs;

use crate::collector::Collector;
use crate::harness::{Arrived, Sidecar, Workspace, assert_balanced, destination, lines_out, numbered, stdout, until};

#[test]
fn kill_9_loses_nothing_and_repeats_at_most_the_window() {
    let mut workspace = Workspace::new();
    let collector = Collector::start();
    let mut destination = collector.destination();
    destination["batch"] = serde_json::json!({"maxBytes": "64Ki"});
    workspace.configure(&[workspace.pipeline("p", &destination)]);
    let (total, kills) = (200_000, 4_usize);
    workspace.append("a.log", &(0..total).map(numbered).collect::<String>());
    for kill in 1..=kills {
        let sidecar = Sidecar::start(&workspace);
        let least = usize::try_from(total).unwrap() * kill / (kills + 2);
        until("some progress", || (collector.count() > least).then_some(()));
        sidecar.kill();
    }
    let sidecar = Sidecar::start(&workspace);
    sidecar.report_until("an empty backlog", |report| {
        report["state"] == "running" && report["pipelines"][0]["destinations"][0]["pendingBytes"] == 0
    });
    let arrived = Arrived::of(collector.lines());
    assert_eq!(arrived.missing(total), Vec::<u64>::new());
    let window = ((64 << 10) + (1 << 20)) / numbered(0).len() as u64 + 1;
    let bound = window * kills as u64;
    assert!(
        arrived.duplicates() <= bound,
        "{} duplicates, {bound} allowed",
        arrived.duplicates()
    );
    assert_balanced(&sidecar.report().unwrap());
}

#[test]
fn what_was_under_way_when_the_process_was_killed_is_sent_again_byte_for_byte() {
    let mut workspace = Workspace::new();
    let collector = Collector::start();
    collector.answer(503);
    workspace.configure(&[workspace.pipeline("p", &collector.destination())]);
    for file in ["a.log", "b.log"] {
        workspace.append(file, "");
    }
    let sidecar = Sidecar::start(&workspace);
    sidecar.report_until("the files", |report| report["pipelines"][0]["sources"][0]["files"] == 2);
    // The first batch leaves at once and the next waits for it, so what is written from now on makes several pieces of it.
    for number in 0..40 {
        workspace.append(["a.log", "b.log"][number % 2], &numbered(number as u64));
    }
    let sent = until("a request", || collector.refused().first().cloned());
    sidecar.kill();
    let before = collector.refused().len();
    for number in 40..80 {
        workspace.append("a.log", &numbered(number));
    }
    let _sidecar = Sidecar::start(&workspace);
    let again = until("the same request", || collector.refused().get(before).cloned());
    assert!(again == sent, "{again:?} was {sent:?}");
    collector.answer(204);
    until("all lines", || (collector.count() >= 80).then_some(()));
    let arrived = Arrived::of(collector.lines());
    assert_eq!((arrived.missing(80), arrived.duplicates()), (vec![], 0));
}

#[test]
fn the_age_of_a_backlog_survives_a_restart() {
    let mut workspace = Workspace::new();
    let collector = Collector::start();
    collector.answer(503);
    workspace.configure(&[workspace.pipeline("p", &collector.destination())]);
    workspace.append("a.log", "");
    let sidecar = Sidecar::start(&workspace);
    sidecar.report_until("the file", |report| report["pipelines"][0]["sources"][0]["files"] == 1);
    workspace.append("a.log", &numbered(0));
    let age = |report: &serde_json::Value| destination(report, "http")["oldestPendingSeconds"].as_u64().unwrap();
    sidecar.report_until("an age that was saved", |report| age(report) >= 3);
    sidecar.kill();
    // By its time of change the file is as young as this.
    workspace.append("a.log", &numbered(1));
    let sidecar = Sidecar::start(&workspace);
    let report = sidecar.report_until("both lines", |report| {
        destination(report, "http")["pendingBytes"] == 2 * numbered(0).len()
    });
    assert!(age(&report) >= 2, "{report}");
}

#[test]
fn a_file_that_was_rotated_while_we_were_down_is_shipped_to_its_end_under_its_first_name() {
    let mut workspace = Workspace::new();
    let stdout = serde_json::json!({"name": "out", "stdout": {"format": "JSON"}});
    workspace.configure(&[workspace.pipeline("p", &stdout)]);
    workspace.append("a.log", &numbered(0));
    let sidecar = Sidecar::start(&workspace);
    lines_out(&workspace, 1);
    assert_eq!(sidecar.terminate().code(), Some(0));
    workspace.append("a.log", &numbered(1));
    fs::rename(workspace.log("a.log"), workspace.log("a.log.1")).unwrap();
    workspace.append("a.log", &numbered(2));
    let _sidecar = Sidecar::start(&workspace);
    for line in lines_out(&workspace, 3) {
        let record: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(record["log.file.path"], "/var/log/a.log", "{line}");
    }
}

#[test]
fn a_file_that_was_renamed_while_we_were_down_is_read_to_its_end() {
    // With a plain path nothing but the file itself is a match, and no directory would have to be listed to find it.
    for path in ["/var/log/*.log", "/var/log/a.log"] {
        let mut workspace = Workspace::new();
        let mut pipeline = workspace.pipeline("p", &stdout());
        pipeline["sources"][0]["paths"] = serde_json::json!([path]);
        workspace.configure(&[pipeline]);
        workspace.append("a.log", &numbered(0));
        let sidecar = Sidecar::start(&workspace);
        lines_out(&workspace, 1);
        assert_eq!(sidecar.terminate().code(), Some(0));
        workspace.append("a.log", &numbered(1));
        // The new name is none that the globs take.
        fs::rename(workspace.log("a.log"), workspace.log("a.log.1")).unwrap();
        workspace.append("a.log", &numbered(2));
        let _sidecar = Sidecar::start(&workspace);
        let arrived = Arrived::of(lines_out(&workspace, 3));
        assert_eq!((arrived.missing(3), arrived.duplicates()), (vec![], 0), "{path}");
    }
}

#[test]
fn a_file_that_was_copied_and_truncated_while_we_were_down_is_read_to_its_end() {
    let mut workspace = Workspace::new();
    let mut pipeline = workspace.pipeline("p", &stdout());
    pipeline["sources"][0]["paths"] = serde_json::json!(["/var/log/a.log"]);
    workspace.configure(&[pipeline]);
    workspace.append("a.log", &(0..10).map(numbered).collect::<String>());
    let sidecar = Sidecar::start(&workspace);
    lines_out(&workspace, 10);
    assert_eq!(sidecar.terminate().code(), Some(0));
    workspace.append("a.log", &(10..20).map(numbered).collect::<String>());
    // The glob doesn't take the copy, nor anything else here.
    fs::copy(workspace.log("a.log"), workspace.log("a.log.1")).unwrap();
    workspace.append("b.txt", "not for anyone's eyes\n");
    let file = fs::OpenOptions::new().write(true).open(workspace.log("a.log")).unwrap();
    file.set_len(0).unwrap();
    workspace.append("a.log", &numbered(20));
    let sidecar = Sidecar::start(&workspace);
    let arrived = Arrived::of(lines_out(&workspace, 21));
    assert_eq!((arrived.missing(21), arrived.duplicates()), (vec![], 0));
    assert_balanced(&sidecar.report().unwrap());
}

#[test]
fn another_file_with_the_inode_of_a_known_one_is_not_shipped() {
    let mut workspace = Workspace::new();
    workspace.configure(&[workspace.pipeline("p", &stdout())]);
    workspace.append("a.log", &numbered(0));
    let sidecar = Sidecar::start(&workspace);
    lines_out(&workspace, 1);
    assert_eq!(sidecar.terminate().code(), Some(0));
    // As when the log was deleted and its inode given to a file that the globs don't take.
    fs::rename(workspace.log("a.log"), workspace.log("data.db")).unwrap();
    fs::write(
        workspace.log("data.db"),
        format!("not for anyone's eyes {}\n", "x".repeat(200)),
    )
    .unwrap();
    let _sidecar = Sidecar::start(&workspace);
    workspace.append("b.log", &numbered(1));
    let arrived = Arrived::of(lines_out(&workspace, 2));
    assert_eq!((arrived.missing(2), arrived.duplicates()), (vec![], 0));
}

#[test]
fn counters_survive_a_restart() {
    let mut workspace = Workspace::new();
    workspace.configure(&[workspace.pipeline("p", &stdout())]);
    let text: String = (0..1_000).map(numbered).collect();
    workspace.append("a.log", &text);
    for _ in 0..2 {
        let sidecar = Sidecar::start(&workspace);
        let report = sidecar.report_until("all of it", |report| {
            report["pipelines"][0]["destinations"][0]["acknowledgedBytes"] == text.len()
        });
        assert_balanced(&report);
        assert_eq!(report["pipelines"][0]["destinations"][0]["acknowledgedRecords"], 1_000);
        assert_eq!(sidecar.terminate().code(), Some(0));
    }
    assert_eq!(workspace.output().lines().count(), 1_000);
}

#[test]
fn starting_at_the_end_skips_only_what_was_there_at_the_very_first_sight() {
    let mut workspace = Workspace::new();
    let mut pipeline = workspace.pipeline("p", &stdout());
    pipeline["sources"][0]["startAt"] = "End".into();
    workspace.configure(&[pipeline]);
    workspace.append("a.log", "old\n");
    let sidecar = Sidecar::start(&workspace);
    sidecar.report_until("the file", |report| report["pipelines"][0]["sources"][0]["files"] == 1);
    assert_eq!(sidecar.terminate().code(), Some(0));
    workspace.append("a.log", "while down\n");
    workspace.append("b.log", "a new file\n");
    let _sidecar = Sidecar::start(&workspace);
    let mut lines = lines_out(&workspace, 2);
    lines.sort_unstable();
    assert_eq!(lines, ["a new file", "while down"]);
}
