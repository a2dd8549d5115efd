//! Where no inotify instance can be had.

use std::process::Command;

use crate::harness::{Sidecar, Workspace, lines_out, stdout};

#[test]
fn without_inotify_it_polls_and_says_so() {
    let mut workspace = Workspace::new();
    workspace.configure(&[workspace.pipeline("p", &stdout())]);
    workspace.append("a.log", "one\n");
    // A user namespace of its own, in which nobody may have an instance.
    let script = "echo 0 > /proc/sys/user/max_inotify_instances && exec \"$0\" \"$@\"";
    let may_unshare = Command::new("unshare")
        .args(["-r", "sh", "-c", script, "true"])
        .status();
    if !may_unshare.is_ok_and(|status| status.success()) {
        return; // Not every machine lets its users make namespaces.
    }
    let sidecar = Sidecar::start_under(&workspace, &["unshare", "-r", "sh", "-c", script]);
    let report = sidecar.report_until("state running", |report| report["state"] == "running");
    assert_eq!(report["watch"], "poll");
    lines_out(&workspace, 1);
    workspace.append("a.log", "two\n");
    workspace.append("b.log", "three\n");
    let mut lines = lines_out(&workspace, 3);
    lines.sort_unstable();
    assert_eq!(lines, ["one", "three", "two"]);
}
