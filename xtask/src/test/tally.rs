//! Counts what passed and what failed, and says it as it happens.

use std::time::{Duration, Instant};

use anyhow::{Error, Result};
use cluster::progress::say;

/// What became of the steps so far.
#[derive(Debug, Default)]
pub struct Tally {
    passed: u64,
    failed: u64,
    steps: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    name: &'static str,
    took: Duration,
    fault: Option<String>,
}

/// What a step counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Checks that passed.
    pub passed: u64,
    /// Checks that failed.
    pub failed: u64,
}

impl Tally {
    /// Runs a step that is one check.
    pub fn check(&mut self, name: &'static str, step: impl FnOnce() -> Result<()>) {
        self.run(name, || match step() {
            Ok(()) => (Counts { passed: 1, failed: 0 }, None),
            Err(error) => (Counts { passed: 0, failed: 1 }, Some(error)),
        });
    }

    /// Runs a step that only makes something that later steps need. It counts where it fails.
    pub fn prepare(&mut self, name: &'static str, step: impl FnOnce() -> Result<()>) {
        self.run(name, || match step() {
            Ok(()) => (Counts { passed: 0, failed: 0 }, None),
            Err(error) => (Counts { passed: 0, failed: 1 }, Some(error)),
        });
    }

    /// Runs a step that counts its checks itself; an error is what there is to say about failures.
    pub fn run(&mut self, name: &'static str, step: impl FnOnce() -> (Counts, Option<Error>)) {
        say(format_args!("== {name}"));
        let began = Instant::now();
        let (counts, error) = step();
        self.passed += counts.passed;
        self.failed += counts.failed;
        let fault = error.map(|error| format!("{error:#}"));
        if let Some(fault) = &fault {
            say(format_args!("== {name} FAILED: {fault}"));
        }
        self.steps.push(Step {
            name,
            took: began.elapsed(),
            fault,
        });
    }

    /// Whether the run failed.
    pub fn has_failures(&self) -> bool {
        self.failed > 0
    }

    /// The last line of the run.
    pub fn summary(&self) -> String {
        format!("{} passed, {} failed", self.passed, self.failed)
    }

    /// All steps with their times, then what went wrong.
    pub fn tell(&self) {
        say("all steps:");
        for Step { name, took, fault } in &self.steps {
            let verdict = if fault.is_some() { "FAILED" } else { "ok" };
            say(format_args!("  {name:<32} {verdict:<6} {:>7.1} s", took.as_secs_f64()));
        }
        for Step { name, fault, .. } in &self.steps {
            if let Some(fault) = fault {
                say(format_args!("{name}: {fault}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn checks_count_and_preparations_only_when_they_fail() {
        let mut tally = Tally::default();
        tally.prepare("tools", || Ok(()));
        tally.check("format", || Ok(()));
        assert_eq!(tally.summary(), "1 passed, 0 failed");
        assert!(!tally.has_failures());
        tally.check("lint", || Err(anyhow!("a warning")));
        tally.prepare("images", || Err(anyhow!("no space")));
        tally.run("tests", || {
            (Counts { passed: 20, failed: 2 }, Some(anyhow!("two tests")))
        });
        assert_eq!(tally.summary(), "21 passed, 4 failed");
        assert!(tally.has_failures());
    }
}
