//! Files that are renamed, deleted, truncated and copied while they are read.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::time::Duration;

use crate::collector::Collector;
use crate::harness::{Arrived, Sidecar, Workspace, assert_balanced, destination, lines_out, numbered, stdout, until};

#[test]
fn rename_rotation_under_load_loses_and_repeats_nothing() {
    let mut workspace = Workspace::new();
    let collector = Collector::start();
    workspace.configure(&[workspace.pipeline("p", &collector.destination())]);
    let sidecar = Sidecar::start(&workspace);
    sidecar.report_until("state running", |report| report["state"] == "running");
    let (total, per_file) = (100_000, 5_000);
    for start in (0..total).step_by(per_file) {
        let end = start + per_file as u64;
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(workspace.log("a.log"))
            .unwrap();
        for number in start..end - 10 {
            file.write_all(numbered(number).as_bytes()).unwrap();
        }
        // The glob takes none of the rotated names, and a busy machine may show us a file only under the third of them.
        let name = |index: u64| workspace.log(&format!("a.log.{index}"));
        for index in (1..=start / per_file as u64).rev() {
            fs::rename(name(index), name(index + 1)).unwrap();
        }
        fs::rename(workspace.log("a.log"), name(1)).unwrap();
        // The writer goes on for a while before it opens the new file.
        (end - 10..end).for_each(|number| file.write_all(numbered(number).as_bytes()).unwrap());
    }
    let arrived = until("all lines", || {
        (collector.count() as u64 >= total).then(|| Arrived::of(collector.lines()))
    });
    assert_eq!((arrived.missing(total), arrived.duplicates()), (vec![], 0));
    let report = sidecar.report_until("an empty backlog", |report| {
        report["pipelines"][0]["destinations"][0]["pendingBytes"] == 0
    });
    assert_balanced(&report);
}

#[test]
fn a_deleted_file_is_read_to_its_end_when_the_destination_is_back() {
    let mut workspace = Workspace::new();
    let collector = Collector::start();
    collector.answer(503);
    workspace.configure(&[workspace.pipeline("p", &collector.destination())]);
    let sidecar = Sidecar::start(&workspace);
    workspace.append("a.log", &(0..20_000).map(numbered).collect::<String>());
    sidecar.report_until("the backlog", |report| {
        report["pipelines"][0]["sources"][0]["files"] == 1
    });
    fs::remove_file(workspace.log("a.log")).unwrap();
    workspace.append("a.log", &numbered(20_000));
    sidecar.report_until("held bytes", |report| {
        report["heldDeletedBytes"].as_u64() > Some(1 << 20)
    });
    collector.answer(204);
    until("all lines", || {
        (collector.count() >= 20_001 && Arrived::of(collector.lines()).missing(20_001).is_empty()).then_some(())
    });
    sidecar.report_until("no held bytes", |report| report["heldDeletedBytes"] == 0);
}

#[test]
fn deleted_files_are_held_up_to_a_bound_and_what_is_let_go_is_counted() {
    let mut workspace = Workspace::new();
    let collector = Collector::start();
    collector.answer(503);
    let mut pipeline = workspace.pipeline("p", &collector.destination());
    // So that most of a file isn't read yet when it is let go.
    pipeline["destinations"][0]["batch"] = serde_json::json!({"maxBytes": "64Ki"});
    pipeline["maxHeldBytes"] = "3Mi".into();
    workspace.configure(&[pipeline]);
    let sidecar = Sidecar::start(&workspace);
    let text: String = (0..20_000).map(numbered).collect();
    for files in 1..=2 {
        workspace.append("a.log", &text);
        sidecar.report_until("the file", |report| {
            report["pipelines"][0]["sources"][0]["files"] == files
        });
        fs::remove_file(workspace.log("a.log")).unwrap();
    }
    let report = sidecar.report_until("the loss", |report| {
        report["pipelines"][0]["destinations"][0]["droppedRecords"]["vanished"].as_u64() > Some(0)
    });
    assert_balanced(&report);
    sidecar.report_until("less held", |report| {
        (1..=3 << 20).contains(&report["heldDeletedBytes"].as_u64().unwrap())
    });
    collector.answer(204);
    until("the newer file", || {
        (collector.count() >= 20_000 && Arrived::of(collector.lines()).missing(20_000).is_empty()).then_some(())
    });
}

