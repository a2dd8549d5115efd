//! Which files are read: globs, age, place, kind.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime};

use serde_json::json;

use crate::collector::Collector;
use crate::harness::{Arrived, Sidecar, Workspace, assert_balanced, destination, lines_out, numbered, stdout, until};

fn started(workspace: &mut Workspace, source: &serde_json::Value) -> Sidecar {
    let mut pipeline = workspace.pipeline("p", &stdout());
    let members = source.as_object().unwrap().clone();
    pipeline["sources"][0].as_object_mut().unwrap().extend(members);
    workspace.configure(&[pipeline]);
    Sidecar::start(workspace)
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort_unstable();
    lines
}

#[test]
fn globs_take_any_depth_also_of_directories_that_come_later_and_excludes_take_away() {
    let mut workspace = Workspace::new();
    let source = json!({"paths": ["/var/log/**/*.log"], "exclude": ["debug.log", "/var/log/old/**"]});
    fs::create_dir(workspace.log("old")).unwrap();
    for name in ["a.log", "debug.log", "old/b.log", "c.txt"] {
        workspace.append(name, &format!("{name}\n"));
    }
    let _sidecar = started(&mut workspace, &source);
    lines_out(&workspace, 1);
    fs::create_dir_all(workspace.log("later/deep")).unwrap();
    for name in ["later/debug.log", "later/deep/d.log"] {
        workspace.append(name, &format!("{name}\n"));
    }
    // A directory that was filled elsewhere and comes as a whole.
    fs::create_dir_all(workspace.path("made/sub")).unwrap();
    fs::write(workspace.path("made/sub/e.log"), "made/sub/e.log\n").unwrap();
    fs::rename(workspace.path("made"), workspace.log("made")).unwrap();
    assert_eq!(
        sorted(lines_out(&workspace, 3)),
        ["a.log", "later/deep/d.log", "made/sub/e.log"]
    );
    // What is written last in a directory that was known first shows that nothing else was on its way.
    workspace.append("a.log", "the end\n");
    assert_eq!(lines_out(&workspace, 4)[3], "the end");
}

#[test]
fn links_inside_the_volume_are_followed_and_a_file_is_read_once() {
    let mut workspace = Workspace::new();
    fs::create_dir_all(workspace.log("releases/1")).unwrap();
    workspace.append("releases/1/a.txt", "first release\n");
    symlink("releases/1/a.txt", workspace.log("relative.log")).unwrap();
    symlink("/var/log/releases/1/a.txt", workspace.log("absolute.log")).unwrap();
    let sidecar = started(&mut workspace, &json!({}));
    lines_out(&workspace, 1);
    // The link is flipped to another file; the old one is read to its end.
    fs::create_dir_all(workspace.log("releases/2")).unwrap();
    workspace.append("releases/2/a.txt", "second release\n");
    symlink("releases/2/a.txt", workspace.log("new")).unwrap();
    fs::rename(workspace.log("new"), workspace.log("relative.log")).unwrap();
    let lines = lines_out(&workspace, 2);
    assert_eq!(lines, ["first release", "second release"]);
    workspace.append("releases/1/a.txt", "late\n");
    assert_eq!(lines_out(&workspace, 3)[2], "late");
    let report = sidecar.report_until("everything settled", |report| {
        destination(report, "out")["acknowledgedRecords"] == 3
    });
    assert_balanced(&report);
}

#[test]
fn old_files_are_left_alone_until_somebody_writes_to_them() {
    let mut workspace = Workspace::new();
    for name in ["old.log", "new.log"] {
        workspace.append(name, &format!("{name}\n"));
    }
    let yesterday = SystemTime::now() - Duration::from_secs(24 * 3600);
    let old = File::options().append(true).open(workspace.log("old.log")).unwrap();
    old.set_modified(yesterday).unwrap();
    let sidecar = started(&mut workspace, &json!({"ignoreOlder": "1h"}));
    assert_eq!(lines_out(&workspace, 1), ["new.log"]);
    let report = sidecar.report_until("the report of it", |report| {
        destination(report, "out")["acknowledgedBytes"] == 8
    });
    assert_eq!(report["pipelines"][0]["sources"][0]["files"], 1);
    assert_eq!(destination(&report, "out")["discoveredBytes"], 8);
    workspace.append("old.log", "again\n");
    assert_eq!(lines_out(&workspace, 3)[1..], ["old.log", "again"]);
}

#[test]
fn compressed_files_are_not_read() {
    let mut workspace = Workspace::new();
    // As gzip does it: the name is there before the content.
    let packed = [&b"\x1f\x8b\x08\0"[..], b"\n\n\n"].concat();
    File::create(workspace.log("a.log.1.gz")).unwrap();
    fs::write(workspace.log("b.log.1"), &packed).unwrap();
    workspace.append("a.log", "a line\n");
    let sidecar = started(&mut workspace, &json!({"paths": ["/var/log/*"]}));
    lines_out(&workspace, 1);
    fs::write(workspace.log("a.log.1.gz"), &packed).unwrap();
    fs::write(workspace.log("c.log.2.gz"), &packed).unwrap();
    workspace.append("a.log", "the end\n");
    assert_eq!(lines_out(&workspace, 2), ["a line", "the end"]);
    let report = sidecar.report().unwrap();
    let source = &report["pipelines"][0]["sources"][0];
    assert_eq!((&source["files"], &source["unreadable"]), (&json!(1), &json!([])));
}

#[test]
fn a_file_with_much_to_read_does_not_hold_back_another() {
    let mut workspace = Workspace::new();
    let collector = Collector::start();
    workspace.configure(&[workspace.pipeline("p", &collector.destination())]);
    let many = 200_000;
    workspace.append("a.log", &(0..many).map(numbered).collect::<String>());
    workspace.append("b.log", &numbered(many));
    let _sidecar = Sidecar::start(&workspace);
    let last = numbered(many);
    let place = until("the line of the small file", || {
        collector.lines().iter().position(|line| *line == last.trim_end())
    });
    // One quantum of the other file, however much there is of it.
    assert!(place <= (256 << 10) / last.len() + 1, "{place}");
    until("all lines", || {
        (Arrived::of(collector.lines()).count() > many).then_some(())
    });
}
