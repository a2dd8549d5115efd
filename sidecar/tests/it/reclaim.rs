//! `reclaim: AfterDelivery`: delivered text makes room for the application, and only that.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::{Value, json};

use crate::collector::Collector;
use crate::harness::{Arrived, Sidecar, Workspace, assert_balanced, destination, open_to_all, stdout, until};
use crate::volume::SmallVolume;

const MIB: u64 = 1 << 20;
/// So many lines are a MiB.
const MIB_OF_LINES: u64 = 1 << 10;

/// A KiB, so that a test is about bytes and not about records.
fn line(number: u64) -> String {
    format!("line {number:08} {}\n", "x".repeat(1009))
}

fn lines(numbers: std::ops::Range<u64>) -> String {
    numbers.map(line).collect()
}

/// Two sources, one file each, in a pipeline that gives back.
fn pipeline(workspace: &Workspace, destinations: &[Value]) -> Value {
    let source = |name: &str| {
        json!({
            "name": name, "paths": [format!("/var/log/{name}.log")],
            "mounts": [{"path": "/var/log", "at": workspace.path("logs")}],
        })
    };
    json!({
        "name": "p", "reclaim": "AfterDelivery", "sources": [source("a"), source("b")], "destinations": destinations,
    })
}

fn to_file(workspace: &Workspace) -> Value {
    json!({"name": "file", "file": {"path": workspace.path("delivered"), "format": "Raw"}})
}

fn delivered(workspace: &Workspace) -> Arrived {
    Arrived::of(
        BufReader::new(File::open(workspace.path("delivered")).unwrap())
            .lines()
            .map(Result::unwrap),
    )
}

fn allocated(path: &Path) -> u64 {
    fs::metadata(path).unwrap().blocks() * 512
}

/// Waits until most of a file was given back: whatever else could be was given back by then, too.
fn wait_for_hole(path: &Path) {
    let size = fs::metadata(path).unwrap().len();
    until("most of a file to be given back", || {
        (allocated(path) + 2 * MIB <= size).then_some(())
    });
}

fn wait_for_delivery(sidecar: &Sidecar, name: &str, bytes: u64) -> Value {
    sidecar.report_until("everything to be delivered", |report| {
        destination(report, name)["acknowledgedBytes"].as_u64() >= Some(bytes)
    })
}

#[test]
fn a_log_that_is_never_rotated_does_not_fill_its_volume() {
    writes_through_a_volume_of_64_mebibytes(128);
}

#[test]
#[ignore = "takes a while: cargo xtask reclaim"]
fn nor_does_one_of_a_gibibyte() {
    writes_through_a_volume_of_64_mebibytes(1024);
}

/// So many MiB.
fn writes_through_a_volume_of_64_mebibytes(total: u64) {
    let Some(volume) = SmallVolume::new(64) else {
        return;
    };
    let mut workspace = Workspace::new();
    let mut pipeline = pipeline(&workspace, &[to_file(&workspace)]);
    pipeline["sources"][0]["mounts"][0]["at"] = json!(volume.path());
    workspace.configure(&[pipeline]);
    let sidecar = Sidecar::start(&workspace);
    let path = volume.path().join("a.log");
    let mut log = OpenOptions::new().append(true).create(true).open(&path).unwrap();
    let out = workspace.path("delivered");
    for written in 0..total {
        let at = written * MIB_OF_LINES;
        let text = lines(at..at + MIB_OF_LINES);
        log.write_all(text.as_bytes()).expect("the volume has room");
        until("the destination to follow", || {
            let arrived = fs::metadata(&out).map_or(0, |out| out.len());
            ((written + 1) * MIB <= arrived + 16 * MIB).then_some(())
        });
    }
    let report = wait_for_delivery(&sidecar, "file", total * MIB);
    assert_balanced(&report);
    assert_eq!(destination(&report, "file")["droppedBytes"], 0, "{report}");
    let arrived = delivered(&workspace);
    assert_eq!(
        (arrived.missing(total * MIB_OF_LINES), arrived.duplicates()),
        (vec![], 0)
    );
    let report = sidecar.report_until("all but the end to be given back", |report| {
        report["pipelines"][0]["reclaim"]["reclaimedBytes"].as_u64() > Some((total - 4) * MIB)
    });
    assert!(allocated(&path) <= 4 * MIB);
    assert_eq!(report["pipelines"][0]["reclaim"]["failed"], json!([]));
}

