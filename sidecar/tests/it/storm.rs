//! Storms of new configurations while lines are shipped.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::collector::Collector;
use crate::harness::{Arrived, Sidecar, Workspace, assert_balanced, numbered, until};

/// Fast enough for a thousand in half a minute, slow enough that each is seen: events are gathered for 20 ms.
const BETWEEN: Duration = Duration::from_millis(25);
/// Lines a second, in rotated files.
const RATE: u64 = 2_000;
const PER_FILE: u64 = 3_000;

/// Writes numbered lines until it is told to end; returns how many.
fn write_under_way(workspace: &Workspace, stop: &AtomicBool, written: &AtomicU64) -> u64 {
    let began = Instant::now();
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            return number;
        }
        if number > 0 && number % PER_FILE == 0 {
            let rotated = format!("a-{:04}.log", number / PER_FILE);
            fs::rename(workspace.log("a.log"), workspace.log(&rotated)).unwrap();
        }
        workspace.append("a.log", &numbered(number));
        written.store(number + 1, Ordering::Relaxed);
        let due = Duration::from_micros(number * 1_000_000 / RATE);
        std::thread::sleep(due.saturating_sub(began.elapsed()));
    }
    unreachable!("numbers don't end")
}

/// Applies `storm` to a sidecar while lines are written, and gives the number of lines.
fn under_load(workspace: &Workspace, storm: impl FnOnce()) -> u64 {
    let (stop, written) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| write_under_way(workspace, &stop, &written));
        until("the first lines", || {
            (written.load(Ordering::Relaxed) > 100).then_some(())
        });
        storm();
        stop.store(true, Ordering::Relaxed);
        writer.join().unwrap()
    })
}

/// How many configurations were taken over, and how many refused.
fn reloads(sidecar: &Sidecar) -> Option<(u64, u64)> {
    let (_, metrics) = sidecar.get("/metrics")?;
    let count = |result: &str| {
        let start = format!("logshipping_config_reloads_total{{result=\"{result}\"}} ");
        metrics.lines().find_map(|line| line.strip_prefix(&start)?.parse().ok())
    };
    Some((count("success")?, count("refused")?))
}

/// Everything but the destination of pipeline `kept` changes from one to the next.
fn variant(workspace: &Workspace, kept: &Value, number: u64) -> Value {
    let mut kept = kept.clone();
    kept["revision"] = format!("kept-{number}").into();
    if number.is_multiple_of(2) {
        kept["sources"][0]["exclude"] = json!([format!("/var/log/none-{number}")]);
    }
    if number.is_multiple_of(3) {
        let mut other = kept["sources"][0].clone();
        other["name"] = "other".into();
        other["paths"] = json!(["/var/log/nothing"]);
        kept["sources"].as_array_mut().unwrap().push(other);
    }
    let mut pipelines = vec![kept];
    if number % 5 < 2 {
        let other = json!({"name": "out", "stdout": {}});
        pipelines.insert(0, workspace.pipeline("other", &other));
    }
    let level = if number.is_multiple_of(7) { "Debug" } else { "Info" };
    json!({"version": 1, "sidecar": {"logLevel": level}, "pipelines": pipelines})
}

/// A configuration that is refused as a whole, in turns for several reasons.
fn refused(good: &Value, number: u64) -> String {
    match number % 3 {
        0 => "{".to_owned(),
        1 => good.to_string().replace("\"version\":1", "\"version\":99"),
        _ => good.to_string().replace("\"sidecar\"", "\"sidecars\""),
    }
}

