//! The sidecar's program: parses the command line and runs what it asks for.

use std::process::ExitCode;

use clap::Parser;
use sidecar::command_line::{Command, CommandLine};
use sidecar::process::End;
use sidecar::{check, process};

fn main() -> anyhow::Result<ExitCode> {
    match CommandLine::parse().command {
        Command::Run(arguments) => Ok(match process::run(arguments)? {
            End::Drained => ExitCode::SUCCESS,
            // As a shell reports a process that SIGTERM killed.
            End::AtOnce => ExitCode::from(143),
        }),
        Command::Check(arguments) => {
            let errors = check::errors_in(&arguments.config);
            for error in &errors {
                eprintln!("{error}");
            }
            Ok(if errors.is_empty() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            })
        }
    }
}