#[test]
fn a_truncated_file_is_read_from_its_beginning() {
    let mut workspace = Workspace::new();
    workspace.configure(&[workspace.pipeline("p", &stdout())]);
    workspace.append("a.log", "one\ntwo\n");
    let _sidecar = Sidecar::start(&workspace);
    lines_out(&workspace, 2);
    OpenOptions::new()
        .write(true)
        .open(workspace.log("a.log"))
        .unwrap()
        .set_len(0)
        .unwrap();
    workspace.append("a.log", "new\n");
    assert_eq!(lines_out(&workspace, 3), ["one", "two", "new"]);
}

#[test]
fn truncate_and_refill_between_two_looks_is_noticed() {
    let mut workspace = Workspace::new();
    let collector = Collector::start();
    let mut pipeline = workspace.pipeline("p", &stdout());
    pipeline["destinations"] = serde_json::json!([stdout(), collector.destination()]);
    workspace.configure(&[pipeline]);
    workspace.append("a.log", "first content\n");
    let sidecar = Sidecar::start(&workspace);
    lines_out(&workspace, 1);
    until("the first line", || (collector.count() == 1).then_some(()));
    // One event at most is seen: the file is longer than before, with another content.
    fs::write(workspace.log("a.log"), "other content, and longer\n").unwrap();
    assert_eq!(lines_out(&workspace, 2), ["first content", "other content, and longer"]);
    let all = 14 + 26;
    let report = sidecar.report_until("both contents acknowledged", |report| {
        ["out", "http"].map(|name| &destination(report, name)["acknowledgedBytes"]) == [all, all]
    });
    for name in ["out", "http"] {
        assert_eq!(destination(&report, name)["droppedBytes"], 0, "everything was read");
    }
}

#[test]
fn the_copy_of_a_copytruncate_is_not_sent_again() {
    let mut workspace = Workspace::new();
    let mut pipeline = workspace.pipeline("p", &stdout());
    pipeline["sources"][0]["paths"] = serde_json::json!(["/var/log/*"]);
    workspace.configure(&[pipeline]);
    workspace.append("a.log", &(0..5_000).map(numbered).collect::<String>());
    let _sidecar = Sidecar::start(&workspace);
    lines_out(&workspace, 5_000);
    fs::copy(workspace.log("a.log"), workspace.log("a.log.1")).unwrap();
    OpenOptions::new()
        .write(true)
        .open(workspace.log("a.log"))
        .unwrap()
        .set_len(0)
        .unwrap();
    workspace.append("a.log", &(5_000..5_010).map(numbered).collect::<String>());
    let arrived = Arrived::of(lines_out(&workspace, 5_010));
    assert_eq!((arrived.missing(5_010), arrived.duplicates()), (vec![], 0));
}

/// As workers of one application begin their logs.
#[test]
fn files_that_begin_alike_are_no_copies_while_none_is_truncated_or_deleted() {
    let mut workspace = Workspace::new();
    let mut pipeline = workspace.pipeline("p", &stdout());
    pipeline["sources"][0]["paths"] = serde_json::json!(["/var/log/*"]);
    workspace.configure(&[pipeline]);
    let banner = "a banner of an application, which is longer than the sixty-four bytes that tell a copy\n";
    workspace.append("b.log", banner);
    workspace.append("c.log", banner);
    let sidecar = Sidecar::start(&workspace);
    lines_out(&workspace, 2);
    workspace.append("d.log", banner);
    lines_out(&workspace, 3);
    assert_eq!(sidecar.terminate().code(), Some(0));
    workspace.append("a.log", banner);
    workspace.append("e.log", banner);
    let _sidecar = Sidecar::start(&workspace);
    lines_out(&workspace, 5);
    workspace.append("b.log", "the end\n");
    assert_eq!(lines_out(&workspace, 6)[5], "the end", "of a file that was known");
}

