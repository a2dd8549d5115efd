//! `make test`: everything that can be checked, in one run.
//!
//! A step that fails doesn't stop the others, so that one run tells all. The last line of standard output is
//! `N passed, N failed`: the sum over all test programs, where every other step counts as one. The same line is left in
//! a file, for callers whose own output follows ours.

mod libtest;
mod steps;
mod tally;

use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::workspace;
use tally::Tally;

/// Runs every step.
pub fn chore() -> Result<ExitCode> {
    let mut tally = Tally::default();
    steps::all(&mut tally);
    finish(&tally)
}

/// Runs the steps that need neither a build of images nor a cluster.
pub fn lint() -> Result<ExitCode> {
    let mut tally = Tally::default();
    steps::lint(&mut tally);
    finish(&tally)
}

fn finish(tally: &Tally) -> Result<ExitCode> {
    tally.tell();
    let summary = tally.summary();
    let file = workspace::target().join("test-summary");
    fs::write(&file, format!("{summary}\n")).with_context(|| format!("cannot write {}", file.display()))?;
    writeln!(io::stdout(), "{summary}")?;
    Ok(if tally.has_failures() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
