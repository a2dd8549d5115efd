//! What stands in the log directory is the application's doing: nothing outside of it may be shipped.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::harness::{Sidecar, Workspace, lines_out, open_to_all, stdout};

#[test]
fn a_planted_link_to_a_secret_is_never_shipped() {
    let mut workspace = Workspace::new();
    fs::write(workspace.path("secret"), "a password\n").unwrap();
    symlink(workspace.path("secret"), workspace.log("absolute.log")).unwrap();
    symlink("../secret", workspace.log("relative.log")).unwrap();
    symlink("/proc/self/environ", workspace.log("magic.log")).unwrap();
    symlink("/var/log/real.txt", workspace.log("allowed.log")).unwrap();
    fs::write(workspace.log("real.txt"), "inside the volume\n").unwrap();
    workspace.configure(&[workspace.pipeline("p", &stdout())]);
    let sidecar = Sidecar::start(&workspace);
    assert_eq!(lines_out(&workspace, 1), ["inside the volume"]);
    let report = sidecar.report_until("three refused links", |report| {
        report["pipelines"][0]["sources"][0]["unreadable"]
            .as_array()
            .is_some_and(|list| list.len() == 3)
    });
    let refused = report["pipelines"][0]["sources"][0]["unreadable"].to_string();
    assert!(
        refused.contains("/var/log/absolute.log") && refused.contains("not in the volume"),
        "{refused}"
    );
    assert_eq!(workspace.output(), "inside the volume\n");
}

#[test]
fn a_file_that_may_not_be_read_is_named_with_mode_owner_and_us() {
    if !rustix::process::geteuid().is_root() {
        return; // Only root can make a file that another user can't read.
    }
    let mut workspace = Workspace::new();
    workspace.configure(&[workspace.pipeline("p", &stdout())]);
    fs::write(workspace.log("private.log"), "x\n").unwrap();
    open_to_all(&workspace.path(""));
    fs::set_permissions(workspace.log("private.log"), fs::Permissions::from_mode(0o600)).unwrap();
    let sidecar = Sidecar::start_as(&workspace, 65532);
    let unreadable = sidecar.report_until("the unreadable file", |report| {
        report["pipelines"][0]["sources"][0]["unreadable"][0].is_object()
    });
    let entry = &unreadable["pipelines"][0]["sources"][0]["unreadable"][0];
    assert_eq!(entry["path"], "/var/log/private.log");
    assert_eq!(entry["error"], "mode 0600, owner 0:0, we are 65532:65532");
    // As soon as it may be read, it is.
    fs::set_permissions(workspace.log("private.log"), fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(lines_out(&workspace, 1), ["x"]);
    sidecar.report_until("an empty list", |report| {
        report["pipelines"][0]["sources"][0]["unreadable"]
            .as_array()
            .is_some_and(Vec::is_empty)
    });
}
