//! The first configuration, outages, and the end of the process.

use std::fs;
use std::process::Command;

use rustix::process::Signal;

use crate::collector::Collector;
use crate::harness::{Arrived, Sidecar, Workspace, assert_balanced, destination, lines_out, numbered, stdout, until};

#[test]
fn without_a_configuration_it_waits_for_one() {
    let mut workspace = Workspace::new();
    workspace.append("a.log", "one\n");
    let sidecar = Sidecar::start(&workspace);
    sidecar.report_until("state noConfig", |report| report["state"] == "noConfig");
    assert_eq!(sidecar.get("/readyz").unwrap().0, 503);
    assert_eq!(sidecar.get("/livez").unwrap().0, 200);
    workspace.configure(&[workspace.pipeline("p", &stdout())]);
    assert_eq!(lines_out(&workspace, 1), ["one"]);
    sidecar.report_until("state running", |report| report["state"] == "running");
    assert_eq!(sidecar.get("/readyz").unwrap().0, 200);
}

#[test]
fn a_bad_first_configuration_is_named_and_replaced() {
    let mut workspace = Workspace::new();
    workspace.configure_text("{\"pipelines\": [], \"pipelinez\": 1}");
    let sidecar = Sidecar::start(&workspace);
    let report = sidecar.report_until("a rejected file", |report| report["rejected"][0].is_object());
    assert_eq!(report["state"], "noConfig");
    assert!(
        report["rejected"][0]["error"].as_str().unwrap().contains("pipelinez"),
        "{report}"
    );
    workspace.configure(&[workspace.pipeline("p", &stdout())]);
    sidecar.report_until("state running", |report| {
        report["state"] == "running" && report["rejected"] == serde_json::json!([])
    });
}

#[test]
fn sigterm_delivers_everything_and_says_so() {
    let mut workspace = Workspace::new();
    let collector = Collector::start();
    workspace.configure(&[workspace.pipeline("p", &collector.destination())]);
    let total = 50_000;
    let sidecar = Sidecar::start(&workspace);
    sidecar.report_until("state running", |report| report["state"] == "running");
    workspace.append("a.log", &(0..total - 1).map(numbered).collect::<String>());
    workspace.append("a.log", numbered(total - 1).trim_end());
    assert_eq!(sidecar.terminate().code(), Some(0));
    let arrived = Arrived::of(collector.lines());
    assert_eq!((arrived.missing(total), arrived.duplicates()), (vec![], 0));
    assert_eq!(
        fs::read_to_string(workspace.path("termination")).unwrap(),
        r#"{"drained":true,"leftBytes":{}}"#
    );
}

