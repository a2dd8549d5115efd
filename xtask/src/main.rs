//! The project's chores, one module each. `make help` lists the ones that people use.
//!
//! Chores say what they do on standard error, with the time since they began; standard output carries results.

mod bench;
mod chaos;
mod demo;
mod generate;
mod images;
mod process;
mod reclaim;
mod test;
mod workspace;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "xtask", about = "The project's chores")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Write the files that are generated from code
    Generate {
        /// Write nothing; fail where a file is not what would be generated
        #[arg(long)]
        check: bool,
    },
    /// Build container images as archives that ctr, docker, kind and registries take
    Images {
        /// Folder of the archives [default: target/images]
        #[arg(long)]
        out: Option<PathBuf>,
        /// operator, sidecar, server, loki [default: the first three]
        names: Vec<String>,
    },
    /// Check formatting, lints, generated files and the chart
    Lint,
    /// Run every check and every test there is
    Test,
    /// Break the sidecar on purpose, by seeds, and count what arrives
    Chaos(chaos::Arguments),
    /// Write a gibibyte of log through a volume of 64 MiB that delivered text is given back to
    Reclaim,
    /// Measure, and print tables
    Bench {
        #[command(subcommand)]
        bench: bench::Bench,
    },
    /// Start a cluster with an application whose logs are shipped
    Demo,
    /// Remove what `demo` started
    DemoDown,
}

fn main() -> ExitCode {
    match run(Arguments::parse().chore) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("\nxtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(chore: Chore) -> Result<ExitCode> {
    match chore {
        Chore::Generate { check: false } => generate::write()?,
        Chore::Generate { check: true } => generate::check()?,
        Chore::Images { out, names } => images::chore(out, &names)?,
        Chore::Lint => return test::lint(),
        Chore::Test => return test::chore(),
        Chore::Chaos(arguments) => return chaos::chore(&arguments),
        Chore::Reclaim => reclaim::chore()?,
        Chore::Bench { bench } => bench::chore(&bench)?,
        Chore::Demo => demo::up()?,
        Chore::DemoDown => demo::down()?,
    }
    Ok(ExitCode::SUCCESS)
}
