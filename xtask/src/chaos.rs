//! Many scenarios of the chaos harness, with the sidecar as it is released.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use chaos::Verdict;

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

/// Sums up all of them.
#[derive(Debug, Default)]
struct Sum {
    seeds: u64,
    written: u64,
    vanished: u64,
    duplicates: u64,
    bad: Vec<u64>,
}

/// `xtask chaos`.
pub fn chore(arguments: &Arguments) -> Result<ExitCode> {
    let program = match &arguments.program {
        Some(program) => program.clone(),
        None => build()?,
    };
    let next = AtomicU64::new(arguments.from);
    let sum = Mutex::new(Sum::default());
    std::thread::scope(|scope| {
        for _ in 0..arguments.at_once.max(1) {
            scope.spawn(|| {
                while let Some(seed) = take(&next, arguments) {
                    add(&sum, &chaos::run(seed, &program));
                }
            });
        }
    });
    let sum = sum.into_inner().unwrap_or_default();
    writeln!(
        io::stdout(),
        "{} scenarios, {} lines: {} vanished, {} twice, {} scenarios with something wrong {:?}",
        sum.seeds,
        sum.written,
        sum.vanished,
        sum.duplicates,
        sum.bad.len(),
        sum.bad
    )?;
    Ok(ExitCode::from(u8::from(!sum.bad.is_empty())))
}

fn take(next: &AtomicU64, arguments: &Arguments) -> Option<u64> {
    let seed = next.fetch_add(1, Ordering::Relaxed);
    (seed < arguments.from + arguments.seeds).then_some(seed)
}

fn add(sum: &Mutex<Sum>, verdict: &Verdict) {
    eprintln!("{verdict}");
    let Ok(mut sum) = sum.lock() else { return };
    sum.seeds += 1;
    sum.written += verdict.written;
    sum.vanished += verdict.vanished;
    sum.duplicates += verdict.duplicates;
    if !verdict.is_good() {
        sum.bad.push(verdict.seed);
    }
}

fn build() -> Result<PathBuf> {
    process::run(workspace::cargo().args(["build", "--locked", "--release", "--package", "sidecar"]))?;
    Ok(workspace::root().join("target/release/logshipping-sidecar"))
}
