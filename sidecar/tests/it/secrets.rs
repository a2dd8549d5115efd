//! Credentials that come, change and go while lines are shipped, and are seen nowhere.

use crate::collector::Collector;
use crate::harness::{Arrived, Sidecar, Workspace, assert_balanced, destination, numbered, until};

const FIRST: &str = "fa1con-first-token";
const SECOND: &str = "fa1con-second-token";

fn reason(report: &serde_json::Value) -> &str {
    destination(report, "http")["reason"].as_str().unwrap_or_default()
}

#[test]
fn a_secret_may_come_late_and_be_rotated_and_is_never_seen() {
    let mut workspace = Workspace::new();
    let collector = Collector::start();
    collector.admit(&format!("Bearer {FIRST}"));
    let mut http = collector.destination();
    http["auth"] = serde_json::json!({"bearer": {"secretKeyRef": {"name": "store", "key": "token"}}});
    workspace.configure(&[workspace.pipeline("p", &http)]);
    workspace.append("a.log", &(0..500).map(numbered).collect::<String>());
    let sidecar = Sidecar::start(&workspace);

    let report = sidecar.report_until("the secret to be missed", |report| reason(report) == "SecretMissing");
    let error = destination(&report, "http")["lastError"]["message"].as_str().unwrap();
    assert!(
        error.starts_with("key \"token\" of Secret \"store\" is missing"),
        "{error}"
    );
    assert_eq!(destination(&report, "http")["state"], "blocked");

    workspace.secret("store", "token", FIRST);
    until("the first lines", || (collector.count() >= 500).then_some(()));

    // The store changes its mind, and quotes what it was sent.
    collector.admit(&format!("Bearer {SECOND}"));
    workspace.append("a.log", &(500..1000).map(numbered).collect::<String>());
    let report = sidecar.report_until("the token to be refused", |report| reason(report) == "Unauthorized");
    let error = destination(&report, "http")["lastError"]["message"].as_str().unwrap();
    assert_eq!(error, "401 Unauthorized: \"Bearer ***\" is unknown here");

    workspace.secret("store", "token", &format!("{SECOND}\n"));
    until("the other lines", || (collector.count() >= 1000).then_some(()));
    let report = sidecar.report_until("a healthy destination", |report| {
        destination(report, "http")["state"] == "healthy" && destination(report, "http")["pendingBytes"] == 0
    });
    assert_balanced(&report);
    let arrived = Arrived::of(collector.lines());
    assert_eq!((arrived.missing(1000), arrived.duplicates()), (vec![], 0));

    let metrics = sidecar.get("/metrics").unwrap().1;
    assert!(metrics.contains("reason=\"SecretMissing\""), "{metrics}");
    assert!(sidecar.terminate().success());
    let log = workspace.log_lines();
    assert!(log.contains("401 Unauthorized"), "{log}");
    let termination = std::fs::read_to_string(workspace.path("termination")).unwrap();
    for text in [report.to_string(), metrics, log, termination, workspace.output()] {
        assert!(!text.contains("fa1con"), "{text}");
    }
}
