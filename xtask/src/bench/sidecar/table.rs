//! Results as tables in Markdown, as the documentation shows them.

use std::fmt::Write;

use super::agent::Agent;
use super::figures::{CatchUp, Drain, Faults, Latency, Steady, megabytes};
use super::row::Row;

/// What became of an agent: figures, or why there are none.
pub type Outcome<T> = (Agent, String, Result<T, String>);

/// A file that was caught up with.
pub fn catch_up(row: Row, outcomes: &[Outcome<CatchUp>]) -> String {
    let ours = best(outcomes.iter().filter(|outcome| outcome.0 == Agent::Logshipping));
    let rival = best(outcomes.iter().filter(|outcome| outcome.0 != Agent::Logshipping));
    let mut text = heading(row, "MB per CPU-s | MB/s | peak RSS MiB | wire MB | ours is");
    for (agent, title, figures) in outcomes {
        let line = match figures {
            Ok(figures) => {
                let ratio = match (agent, ours) {
                    (Agent::Logshipping, _) | (_, None) => String::new(),
                    (_, Some(ours)) => format!("{:.1} times", ours / figures.per_cpu()),
                };
                format!(
                    "{:.0} | {:.0} | {} | {:.0} | {ratio} | {}",
                    figures.per_cpu(),
                    figures.per_second(),
                    mebibytes(figures.peak),
                    megabytes(figures.wire_bytes),
                    faults(&figures.faults)
                )
            }
            Err(error) => failed(error, 5),
        };
        add(&mut text, title, &line);
    }
    if let Some(ours) = ours {
        let target = row.target().map_or(String::new(), |target| format!("goal {target}, "));
        let best = rival.map_or("no rival".to_owned(), |rival| {
            format!("{:.1} times the best rival", ours / rival)
        });
        let _ = writeln!(text, "\n{target}measured {ours:.0}: {best}.");
    }
    text
}

/// The most MB per CPU-second.
fn best<'a>(outcomes: impl Iterator<Item = &'a Outcome<CatchUp>>) -> Option<f64> {
    outcomes
        .filter_map(|(_, _, figures)| figures.as_ref().ok())
        .map(CatchUp::per_cpu)
        .max_by(f64::total_cmp)
}

/// A steady stream.
pub fn steady(row: Row, outcomes: &[Outcome<Steady>]) -> String {
    let mut text = heading(row, "share of a core | RSS MiB");
    for (_, title, figures) in outcomes {
        let line = match figures {
            Ok(figures) => format!(
                "{:.4} | {} | {}",
                figures.share,
                mebibytes(figures.memory),
                faults(&figures.faults)
            ),
            Err(error) => failed(error, 2),
        };
        add(&mut text, title, &line);
    }
    text + "\ngoal 0.015.\n"
}

/// From written to acknowledged.
pub fn latency(row: Row, outcomes: &[Outcome<Latency>]) -> String {
    let mut text = heading(row, "median ms | p99 ms | first after silence ms");
    for (_, title, figures) in outcomes {
        let line = match figures {
            Ok(figures) => format!(
                "{} | {} | {} | {}",
                figures.median.as_millis(),
                figures.p99.as_millis(),
                figures.after_silence.as_millis(),
                faults(&figures.faults)
            ),
            Err(error) => failed(error, 3),
        };
        add(&mut text, title, &line);
    }
    text + "\ngoal: p99 250, first after silence 150.\n"
}

/// SIGTERM with a backlog.
pub fn drain(row: Row, outcomes: &[Outcome<Drain>]) -> String {
    let mut text = heading(row, "ended after s | delivered");
    for (_, title, figures) in outcomes {
        let line = match figures {
            Ok(figures) => {
                let delivered = figures.lines - figures.faults.missing.min(figures.lines);
                let share = megabytes(delivered) * 100.0 / megabytes(figures.lines.max(1));
                let took = if figures.ended {
                    format!("{:.2}", figures.took.as_secs_f64())
                } else {
                    "not at all".to_owned()
                };
                format!("{took} | {share:.1} % | {}", faults(&figures.faults))
            }
            Err(error) => failed(error, 2),
        };
        add(&mut text, title, &line);
    }
    text + "\ngoal: all of it within 1.5 s.\n"
}

fn heading(row: Row, columns: &str) -> String {
    let dashes = "---|".repeat(columns.split('|').count() + 2);
    format!("\n### {}\n\n| agent | {columns} | lost |\n|{dashes}\n", row.title())
}

fn add(text: &mut String, title: &str, line: &str) {
    // Writing to a string can't fail.
    let _ = writeln!(text, "| {title} | {line} |");
}

/// In as many columns as figures would have had.
fn failed(error: &str, columns: usize) -> String {
    let first = error.lines().next().unwrap_or_default().replace('|', "/");
    format!("{}not measured: {first}", " | ".repeat(columns))
}

fn faults(faults: &Faults) -> String {
    let all = [
        (faults.missing, "missing"),
        (faults.duplicates, "twice"),
        (faults.foreign, "wrong"),
        (faults.leaks, "not redacted"),
    ];
    let words: Vec<_> = all
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    if words.is_empty() {
        "none".to_owned()
    } else {
        words.join(", ")
    }
}

fn mebibytes(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn loss_stands_beside_speed_and_who_failed_is_named() {
        let figures = |cpu, missing| CatchUp {
            bytes: 300_000_000,
            cpu: Duration::from_millis(cpu),
            wall: Duration::from_secs(1),
            faults: Faults {
                missing,
                ..Faults::default()
            },
            ..CatchUp::default()
        };
        let text = catch_up(
            Row::RawHttp,
            &[
                (Agent::Logshipping, "LogShipping".into(), Ok(figures(1000, 0))),
                (Agent::Otelcol, "Collector, tuned".into(), Ok(figures(2000, 7))),
                (Agent::Vector, "Vector".into(), Err("no such file\nmore".into())),
            ],
        );
        assert!(text.contains("| LogShipping | 300 | 300 | 0 | 0 |  | none |"), "{text}");
        assert!(
            text.contains("| Collector, tuned | 150 | 300 | 0 | 0 | 2.0 times | 7 missing |"),
            "{text}"
        );
        assert!(text.contains("not measured: no such file |"), "{text}");
        assert!(
            text.ends_with("goal 320, measured 300: 2.0 times the best rival.\n"),
            "{text}"
        );
        let table = text.lines().filter(|line| line.starts_with('|'));
        let columns: Vec<usize> = table.map(|line| line.matches('|').count()).collect();
        assert!(columns.iter().all(|count| *count == columns[0]), "{columns:?}\n{text}");
    }
}
