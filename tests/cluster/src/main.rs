//! The `cluster` program: clusters for people, and the processes behind those of tests.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "cluster", about = "A real Kubernetes on one machine, for tests and the demo")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make sure that pinned programs are there, and print their paths
    Tools {
        /// Such as kubectl, helm or logcli
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Hold a cluster (started by `up` and by tests)
    #[command(hide = true)]
    Hold { spec: String },
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Hold { spec } => cluster::hold(&spec),
        Command::Tools { names } => {
            for name in names {
                eprintln!("{:?}", cluster::tools::ensure(&name));
            }
            ExitCode::SUCCESS
        }
    }
}