#[test]
fn a_thousand_reloads_lose_and_repeat_nothing() {
    const RELOADS: u64 = 1_000;
    let mut configured = Workspace::new();
    let collector = Collector::start();
    let kept = configured.pipeline("kept", &collector.destination());
    configured.configure(std::slice::from_ref(&kept));
    let workspace = configured.beside();
    let sidecar = Sidecar::start(&workspace);
    let began = Instant::now();
    let mut rejected = 0;
    let total = under_load(&workspace, || {
        for number in 0.. {
            if number % 10 == 9 {
                configured.configure_text(&refused(&variant(&workspace, &kept, number), number));
                rejected += 1;
            } else {
                configured.configure_text(&variant(&workspace, &kept, number).to_string());
            }
            std::thread::sleep(BETWEEN);
            if number % 50 == 0 && reloads(&sidecar).is_some_and(|(taken, _)| taken >= RELOADS) {
                break;
            }
        }
        configured.configure_text(&variant(&workspace, &kept, 0).to_string());
    });
    let took = began.elapsed();
    let (taken, refused) = until("the number of reloads", || reloads(&sidecar));
    println!("{taken} reloads, {refused} of {rejected} refused, {total} lines, {took:.1?}");
    assert!(took < Duration::from_secs(60), "{took:?}");
    assert!(taken >= RELOADS && refused >= rejected * 9 / 10, "{taken} {refused}");
    let report = sidecar.report_until("an empty backlog", |report| {
        let pipelines = report["pipelines"].as_array().unwrap();
        let kept = pipelines.iter().find(|pipeline| pipeline["name"] == "kept").unwrap();
        kept["revision"] == "kept-0"
            && kept["destinations"][0]["pendingBytes"] == 0
            && collector.count() as u64 >= total
    });
    assert_balanced(&report);
    let lines = collector.lines();
    let arrived = Arrived::of(&lines);
    assert_eq!((arrived.missing(total), arrived.duplicates()), (vec![], 0));
    let number = |line: &String| line[5..13].parse::<u64>().unwrap();
    for file in 0..=total / PER_FILE {
        let of_file = lines.iter().map(number).filter(|number| number / PER_FILE == file);
        assert!(of_file.is_sorted(), "the order of lines in file {file}");
    }
}

#[test]
fn fifty_changes_of_a_destination_lose_nothing_and_repeat_no_more_than_what_was_under_way() {
    const CHANGES: u64 = 50;
    const WINDOW: u64 = 64 << 10;
    let mut configured = Workspace::new();
    let collectors = [Collector::start(), Collector::start()];
    let destination = |number: u64| {
        let mut destination = collectors[usize::from(number % 2 == 1)].destination();
        destination["batch"] = json!({"maxBytes": WINDOW, "maxDelay": "20ms"});
        // Another address each time, and now and then another form of request as well.
        destination["http"]["headers"] = json!({"X-Change": number.to_string()});
        if number.is_multiple_of(3) {
            destination["compression"] = "None".into();
        }
        destination
    };
    configured.configure(&[configured.pipeline("p", &destination(0))]);
    let workspace = configured.beside();
    let sidecar = Sidecar::start(&workspace);
    let count = || (collectors[0].count() + collectors[1].count()) as u64;
    let total = under_load(&workspace, || {
        for number in 1..=CHANGES {
            let mut changed = workspace.pipeline("p", &destination(number));
            changed["revision"] = format!("p-{number}").into();
            configured.configure(&[changed]);
            let revision = format!("p-{number}");
            let before = collectors[usize::from(number % 2 == 1)].count();
            sidecar.report_until("the new revision", |report| {
                report["pipelines"][0]["revision"] == revision.as_str()
            });
            until("lines at the new address", || {
                (collectors[usize::from(number % 2 == 1)].count() > before).then_some(())
            });
        }
    });
    let report = sidecar.report_until("an empty backlog", |report| {
        report["pipelines"][0]["destinations"][0]["pendingBytes"] == 0 && count() >= total
    });
    assert_balanced(&report);
    let arrived = Arrived::of(collectors.iter().flat_map(Collector::lines));
    assert_eq!(arrived.missing(total), Vec::<u64>::new());
    let again = arrived.duplicates() * numbered(0).len() as u64;
    assert!(again <= CHANGES * WINDOW, "{again} bytes came again");
}