#[test]
fn a_drain_that_cannot_succeed_ends_in_time_and_says_what_is_left() {
    let mut workspace = Workspace::new();
    let collector = Collector::start();
    collector.answer(503);
    let pipeline = workspace.pipeline("p", &collector.destination());
    let config = serde_json::json!({"sidecar": {"drainTimeout": "1s"}, "pipelines": [pipeline]});
    workspace.configure_text(&config.to_string());
    workspace.append("a.log", "12345\n");
    let sidecar = Sidecar::start(&workspace);
    sidecar.report_until("a failing destination", |report| {
        destination(report, "http")["state"] == "retrying"
    });
    assert_eq!(sidecar.terminate().code(), Some(0));
    let message = fs::read_to_string(workspace.path("termination")).unwrap();
    assert_eq!(message, r#"{"drained":false,"leftBytes":{"p/http":6}}"#);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut workspace = Workspace::new();
    let collector = Collector::start();
    collector.answer(503);
    workspace.configure(&[workspace.pipeline("p", &collector.destination())]);
    workspace.append("a.log", "x\n");
    let sidecar = Sidecar::start(&workspace);
    sidecar.report_until("a failing destination", |report| {
        destination(report, "http")["state"] == "retrying"
    });
    sidecar.signal(Signal::TERM);
    sidecar.report_until("state draining", |report| report["state"] == "draining");
    sidecar.signal(Signal::INT);
    assert_eq!(sidecar.wait().code(), Some(143));
}

#[test]
fn an_outage_keeps_lines_in_the_file_and_loses_none() {
    let mut workspace = Workspace::new();
    let collector = Collector::start();
    collector.answer(503);
    workspace.configure(&[workspace.pipeline("p", &collector.destination())]);
    let sidecar = Sidecar::start(&workspace);
    let total = 20_000;
    for start in (0..total).step_by(1_000) {
        workspace.append("a.log", &(start..start + 1_000).map(numbered).collect::<String>());
        sidecar.report_until("a report", |report| {
            report["state"] == "running" && {
                assert_balanced(report);
                true
            }
        });
    }
    let size = fs::metadata(workspace.log("a.log")).unwrap().len();
    let report = sidecar.report_until("the whole backlog", |report| {
        destination(report, "http")["pendingBytes"] == size
    });
    assert_eq!(destination(&report, "http")["reason"], "ServerError");
    collector.answer(204);
    sidecar.report_until("an empty backlog", |report| {
        assert_balanced(report);
        destination(report, "http")["acknowledgedBytes"] == size
    });
    let arrived = Arrived::of(collector.lines());
    assert_eq!((arrived.missing(total), arrived.duplicates()), (vec![], 0));
}

#[test]
fn check_names_every_error() {
    let workspace = Workspace::new();
    let check = |text: &str| {
        fs::write(workspace.path("c.yaml"), text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_logshipping-sidecar"));
        let output = command
            .args(["check", "--config"])
            .arg(workspace.path("c.yaml"))
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let good = "pipelines: [{name: p, sources: [{name: s, paths: [/a/b]}], destinations: [{name: o, stdout: {}}]}]";
    assert_eq!(check(good), (Some(0), String::new()));
    let (code, errors) = check("pipelines: [{name: p, sources: [{name: s, paths: [b]}], destinations: []}]");
    assert_eq!(code, Some(1));
    assert!(
        errors.contains("sources[0].paths[0]") && errors.contains("destinations: "),
        "{errors}"
    );
}

#[test]
fn the_state_directory_has_one_shipper() {
    let mut workspace = Workspace::new();
    workspace.append("a.log", "once\n");
    workspace.configure(&[workspace.pipeline("p", &stdout())]);
    let first = Sidecar::start(&workspace);
    assert_eq!(lines_out(&workspace, 1), ["once"]);
    let second = Sidecar::start(&workspace);
    let report = second.report_until("a sidecar that waits", |report| {
        report["standby"].is_string() && report["state"] == "running"
    });
    // It is ready to take over, and known to be: the configuration is judged.
    assert!(report["standby"].as_str().unwrap().contains("lock"), "{report}");
    assert_eq!(report["configHash"], first.report().unwrap()["configHash"]);
    assert_eq!(report["pipelines"][0]["revision"], "p-1");
    assert_eq!(destination(&report, "out")["state"], "idle");
    assert_eq!(second.get("/readyz").unwrap().0, 200);
    assert_eq!(first.terminate().code(), Some(0));
    second.report_until("the second one to ship", |report| {
        report["standby"].is_null() && report["state"] == "running"
    });
    workspace.append("a.log", "twice\n");
    until("the second line", || {
        (workspace.output() == "once\ntwice\n").then_some(())
    });
}

#[test]
fn where_positions_can_not_be_kept_it_ships_all_the_same_and_says_so() {
    let mut workspace = Workspace::new();
    workspace.configure(&[workspace.pipeline("p", &stdout())]);
    workspace.append("a.log", "one\n");
    fs::remove_dir(workspace.path("state")).unwrap();
    fs::write(workspace.path("state"), "").unwrap();
    let sidecar = Sidecar::start(&workspace);
    assert_eq!(lines_out(&workspace, 1), ["one"]);
    let report = sidecar.report_until("the reason", |report| report["positionsError"].is_string());
    let error = report["positionsError"].as_str().unwrap();
    assert!(error.contains("state: the state directory can't be used"), "{error}");
}
