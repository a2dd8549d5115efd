//! `cargo xtask bench`: figures that the documentation quotes. Nothing here judges; what must hold is a test.

mod figures;
mod operator;
mod process;
mod sidecar;
mod table;

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};
use cluster::progress::say;
use fleet::Size;

use crate::images;

/// What can be measured.
#[derive(Debug, Subcommand)]
pub enum Bench {
    /// What the operator costs for a fleet of Deployments on simulated nodes
    Operator(OperatorArguments),
    /// How fast the sidecar and other agents are, and what they lose
    Sidecar(sidecar::Arguments),
    /// What the sidecar takes: size, memory, processor time when idle
    Footprint(sidecar::footprint::Arguments),
}

/// How large a fleet.
#[derive(Debug, Args)]
pub struct OperatorArguments {
    /// Deployments, all of them selected
    #[arg(long, default_value_t = 1000)]
    deployments: u32,
    /// Pods of all Deployments together
    #[arg(long, default_value_t = 10_000)]
    pods: u32,
    /// LogShippings, each of which selects its share of the Deployments
    #[arg(long, default_value_t = 200)]
    shippings: u32,
    /// Namespaces that all of it is spread over
    #[arg(long, default_value_t = 20)]
    namespaces: u32,
    /// An operator to measure instead of the one that is built from here, as images carry it
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Also measure fleets of a tenth, a quarter and half the size
    #[arg(long)]
    linear: bool,
}

impl OperatorArguments {
    const fn size(&self) -> Size {
        Size {
            deployments: self.deployments,
            pods: self.pods,
            shippings: self.shippings,
            namespaces: self.namespaces,
        }
    }
}

/// Measures, and prints a table.
pub fn chore(bench: &Bench) -> Result<()> {
    match bench {
        Bench::Operator(arguments) => operator(arguments),
        Bench::Sidecar(arguments) => sidecar::run(arguments, print),
        Bench::Footprint(arguments) => print(&sidecar::footprint::run(arguments)?),
    }
}

fn print(text: &str) -> Result<()> {
    Ok(io::stdout().write_all(text.as_bytes())?)
}

fn operator(arguments: &OperatorArguments) -> Result<()> {
    let size = arguments.size();
    let program = match &arguments.program {
        Some(program) => program.clone(),
        None => images::program("operator")?,
    };
    let mut smaller = Vec::new();
    if arguments.linear {
        for divisor in [10, 4, 2] {
            let size = size.with_deployments((size.deployments / divisor).max(1));
            say(format_args!("{} Deployments", size.deployments));
            smaller.push(operator::Bench::start(&program, size)?.inject()?);
        }
    }
    say(format_args!("{} Deployments", size.deployments));
    let figures = operator::Bench::start(&program, size)?.all()?;
    print(&table::render(&figures, &smaller))
}
