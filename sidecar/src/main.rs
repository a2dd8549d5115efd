//! The sidecar's program: parses the command line and runs what it asks for.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use sidecar::check::{self, connect};
use sidecar::command_line::{Check, Command, CommandLine, Test};
use sidecar::process::{self, End};
use sidecar::references::References;
use sidecar::transport::Surroundings;
use sidecar::trial;

fn main() -> anyhow::Result<ExitCode> {
    match CommandLine::parse().command {
        Command::Run(arguments) => Ok(match process::run(arguments)? {
            End::Drained => ExitCode::SUCCESS,
            // As a shell reports a process that SIGTERM killed.
            End::AtOnce => ExitCode::from(143),
        }),
        Command::Check(arguments) => judge(arguments),
        Command::Test(arguments) => test(&arguments),
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

/// Records on standard output; what else there is to know about them on standard error.
fn test(arguments: &Test) -> anyhow::Result<ExitCode> {
    let text = check::read(&arguments.config).map_err(anyhow::Error::msg)?;
    let input = read_input(&arguments.input).with_context(|| arguments.input.display().to_string())?;
    let now = i64::try_from(jiff::Timestamp::now().as_nanosecond())?;
    let path = arguments.input.to_string_lossy();
    let trials = match trial::run(&text, &input, (&path, now)) {
        Ok(trials) => trials,
        Err(errors) => {
            for error in errors {
                eprintln!("{error}");
            }
            return Ok(ExitCode::FAILURE);
        }
    };
    for trial in trials {
        io::stdout().write_all(&trial.records)?;
        let trial::Trial {
            name,
            count,
            left_out,
            unparsed,
            ..
        } = trial;
        eprintln!("{name}: {count} records, {left_out} left out, {unparsed} not of the source's format");
    }
    Ok(ExitCode::SUCCESS)
}

fn read_input(path: &Path) -> io::Result<Vec<u8>> {
    let mut input = Vec::new();
    let file: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path)?)
    };
    file.take(trial::MAX_INPUT as u64).read_to_end(&mut input)?;
    Ok(input)
}
