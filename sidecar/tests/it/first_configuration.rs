//! Whatever stands where the first configuration should be, the process stays up, says what is wrong, and takes the
//! next one.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode};

use crate::harness::{Sidecar, Workspace, lines_out, open_to_all, stdout};

/// Tries one first configuration. `error` is part of what the report says; nothing where there is nothing to say.
fn is_waited_out(put: impl FnOnce(&Path), error: Option<&str>) {
    let mut workspace = Workspace::new();
    workspace.append("a.log", "one\n");
    put(&workspace.path("config"));
    let sidecar = Sidecar::start(&workspace);
    let report = sidecar.report_until("state noConfig", |report| report["state"] == "noConfig");
    assert_eq!(sidecar.get("/readyz").unwrap().0, 503, "{error:?}");
    assert_eq!(sidecar.get("/livez").unwrap().0, 200, "{error:?}");
    match error {
        None => assert_eq!(report["rejected"], serde_json::json!([])),
        Some(error) => {
            let said = report["rejected"][0]["error"].as_str().unwrap_or_default();
            assert!(said.contains(error), "{error:?} is not in {report}");
        }
    }
    clear(&workspace.path("config"));
    workspace.configure(&[workspace.pipeline("p", &stdout())]);
    assert_eq!(lines_out(&workspace, 1), ["one"], "{error:?}");
    let report = sidecar.report_until("state running", |report| report["state"] == "running");
    assert_eq!(report["rejected"], serde_json::json!([]));
    assert_eq!(sidecar.get("/readyz").unwrap().0, 200);
}

fn clear(directory: &Path) {
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let is_directory = entry.file_type().unwrap().is_dir();
        let outcome = if is_directory {
            fs::remove_dir_all(entry.path())
        } else {
            fs::remove_file(entry.path())
        };
        outcome.unwrap();
    }
}

fn write(text: impl AsRef<[u8]>) -> impl FnOnce(&Path) {
    move |directory| fs::write(directory.join("config.json"), text).unwrap()
}

#[test]
fn none_at_all() {
    is_waited_out(|_| (), None);
}

#[test]
fn a_directory() {
    // As the kubelet makes one where a file to be mounted isn't there.
    is_waited_out(|directory| fs::create_dir(directory.join("config.json")).unwrap(), None);
}

#[test]
fn links_that_lead_nowhere_or_in_circles() {
    is_waited_out(
        |directory| symlink("..data/config.json", directory.join("config.json")).unwrap(),
        None,
    );
    let circle = |directory: &Path| symlink("config.json", directory.join("config.json")).unwrap();
    is_waited_out(circle, Some("symbolic link"));
}

#[test]
fn a_pipe() {
    let pipe = |directory: &Path| {
        let mode = Mode::RUSR | Mode::WUSR;
        rustix::fs::mknodat(CWD, directory.join("config.json"), FileType::Fifo, mode, 0).unwrap();
    };
    is_waited_out(pipe, None);
}

#[test]
fn nothing_in_it() {
    is_waited_out(write(""), Some("there is nothing in it"));
}

#[test]
fn an_unknown_field() {
    is_waited_out(write(r#"{"pipelines": [], "pipelinez": 1}"#), Some("pipelinez"));
}

#[test]
fn a_newer_version() {
    is_waited_out(
        write(r#"{"version": 2, "pipelines": [], "more": 1}"#),
        Some("version 2"),
    );
}

#[test]
fn only_pipelines_that_are_refused() {
    let refused = r#"{"pipelines": [{"name": "p", "sources": [], "destinations": []}]}"#;
    is_waited_out(write(refused), Some("sources"));
}

#[test]
fn no_text() {
    is_waited_out(write([0xff, 0xfe, 0]), Some("UTF-8"));
}

#[test]
fn too_large_to_be_one() {
    is_waited_out(write(vec![b' '; 5 << 20]), Some("too many"));
}

#[test]
fn one_that_may_not_be_read() {
    if !rustix::process::geteuid().is_root() {
        return; // Only root can make a file that another user can't read.
    }
    let mut workspace = Workspace::new();
    workspace.append("a.log", "one\n");
    workspace.configure(&[workspace.pipeline("p", &stdout())]);
    open_to_all(&workspace.path(""));
    let file = fs::canonicalize(workspace.path("config").join("config.json")).unwrap();
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    mode(&file, 0o600);
    let sidecar = Sidecar::start_as(&workspace, 65532);
    let said = |report: &serde_json::Value| report["rejected"][0]["error"].as_str().map(str::to_owned);
    let is_denied = |report: &serde_json::Value| said(report).is_some_and(|error| error.contains("denied"));
    let report = sidecar.report_until("the denied file", is_denied);
    assert_eq!(report["state"], "noConfig");
    // The same where the directory can't be entered.
    mode(file.parent().unwrap(), 0o700);
    mode(&file, 0o666);
    let report = sidecar.report_until("the denied directory", is_denied);
    assert_eq!(report["state"], "noConfig");
    mode(file.parent().unwrap(), 0o777);
    assert_eq!(lines_out(&workspace, 1), ["one"]);
    sidecar.report_until("nothing refused", |report| {
        report["state"] == "running" && said(report).is_none()
    });
}
