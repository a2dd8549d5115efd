//! The steps of the test run, in order: what is quick and often wrong comes first.

use std::io::{self, Write};
use std::process::Command;

use anyhow::{Result, anyhow};

use super::libtest::Results;
use super::tally::{Outcome, Tally};
use crate::{generate, images, process, workspace};

/// Everything.
pub fn all(tally: &mut Tally) {
    lint(tally);
    tally.prepare("programs of the test cluster", tools);
    tally.prepare("images", || {
        images::build(&workspace::images(), &images::DEMO).map(drop)
    });
    tally.run("tests", tests);
}

/// What can be said without running anything of ours.
pub fn lint(tally: &mut Tally) {
    tally.check("generated files are fresh", generate::check);
    tally.check("format", || {
        process::run(workspace::cargo().args(["fmt", "--all", "--check"]))
    });
    tally.check("lints", clippy);
    tally.check("chart", chart);
}

/// All of them, so that no test waits for a build of many minutes.
fn tools() -> Result<()> {
    let names = cluster::tools::CONTROL_PLANE
        .into_iter()
        .chain(cluster::tools::NODE)
        .chain(cluster::tools::SIMULATION)
        .chain(["helm", "helm3", "loki", "logcli"]);
    cluster::tools::ensure_all(names)?;
    Ok(())
}

fn clippy() -> Result<()> {
    let arguments = "clippy --locked --workspace --all-targets -- -D warnings";
    process::run(workspace::cargo().args(arguments.split(' ')))
}

fn chart() -> Result<()> {
    let helm = cluster::tools::ensure("helm")?;
    let on_chart = |arguments: &str| {
        let mut command = Command::new(&helm);
        command.args(arguments.split(' ')).arg(workspace::chart());
        command
    };
    process::run(&mut on_chart("lint --strict --quiet"))?;
    process::output(&mut on_chart("template logshipping")).map(drop)
}

fn tests() -> Outcome {
    let mut results = Results::default();
    let mut cargo = workspace::cargo();
    cargo.args(["test", "--locked", "--workspace", "--no-fail-fast"]);
    let status = process::stream(&mut cargo, |line| {
        results.read(line);
        // Whoever closed standard output learns the outcome from the exit code.
        let _ = writeln!(io::stdout(), "{line}");
    });
    let fault = match status {
        Err(error) => Some(error),
        Ok(_) if results.failed > 0 => Some(anyhow!(results.fault())),
        Ok(status) if status.success() => None,
        Ok(status) => Some(anyhow!(
            "`cargo test` failed ({status}): see above for what did not build, or crashed"
        )),
    };
    let failed = results.failed.max(u64::from(fault.is_some()));
    Outcome {
        passed: results.passed,
        failed,
        fault,
    }
}
