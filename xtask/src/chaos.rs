//! Many scenarios of the chaos harness, with the sidecar as it is released.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use chaos::Campaign;

use crate::{process, workspace};

/// What to run.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// How many scenarios
    #[arg(long, default_value_t = 24)]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// How many at once
    #[arg(long, default_value_t = 8)]
    at_once: u16,
    /// A sidecar's program to try instead of this checkout's
    #[arg(long)]
    program: Option<PathBuf>,
}

/// `xtask chaos`.
pub fn chore(arguments: &Arguments) -> Result<ExitCode> {
    let program = match &arguments.program {
        Some(program) => program.clone(),
        None => build()?,
    };
    let campaign = Campaign {
        from: arguments.from,
        seeds: arguments.seeds,
        at_once: arguments.at_once,
    };
    let sum = campaign.run(&program, |verdict| eprintln!("{verdict}"));
    writeln!(io::stdout(), "{sum}")?;
    Ok(ExitCode::from(u8::from(!sum.bad.is_empty())))
}

fn build() -> Result<PathBuf> {
    process::run(workspace::cargo().args(["build", "--locked", "--release", "--package", "sidecar"]))?;
    Ok(workspace::root().join("target/release/logshipping-sidecar"))
}
