//! Positions beside the logs: no logs themselves, and of those who share them one ships.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use crate::harness::{Arrived, Sidecar, Workspace, lines_out, numbered, stdout};

/// A workspace whose state is in a hidden directory among the logs, with a pattern that takes whatever is there.
fn workspace() -> Workspace {
    let mut workspace = Workspace::new();
    let state = workspace.log(".logshipping").join("shop").join("server");
    fs::create_dir_all(&state).unwrap();
    fs::remove_dir(workspace.path("state")).unwrap();
    symlink(&state, workspace.path("state")).unwrap();
    let mut pipeline = workspace.pipeline("p", &stdout());
    pipeline["sources"][0]["paths"] = json!(["/var/log/**"]);
    workspace.configure(&[pipeline]);
    workspace
}

#[test]
fn positions_are_not_shipped_by_whatever_name() {
    let workspace = workspace();
    let other = workspace.log(".logshipping").join("shop").join("other");
    fs::create_dir_all(&other).unwrap();
    fs::write(other.join("positions"), "of another sidecar\n").unwrap();
    workspace.append("a.log", &numbered(0));
    let sidecar = Sidecar::start(&workspace);
    lines_out(&workspace, 1);
    fs::hard_link(workspace.path("state").join("positions"), workspace.log("planted.log")).unwrap();
    workspace.append("z.log", &numbered(1));
    let arrived = Arrived::of(lines_out(&workspace, 2));
    assert_eq!((arrived.missing(2), arrived.duplicates()), (vec![], 0));
    let report = sidecar.report_until("two files", |report| report["pipelines"][0]["sources"][0]["files"] == 2);
    assert_eq!(report["pipelines"][0]["sources"][0]["unreadable"], json!([]));
    assert_eq!(sidecar.terminate().code(), Some(0));
    assert_eq!(workspace.output().lines().count(), 2);
}

#[test]
fn the_one_that_waits_takes_over_where_the_other_was_killed() {
    let workspace = workspace();
    let total = 2_000;
    workspace.append("a.log", &(0..total).map(numbered).collect::<String>());
    let first = Sidecar::start(&workspace);
    lines_out(&workspace, 2_000);
    let second = Sidecar::start(&workspace);
    second.report_until("one that waits", |report| report["standby"].is_string());
    workspace.append("b.log", &numbered(total));
    lines_out(&workspace, 2_001);
    first.kill();
    workspace.append("a.log", &numbered(total + 1));
    second.report_until("the other one to ship", |report| report["standby"].is_null());
    second.report_until("an empty backlog", |report| {
        let destination = &report["pipelines"][0]["destinations"][0];
        destination["pendingBytes"] == 0 && destination["state"] == "healthy"
    });
    let arrived = Arrived::of(workspace.output().lines());
    assert_eq!(arrived.missing(total + 2), Vec::<u64>::new());
    assert!(
        arrived.duplicates() <= 1,
        "only what was acknowledged just before: {}",
        arrived.duplicates()
    );
}
