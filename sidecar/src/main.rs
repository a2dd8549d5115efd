//! The sidecar's program: parses the command line and runs what it asks for.

use std::process::ExitCode;

use clap::Parser;
use sidecar::check::{self, connect};
use sidecar::command_line::{Check, Command, CommandLine};
use sidecar::process::{self, End};
use sidecar::references::References;
use sidecar::transport::Surroundings;

fn main() -> anyhow::Result<ExitCode> {
    match CommandLine::parse().command {
        Command::Run(arguments) => Ok(match process::run(arguments)? {
            End::Drained => ExitCode::SUCCESS,
            // As a shell reports a process that SIGTERM killed.
            End::AtOnce => ExitCode::from(143),
        }),
        Command::Check(arguments) => judge(arguments),
    }
}

/// Errors on standard error, a line each; destinations that were reached are said there too.
fn judge(arguments: Check) -> anyhow::Result<ExitCode> {
    let text = check::read(&arguments.config);
    let mut errors = match &text {
        Ok(text) => check::errors(text),
        Err(error) => vec![error.clone()],
    };
    if let (Ok(text), true) = (&text, arguments.connect) {
        let around = Surroundings::of_process(References::new(arguments.refs_dir));
        for connect::Connected { name, outcome } in connect::destinations(text, &around)? {
            match outcome {
                Ok(words) => eprintln!("{name}: ok: {words}"),
                Err(words) => errors.push(format!("{name}: {words}")),
            }
        }
    }
    for error in &errors {
        eprintln!("{error}");
    }
    Ok(if errors.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