#[test]
fn what_is_not_delivered_fills_the_volume_and_is_not_given_back() {
    let Some(volume) = SmallVolume::new(16) else {
        return;
    };
    let mut workspace = Workspace::new();
    let collector = Collector::start();
    collector.answer(503);
    let mut pipeline = pipeline(&workspace, &[collector.destination()]);
    for source in 0..2 {
        pipeline["sources"][source]["mounts"][0]["at"] = json!(volume.path());
        pipeline["sources"][source]["mounts"][0]["limitBytes"] = json!(16 * MIB);
    }
    workspace.configure(&[pipeline]);
    let path = volume.path().join("a.log");
    let mut log = OpenOptions::new().append(true).create(true).open(&path).unwrap();
    let mut written = 0;
    let refused = loop {
        match log.write_all(lines(written..written + 1).as_bytes()) {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused.kind(), ErrorKind::StorageFull);
    let size = fs::metadata(&path).unwrap().len();
    let sidecar = Sidecar::start(&workspace);
    let report = sidecar.report_until("a failing destination and a full volume", |report| {
        destination(report, "http")["state"] == "retrying" && report["volumes"][0]["usedBytes"].as_u64() >= Some(size)
    });
    assert_eq!(destination(&report, "http")["pendingBytes"], size);
    assert_eq!(report["volumes"][0]["limitBytes"], 16 * MIB);
    assert_eq!(
        report["pipelines"][0]["reclaim"],
        json!({"reclaimedBytes": 0, "failed": []})
    );
    collector.answer(204);
    wait_for_hole(&path);
    // There is room again, and nothing of it is missing but what the application itself couldn't write.
    let rest = size - written * 1024;
    log.set_len(size).unwrap();
    log.write_all(&lines(written..written + 1).as_bytes()[usize::try_from(rest).unwrap()..])
        .unwrap();
    log.write_all(lines(written + 1..written + MIB_OF_LINES).as_bytes())
        .unwrap();
    let total = written + MIB_OF_LINES;
    wait_for_delivery(&sidecar, "http", total * 1024);
    let arrived = Arrived::of(collector.lines());
    assert_eq!((arrived.missing(total), arrived.duplicates()), (vec![], 0));
}

/// `pipelines` has one destination that takes source `a` and fails.
fn keeps_what_the_slow_one_needs(pipelines: impl FnOnce(&Workspace, Value) -> Vec<Value>) {
    let mut workspace = Workspace::new();
    let collector = Collector::start();
    collector.answer(503);
    let mut slow = collector.destination();
    slow["sources"] = json!(["a"]);
    let pipelines = pipelines(&workspace, slow);
    workspace.configure(&pipelines);
    let sidecar = Sidecar::start(&workspace);
    workspace.append("a.log", &lines(0..4 * MIB_OF_LINES));
    wait_for_delivery(&sidecar, "file", 4 * MIB);
    workspace.append("b.log", &lines(4 * MIB_OF_LINES..8 * MIB_OF_LINES));
    // Both files are looked at together.
    wait_for_hole(&workspace.log("b.log"));
    assert!(
        allocated(&workspace.log("a.log")) >= 4 * MIB,
        "undelivered text was given back"
    );
    collector.answer(204);
    wait_for_hole(&workspace.log("a.log"));
    until("the rest of it", || {
        (collector.count() as u64 >= 4 * MIB_OF_LINES).then_some(())
    });
    let arrived = Arrived::of(collector.lines());
    assert_eq!((arrived.missing(4 * MIB_OF_LINES), arrived.duplicates()), (vec![], 0));
}

#[test]
fn what_another_destination_still_needs_is_kept() {
    keeps_what_the_slow_one_needs(|workspace, slow| vec![pipeline(workspace, &[to_file(workspace), slow])]);
}

#[test]
fn what_another_pipeline_still_needs_is_kept_though_it_gives_nothing_back_itself() {
    keeps_what_the_slow_one_needs(|workspace, slow| {
        let mut other = pipeline(workspace, &[slow]);
        (other["name"], other["reclaim"]) = (json!("q"), json!("Never"));
        vec![pipeline(workspace, &[to_file(workspace)]), other]
    });
}

#[test]
fn a_destination_that_comes_later_passes_over_the_hole_and_counts_it() {
    let mut workspace = Workspace::new();
    workspace.configure(&[pipeline(&workspace, &[to_file(&workspace)])]);
    let total = 8 * MIB_OF_LINES;
    workspace.append("a.log", &lines(0..total));
    let sidecar = Sidecar::start(&workspace);
    wait_for_hole(&workspace.log("a.log"));
    let collector = Collector::start();
    let both = [to_file(&workspace), collector.destination()];
    workspace.configure(&[pipeline(&workspace, &both)]);
    let report = later_destination(&sidecar, total);
    // Also one that comes in a later process, which finds the hole instead of having made it.
    assert_eq!(sidecar.terminate().code(), Some(0));
    let second = Collector::start();
    let mut third = second.destination();
    third["name"] = json!("later");
    workspace.configure(&[pipeline(&workspace, &[to_file(&workspace), third])]);
    let sidecar = Sidecar::start(&workspace);
    let again = sidecar.report_until("the end of the backlog", |report| {
        destination(report, "later")["pendingBytes"] == 0 && destination(report, "later")["discoveredBytes"] != 0
    });
    assert_balanced(&again);
    let dropped = |report: &Value, name: &str| destination(report, name)["droppedBytes"].clone();
    assert_eq!(dropped(&again, "later"), dropped(&report, "http"));
    for lines in [collector.lines(), second.lines()] {
        judge_what_is_left(&lines, total);
    }
    let arrived = delivered(&workspace);
    assert_eq!(
        (arrived.missing(total), arrived.duplicates()),
        (vec![], 0),
        "the first one has all, once"
    );
}

fn later_destination(sidecar: &Sidecar, total: u64) -> Value {
    let report = sidecar.report_until("the end of the backlog", |report| {
        destination(report, "http")["pendingBytes"] == 0 && destination(report, "http")["discoveredBytes"] != 0
    });
    assert_balanced(&report);
    let http = destination(&report, "http");
    assert_eq!(http["discoveredBytes"], total * 1024);
    assert!(http["droppedBytes"].as_u64() > Some(4 * MIB), "{http}");
    assert!(http["droppedRecords"]["vanished"].as_u64() > Some(0), "{http}");
    report
}

/// The beginning, then what comes after the hole: a line that was cut by it, and whole ones.
fn judge_what_is_left(lines: &[String], total: u64) {
    assert!(
        lines.iter().all(|line| !line.contains('\0')),
        "zeros were shipped as text"
    );
    let whole: Vec<_> = lines.iter().filter(|line| line.starts_with("line ")).collect();
    assert!(lines.len() - whole.len() <= 1, "at most one line was cut");
    let arrived = Arrived::of(&whole);
    assert_eq!(arrived.duplicates(), 0);
    let missing = total - arrived.count();
    assert!(
        (4 * MIB_OF_LINES..total - 64).contains(&missing),
        "{missing} are missing"
    );
    assert!(
        whole[0].starts_with("line 00000000 ") && whole.last().unwrap().starts_with(&format!("line {:08} ", total - 1))
    );
}

#[test]
fn a_killed_process_goes_on_behind_the_hole() {
    let mut workspace = Workspace::new();
    workspace.configure(&[pipeline(&workspace, &[to_file(&workspace)])]);
    workspace.append("a.log", &lines(0..8 * MIB_OF_LINES));
    let sidecar = Sidecar::start(&workspace);
    wait_for_hole(&workspace.log("a.log"));
    sidecar.kill();
    workspace.append("a.log", &lines(8 * MIB_OF_LINES..9 * MIB_OF_LINES));
    let sidecar = Sidecar::start(&workspace);
    let report = wait_for_delivery(&sidecar, "file", 9 * MIB);
    assert_eq!(destination(&report, "file")["droppedBytes"], 0);
    let arrived = delivered(&workspace);
    assert_eq!((arrived.missing(9 * MIB_OF_LINES), arrived.duplicates()), (vec![], 0));
}

#[test]
fn a_file_that_is_truncated_is_left_alone_from_then_on() {
    let mut workspace = Workspace::new();
    workspace.configure(&[pipeline(&workspace, &[to_file(&workspace)])]);
    let sidecar = Sidecar::start(&workspace);
    workspace.append("a.log", &lines(0..4 * MIB_OF_LINES));
    wait_for_hole(&workspace.log("a.log"));
    File::options()
        .write(true)
        .open(workspace.log("a.log"))
        .unwrap()
        .set_len(0)
        .unwrap();
    sidecar.report_until("the truncation to be seen", |_| {
        let metrics = sidecar.get("/metrics").unwrap().1;
        let truncated = metrics
            .lines()
            .find(|line| line.starts_with("logshipping_source_files_truncated_total"));
        truncated.is_some_and(|line| line.ends_with(" 1"))
    });
    workspace.append("a.log", &lines(4 * MIB_OF_LINES..8 * MIB_OF_LINES));
    wait_for_delivery(&sidecar, "file", 8 * MIB);
    workspace.append("b.log", &lines(8 * MIB_OF_LINES..12 * MIB_OF_LINES));
    wait_for_hole(&workspace.log("b.log"));
    wait_for_delivery(&sidecar, "file", 12 * MIB);
    assert!(allocated(&workspace.log("a.log")) >= 4 * MIB, "it was punched again");
    let arrived = delivered(&workspace);
    assert_eq!((arrived.missing(12 * MIB_OF_LINES), arrived.duplicates()), (vec![], 0));
}

#[test]
fn a_file_that_may_not_be_written_is_named_with_the_reason() {
    if !rustix::process::geteuid().is_root() {
        return; // Only root can make a file that another user can't write.
    }
    let mut workspace = Workspace::new();
    workspace.configure(&[pipeline(&workspace, &[stdout()])]);
    workspace.append("a.log", &lines(0..4 * MIB_OF_LINES));
    open_to_all(&workspace.path(""));
    fs::set_permissions(
        workspace.log("a.log"),
        std::os::unix::fs::PermissionsExt::from_mode(0o644),
    )
    .unwrap();
    let sidecar = Sidecar::start_as(&workspace, 65532);
    let report = sidecar.report_until("the obstacle", |report| {
        report["pipelines"][0]["reclaim"]["failed"][0].is_object()
    });
    assert_eq!(
        report["pipelines"][0]["reclaim"],
        json!({"reclaimedBytes": 0, "failed": [{
            "path": "/var/log/a.log",
            "error": "we may not write to it: mode 0644, owner 0:0, we are 65532:65532",
        }]})
    );
    assert!(
        workspace.log_lines().contains("given back"),
        "{}",
        workspace.log_lines()
    );
}
