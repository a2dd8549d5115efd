//! Figures as tables in Markdown, as the documentation shows them.

use std::fmt::Write;
use std::time::Duration;

use super::figures::{Figures, Idle, Injection, Reconfiguration, Requests, Restart, percentile};

/// All tables.
pub fn render(figures: &Figures, smaller: &[Injection]) -> String {
    let mut text = String::new();
    let rows = rows(figures);
    // Writing to a string can't fail.
    let _ = writeln!(text, "\n| what | measured | target |\n|---|---|---|");
    for [what, measured, target] in &rows {
        let _ = writeln!(text, "| {what} | {measured} | {target} |");
    }
    let _ = writeln!(
        text,
        "\n| Deployments | pods | all patched after | CPU until then | each | CPU during rollouts | peak RSS |\n\
         |---|---|---|---|---|---|---|"
    );
    for injection in smaller.iter().chain([&figures.injection]) {
        let _ = writeln!(text, "{}", line(injection));
    }
    text
}

fn line(injection: &Injection) -> String {
    let Injection {
        size,
        patched_after,
        patching,
        rollout,
        peak,
        ..
    } = injection;
    format!(
        "| {} | {} | {} | {} | {} | {} | {} |",
        size.deployments,
        size.pods,
        seconds(*patched_after),
        seconds(*patching),
        milliseconds(*patching / size.deployments.max(1)),
        seconds(*rollout),
        mebibytes(*peak)
    )
}

fn rows(figures: &Figures) -> Vec<[String; 3]> {
    let Figures {
        injection,
        idle,
        reconfiguration,
        latencies,
        statuses,
        restart,
        peak,
    } = figures;
    let mut rows = Vec::new();
    let mut row = |what: &str, measured: String, target: &str| {
        rows.push([what.to_owned(), measured, target.to_owned()]);
    };
    row(
        "all Deployments patched after",
        seconds(injection.patched_after),
        "<= 120 s",
    );
    row("requests until then", requests(&injection.requests), "");
    row("requests during rollouts", requests(&injection.rollout_requests), "");
    row("peak RSS until the restart", mebibytes(*peak), "<= 150 MiB");
    rows.extend(idle_rows(idle));
    rows.extend(reconfiguration_rows(reconfiguration));
    let of_latencies = |percent| percentile(latencies, percent).map(milliseconds).unwrap_or_default();
    let latency = [50, 99, 100].map(of_latencies).join(" / ");
    rows.push([
        format!(
            "one Deployment added: patched after, p50 / p99 / most of {}",
            latencies.len()
        ),
        latency,
        "p99 <= 250 ms".to_owned(),
    ]);
    let of_statuses = |percent| {
        percentile(statuses, percent)
            .map(|bytes| bytes.to_string())
            .unwrap_or_default()
    };
    rows.push([
        "size of a status, median / largest".to_owned(),
        format!("{} / {} bytes", of_statuses(50), of_statuses(100)),
        String::new(),
    ]);
    rows.extend(restart_rows(restart));
    rows
}

fn idle_rows(idle: &Idle) -> [[String; 3]; 3] {
    let share = 100.0 * idle.cpu.as_secs_f64() / idle.lasted.as_secs_f64();
    [
        [
            "requests in a quiet minute".to_owned(),
            requests(&idle.requests),
            "none that writes".to_owned(),
        ],
        [
            "CPU in a quiet minute".to_owned(),
            format!("{share:.2} % of a core"),
            "<= 2 %".to_owned(),
        ],
        ["RSS after it".to_owned(), mebibytes(idle.memory), String::new()],
    ]
}

fn reconfiguration_rows(reconfiguration: &Reconfiguration) -> [[String; 3]; 3] {
    let Reconfiguration {
        took,
        cpu,
        requests: asked,
    } = reconfiguration;
    [
        [
            "another configuration everywhere: last pod nudged after".to_owned(),
            seconds(*took),
            String::new(),
        ],
        ["its CPU".to_owned(), seconds(*cpu), String::new()],
        [
            "its requests".to_owned(),
            requests(asked),
            "a ConfigMap for each Deployment, a nudge for each pod".to_owned(),
        ],
    ]
}

fn restart_rows(restart: &Restart) -> [[String; 3]; 3] {
    [
        [
            "operator killed and started anew: ready after".to_owned(),
            format!("{}, {} CPU", seconds(restart.ready_after), seconds(restart.cpu)),
            String::new(),
        ],
        [
            "its requests".to_owned(),
            requests(&restart.requests),
            "none that writes".to_owned(),
        ],
        [
            "its peak RSS".to_owned(),
            mebibytes(restart.peak),
            "<= 150 MiB".to_owned(),
        ],
    ]
}

fn requests(requests: &Requests) -> String {
    if requests.is_empty() {
        return "none".to_owned();
    }
    let kinds = requests.iter().map(|(kind, number)| format!("{number} {kind}"));
    kinds.collect::<Vec<_>>().join(", ")
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
}

/// Rounded up: it is held against a limit.
fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}
