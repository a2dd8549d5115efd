//! Files whose content is another between two looks. The sidecar is stopped meanwhile, so that it sees nothing in between.

use std::fs::{self, File};
use std::io::Write;

use rustix::process::Signal;

use crate::collector::Collector;
use crate::harness::{Arrived, Sidecar, Workspace, assert_balanced, lines_out, numbered, stdout, until};

fn unseen(sidecar: &Sidecar, happens: impl FnOnce()) {
    sidecar.signal(Signal::STOP);
    happens();
    sidecar.signal(Signal::CONT);
}

fn wait_for_truncations(sidecar: &Sidecar, count: u64) {
    let wanted = format!(" {count}");
    until("the truncations", || {
        let (_, metrics) = sidecar.get("/metrics")?;
        let mut lines = metrics.lines();
        lines.find(|line| line.starts_with("logshipping_source_files_truncated_total") && line.ends_with(&wanted))?;
        Some(())
    });
}

/// A sidecar that has taken a part of a file and can deliver nothing, and the file's writer, which doesn't append.
fn stuck_behind_a_hole() -> (Workspace, Collector, Sidecar, File) {
    let mut workspace = Workspace::new();
    let collector = Collector::start();
    collector.answer(503);
    let mut pipeline = workspace.pipeline("p", &collector.destination());
    pipeline["destinations"][0]["batch"] = serde_json::json!({"maxBytes": "16Ki"});
    workspace.configure(&[pipeline]);
    let mut writer = File::create(workspace.log("a.log")).unwrap();
    let text: String = (0..1_000).map(numbered).collect();
    writer.write_all(text.as_bytes()).unwrap();
    let sidecar = Sidecar::start(&workspace);
    sidecar.report_until("as many batches as can be under way", |report| {
        report["pipelines"][0]["sources"][0]["readBytes"].as_u64() > Some(30 << 10)
    });
    unseen(&sidecar, || {
        writer.set_len(0).unwrap();
        writer.write_all(numbered(1_000).as_bytes()).unwrap();
    });
    wait_for_truncations(&sidecar, 1);
    (workspace, collector, sidecar, writer)
}

/// Everything that arrived, once a line did and nothing is left.
fn settle(collector: &Collector, sidecar: &Sidecar, last: u64) -> Arrived {
    collector.answer(204);
    until("the last line", || {
        Arrived::of(collector.lines()).has(last).then_some(())
    });
    let report = sidecar.report_until("an empty backlog", |report| {
        report["pipelines"][0]["destinations"][0]["pendingBytes"] == 0
    });
    assert_balanced(&report);
    Arrived::of(collector.lines())
}

#[test]
fn a_hole_that_grew_since_it_was_skipped_is_no_content() {
    let (_workspace, collector, sidecar, mut writer) = stuck_behind_a_hole();
    unseen(&sidecar, || {
        writer.set_len(0).unwrap();
        writer.write_all(numbered(1_001).as_bytes()).unwrap();
    });
    let arrived = settle(&collector, &sidecar, 1_001);
    assert_eq!(arrived.duplicates(), 0);
}

#[test]
fn a_file_that_was_filled_again_since_its_hole_was_skipped_is_read_from_its_beginning() {
    let (workspace, collector, sidecar, _writer) = stuck_behind_a_hole();
    unseen(&sidecar, || {
        let text: String = (2_000..4_000).map(numbered).collect();
        fs::write(workspace.log("a.log"), text).unwrap();
    });
    wait_for_truncations(&sidecar, 2);
    let arrived = settle(&collector, &sidecar, 3_999);
    assert!((2_000..4_000).all(|number| arrived.has(number)) && arrived.duplicates() == 0);
}

#[test]
fn other_content_of_the_same_length_is_noticed() {
    let mut workspace = Workspace::new();
    workspace.configure(&[workspace.pipeline("p", &stdout())]);
    workspace.append("a.log", &numbered(1));
    let sidecar = Sidecar::start(&workspace);
    lines_out(&workspace, 1);
    unseen(&sidecar, || fs::write(workspace.log("a.log"), numbered(2)).unwrap());
    let arrived = Arrived::of(lines_out(&workspace, 2));
    assert!(arrived.has(1) && arrived.has(2));
}
