//! Where events don't come, or not all of them.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::harness::{Arrived, Sidecar, Workspace, lines_out, numbered, stdout, until};

#[test]
fn without_inotify_it_polls_and_says_so() {
    for limit in ["max_inotify_instances", "max_inotify_watches"] {
        polls_and_says_so(limit);
    }
}

fn polls_and_says_so(limit: &str) {
    let mut workspace = Workspace::new();
    workspace.configure(&[workspace.pipeline("p", &stdout())]);
    workspace.append("a.log", "one\n");
    // A user namespace of its own, in which nobody may have any.
    let script = format!("echo 0 > /proc/sys/user/{limit} && exec \"$0\" \"$@\"");
    let may_unshare = Command::new("unshare")
        .args(["-r", "sh", "-c", &script, "true"])
        .status();
    if !may_unshare.is_ok_and(|status| status.success()) {
        return; // Not every machine lets its users make namespaces.
    }
    let sidecar = Sidecar::start_under(&workspace, &["unshare", "-r", "sh", "-c", &script]);
    let report = sidecar.report_until("state running", |report| report["state"] == "running");
    assert_eq!(report["watch"], "poll");
    lines_out(&workspace, 1);
    workspace.append("a.log", "two\n");
    workspace.append("b.log", "three\n");
    let began = Instant::now();
    let mut lines = lines_out(&workspace, 3);
    // Polled four times a second; without that, a new file is found after twenty seconds.
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    lines.sort_unstable();
    assert_eq!(lines, ["one", "three", "two"]);
}

#[test]
fn when_the_kernel_drops_events_everything_is_looked_at() {
    let queued = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    let most: usize = queued.trim().parse().unwrap();
    let mut workspace = Workspace::new();
    workspace.configure(&[workspace.pipeline("p", &stdout())]);
    workspace.append("a.log", &numbered(0));
    let sidecar = Sidecar::start(&workspace);
    lines_out(&workspace, 1);
    sidecar.signal(Signal::STOP);
    // Each time a file is written to and closed; twice as often as is needed, since the signal takes a moment.
    for _ in 0..=most / 2 {
        workspace.append("one.txt", "x");
        workspace.append("other.txt", "x");
    }
    workspace.append("a.log", &numbered(1));
    fs::rename(workspace.log("a.log"), workspace.log("a.log.1")).unwrap();
    workspace.append("a.log", &numbered(2));
    workspace.append("b.log", &numbered(3));
    sidecar.signal(Signal::CONT);
    let arrived = Arrived::of(lines_out(&workspace, 4));
    assert_eq!((arrived.missing(4), arrived.duplicates()), (vec![], 0));
    assert!(workspace.log_lines().contains("the kernel dropped events"));
}

#[test]
fn delivered_files_are_closed_when_there_are_many_and_opened_again_for_news() {
    let mut workspace = Workspace::new();
    workspace.configure(&[workspace.pipeline("p", &stdout())]);
    let files = 300;
    for number in 0..files {
        workspace.append(&format!("{number}.log"), &numbered(number));
    }
    let sidecar = Sidecar::start(&workspace);
    lines_out(&workspace, 300);
    let logs = workspace.path("logs").canonicalize().unwrap();
    until("fewer descriptors", || {
        (sidecar.descriptors_below(&logs) <= 256 + 4).then_some(())
    });
    for number in 0..files {
        workspace.append(&format!("{number}.log"), &numbered(files + number));
    }
    let arrived = Arrived::of(lines_out(&workspace, 600));
    assert_eq!((arrived.missing(600), arrived.duplicates()), (vec![], 0));
}
