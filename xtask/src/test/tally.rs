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

/// What a step came to.
#[derive(Debug)]
pub struct Outcome {
    /// Checks that passed.
    pub passed: u64,
    /// Checks that failed.
    pub failed: u64,
    /// What there is to say about those that failed.
    pub fault: Option<Error>,
}

impl Outcome {
    /// Of a step that is one check.
    fn of_check(result: Result<()>) -> Self {
        Self {
            passed: u64::from(result.is_ok()),
            ..Self::of_preparation(result)
        }
    }

    /// Of a step that only makes something which later steps need: it counts where it fails.
    fn of_preparation(result: Result<()>) -> Self {
        Self {
            passed: 0,
            failed: u64::from(result.is_err()),
            fault: result.err(),
        }
    }
}

impl Tally {
    /// Runs a step that is one check.
    pub fn check(&mut self, name: &'static str, step: impl FnOnce() -> Result<()>) {
        self.run(name, || Outcome::of_check(step()));
    }

    /// Runs a step that only makes something which later steps need.
    pub fn prepare(&mut self, name: &'static str, step: impl FnOnce() -> Result<()>) {
        self.run(name, || Outcome::of_preparation(step()));
    }

    /// Runs a step that counts its checks itself.
    pub fn run(&mut self, name: &'static str, step: impl FnOnce() -> Outcome) {
        say(format_args!("== {name}"));
        let began = Instant::now();
        let outcome = step();
        if let Some(fault) = &outcome.fault {
            say(format_args!("== {name} FAILED: {fault:#}"));
        }
        self.record(name, began.elapsed(), &outcome);
    }

    fn record(&mut self, name: &'static str, took: Duration, outcome: &Outcome) {
        self.passed += outcome.passed;
        self.failed += outcome.failed;
        let fault = outcome.fault.as_ref().map(|fault| format!("{fault:#}"));
        self.steps.push(Step { name, took, fault });
    }

    /// Whether the run failed.
    pub fn has_failures(&self) -> bool {
        self.failed > 0
    }

    /// The last line of the run.
    pub fn summary(&self) -> String {
        format!("{} passed, {} failed", self.passed, self.failed)
    }

    /// Says all steps with their times, then what went wrong.
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
        tally.record("tools", Duration::ZERO, &Outcome::of_preparation(Ok(())));
        tally.record("format", Duration::ZERO, &Outcome::of_check(Ok(())));
        assert_eq!(tally.summary(), "1 passed, 0 failed");
        assert!(!tally.has_failures());
        tally.record("lint", Duration::ZERO, &Outcome::of_check(Err(anyhow!("a warning"))));
        tally.record(
            "images",
            Duration::ZERO,
            &Outcome::of_preparation(Err(anyhow!("no space"))),
        );
        tally.record(
            "tests",
            Duration::ZERO,
            &Outcome {
                passed: 20,
                failed: 2,
                fault: Some(anyhow!("two tests")),
            },
        );
        assert_eq!(tally.summary(), "21 passed, 4 failed");
        assert!(tally.has_failures());
    }

    #[test]
    fn a_fault_is_kept_with_its_causes() {
        let mut tally = Tally::default();
        let fault = anyhow!("no space left").context("cannot write the archive");
        tally.record("images", Duration::ZERO, &Outcome::of_preparation(Err(fault)));
        assert_eq!(
            tally.steps[0].fault.as_deref(),
            Some("cannot write the archive: no space left")
        );
    }
}
