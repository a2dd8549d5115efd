//! A configuration that changes while lines are shipped.

use std::fs;

use crate::collector::Collector;
use crate::harness::{Arrived, Sidecar, Workspace, lines_out, numbered, stdout, until};

#[test]
fn a_flip_of_the_mounted_configuration_takes_effect_and_leaves_the_rest_alone() {
    let mut workspace = Workspace::new();
    let collector = Collector::start();
    let kept = workspace.pipeline("kept", &collector.destination());
    workspace.configure(std::slice::from_ref(&kept));
    let sidecar = Sidecar::start(&workspace);
    let total = 30_000;
    for start in (0..total).step_by(1_000) {
        workspace.append("a.log", &(start..start + 1_000).map(numbered).collect::<String>());
        // Every other configuration has a second pipeline.
        let mut pipelines = vec![kept.clone()];
        if start % 2_000 == 0 {
            pipelines.push(workspace.pipeline("other", &stdout()));
        }
        workspace.configure(&pipelines);
        sidecar.report_until("the new configuration", |report| {
            report["pipelines"]
                .as_array()
                .is_some_and(|list| list.len() == pipelines.len())
        });
    }
    let arrived = until("all lines", || {
        (collector.count() as u64 >= total).then(|| Arrived::of(collector.lines()))
    });
    assert_eq!(arrived.duplicates(), 0, "in the pipeline that never changed");
    // The other pipeline's positions were kept while it was away.
    workspace.configure(&[kept, workspace.pipeline("other", &stdout())]);
    let arrived = until("all lines in the other pipeline", || {
        Some(Arrived::of(workspace.output().lines())).filter(|arrived| arrived.count() == total)
    });
    assert!(arrived.duplicates() < total / 2, "{}", arrived.duplicates());
}

#[test]
fn a_bad_pipeline_is_rejected_and_its_old_version_runs_on() {
    let mut workspace = Workspace::new();
    let good = workspace.pipeline("p", &stdout());
    workspace.configure(std::slice::from_ref(&good));
    let sidecar = Sidecar::start(&workspace);
    sidecar.report_until("revision p-1", |report| report["pipelines"][0]["revision"] == "p-1");
    let mut bad = good.clone();
    bad["revision"] = "p-2".into();
    bad["sources"][0]["pathz"] = "x".into();
    workspace.configure(&[
        bad,
        workspace.pipeline("q", &serde_json::json!({"name": "out2", "stdout": {}})),
    ]);
    let report = sidecar.report_until("a rejected pipeline", |report| report["rejected"][0].is_object());
    assert_eq!(report["rejected"][0]["revision"], "p-2");
    assert!(
        report["rejected"][0]["error"]
            .as_str()
            .unwrap()
            .starts_with("sources[0].pathz: "),
        "{report}"
    );
    let running: Vec<_> = report["pipelines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|known| known["revision"].clone())
        .collect();
    assert_eq!(running, ["p-1", "q-1"]);
    workspace.append("a.log", "both\n");
    assert_eq!(lines_out(&workspace, 2), ["both", "both"]);
}

#[test]
fn a_refused_or_absent_file_leaves_everything_running() {
    let mut workspace = Workspace::new();
    workspace.configure(&[workspace.pipeline("p", &stdout())]);
    let sidecar = Sidecar::start(&workspace);
    sidecar.report_until("state running", |report| report["state"] == "running");
    workspace.configure_text("{");
    sidecar.report_until("a rejected file", |report| report["rejected"][0].is_object());
    std::fs::remove_file(workspace.path("config/..data")).unwrap();
    std::fs::remove_file(workspace.path("config/config.json")).unwrap();
    workspace.append("a.log", "still here\n");
    assert_eq!(lines_out(&workspace, 1), ["still here"]);
    assert_eq!(sidecar.report().unwrap()["state"], "running");
}

#[test]
fn a_changed_destination_goes_on_where_it_was() {
    let mut workspace = Workspace::new();
    let (first, second) = (Collector::start(), Collector::start());
    workspace.configure(&[workspace.pipeline("p", &first.destination())]);
    let sidecar = Sidecar::start(&workspace);
    workspace.append("a.log", &(0..100).map(numbered).collect::<String>());
    until("the first lines", || (first.count() == 100).then_some(()));
    sidecar.report_until("their acknowledgement", |report| {
        report["pipelines"][0]["destinations"][0]["pendingBytes"] == 0
    });
    workspace.configure(&[workspace.pipeline("p", &second.destination())]);
    until("the other address", || {
        workspace.append("a.log", &numbered(100));
        (second.count() > 0).then_some(())
    });
    let both = Arrived::of(first.lines().into_iter().chain(second.lines()));
    assert_eq!(both.count(), 101);
    assert!(
        second.lines().iter().all(|line| line.starts_with("line 00000100")),
        "nothing is sent again"
    );
}

#[test]
fn files_of_a_source_that_was_taken_away_under_way_are_let_go() {
    let mut workspace = Workspace::new();
    let collector = Collector::start();
    collector.answer(503);
    let mut both = workspace.pipeline("p", &collector.destination());
    let mut other = both["sources"][0].clone();
    other["name"] = "other".into();
    other["paths"] = serde_json::json!(["/var/log/other"]);
    both["sources"].as_array_mut().unwrap().push(other);
    workspace.configure(&[both]);
    let sidecar = Sidecar::start(&workspace);
    workspace.append("other", &numbered(0));
    sidecar.report_until("the line under way", |report| {
        report["pipelines"][0]["sources"][1]["readBytes"].as_u64() > Some(0)
    });
    workspace.configure(&[workspace.pipeline("p", &collector.destination())]);
    sidecar.report_until("one source", |report| {
        report["pipelines"][0]["sources"].as_array().map(Vec::len) == Some(1)
    });
    fs::remove_file(workspace.log("other")).unwrap();
    sidecar.report_until("the deleted file", |report| {
        report["heldDeletedBytes"].as_u64() > Some(0)
    });
    collector.answer(204);
    sidecar.report_until("no deleted file", |report| report["heldDeletedBytes"] == 0);
}