#[test]
fn files_that_begin_alike_are_passed_over_where_reading_begins_at_the_end() {
    let mut workspace = Workspace::new();
    let mut pipeline = workspace.pipeline("p", &stdout());
    pipeline["sources"][0]["startAt"] = "End".into();
    workspace.configure(&[pipeline]);
    for name in ["a.log", "b.log"] {
        workspace.append(
            name,
            &"a line of former times, of which there are many in both\n".repeat(10),
        );
    }
    let sidecar = Sidecar::start(&workspace);
    sidecar.report_until("both files", |report| {
        report["pipelines"][0]["sources"][0]["files"] == 2
    });
    workspace.append("b.log", "new\n");
    assert_eq!(lines_out(&workspace, 1), ["new"]);
}

/// Each of them finds the copy by itself.
#[test]
fn the_copy_of_a_copytruncate_is_not_sent_again_by_any_of_several_pipelines() {
    let mut workspace = Workspace::new();
    let collector = Collector::start();
    let mut pipelines = [
        workspace.pipeline("p", &stdout()),
        workspace.pipeline("q", &collector.destination()),
    ];
    for pipeline in &mut pipelines {
        pipeline["sources"][0]["paths"] = serde_json::json!(["/var/log/*"]);
    }
    workspace.configure(&pipelines);
    workspace.append("a.log", &(0..5_000).map(numbered).collect::<String>());
    let _sidecar = Sidecar::start(&workspace);
    lines_out(&workspace, 5_000);
    until("all lines", || (collector.count() == 5_000).then_some(()));
    fs::copy(workspace.log("a.log"), workspace.log("b.log")).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let file = OpenOptions::new().write(true).open(workspace.log("a.log")).unwrap();
    file.set_len(0).unwrap();
    workspace.append("b.log", &numbered(5_000));
    let arrived = Arrived::of(lines_out(&workspace, 5_001));
    assert_eq!((arrived.missing(5_001), arrived.duplicates()), (vec![], 0));
    until("all lines", || (collector.count() >= 5_001).then_some(()));
    let arrived = Arrived::of(collector.lines());
    assert_eq!((arrived.missing(5_001), arrived.duplicates()), (vec![], 0));
}

#[test]
fn a_file_that_was_copied_and_deleted_is_not_sent_again() {
    let mut workspace = Workspace::new();
    let mut pipeline = workspace.pipeline("p", &stdout());
    pipeline["sources"][0]["paths"] = serde_json::json!(["/var/log/*"]);
    workspace.configure(&[pipeline]);
    workspace.append("a.log", &(0..1_000).map(numbered).collect::<String>());
    let _sidecar = Sidecar::start(&workspace);
    lines_out(&workspace, 1_000);
    fs::copy(workspace.log("a.log"), workspace.log("b.log")).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    fs::remove_file(workspace.log("a.log")).unwrap();
    workspace.append("b.log", &numbered(1_000));
    let arrived = Arrived::of(lines_out(&workspace, 1_001));
    assert_eq!((arrived.missing(1_001), arrived.duplicates()), (vec![], 0));
}

#[test]
fn a_hole_that_a_truncate_leaves_is_no_content() {
    let mut workspace = Workspace::new();
    workspace.configure(&[workspace.pipeline("p", &stdout())]);
    // Without O_APPEND, the writer goes on at its old offset.
    let mut writer = fs::File::create(workspace.log("a.log")).unwrap();
    let text: String = (0..1_000).map(numbered).collect();
    writer.write_all(text.as_bytes()).unwrap();
    let sidecar = Sidecar::start(&workspace);
    lines_out(&workspace, 1_000);
    writer.set_len(0).unwrap();
    writer.write_all(numbered(1_000).as_bytes()).unwrap();
    let arrived = Arrived::of(lines_out(&workspace, 1_001));
    assert_eq!(arrived.missing(1_001), Vec::<u64>::new());
    let report = sidecar.report_until("an empty backlog", |report| {
        report["pipelines"][0]["destinations"][0]["pendingBytes"] == 0
    });
    assert_balanced(&report);
}
