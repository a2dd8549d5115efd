//! What the program says about itself.

use crate::harness::{Sidecar, Workspace, numbered};

/// The sum of a metric over its labels.
fn total(metrics: &str, name: &str) -> f64 {
    let lines = metrics.lines().filter(|line| line.starts_with(name));
    lines
        .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
        .sum()
}

#[test]
fn a_dead_destination_makes_a_line_a_minute_and_not_one_for_each_attempt() {
    let mut workspace = Workspace::new();
    let dead = serde_json::json!({
        "name": "dead", "http": {"url": "http://127.0.0.1:1/"},
        "retry": {"initialBackoff": "1ms", "maxBackoff": "2ms"},
    });
    workspace.configure(&[workspace.pipeline("p", &dead)]);
    workspace.append("a.log", &numbered(1));
    let sidecar = Sidecar::start(&workspace);
    sidecar.report_until("500 attempts", |_| {
        let metrics = sidecar.get("/metrics").map_or_else(String::new, |(_, text)| text);
        total(&metrics, "logshipping_destination_retries_total") > 500.0
    });
    let log = workspace.log_lines();
    let complaints = log.lines().filter(|line| line.contains("\"dead\"")).count();
    // Two where a minute ended meanwhile.
    assert!((1..=2).contains(&complaints), "{log}");
}
