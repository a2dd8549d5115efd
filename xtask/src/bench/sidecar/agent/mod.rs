//! The agents, and with which configurations each of them can do the work of a row.
//!
//! Configurations are files in `tests/bench/agents/<agent>/`. An agent takes part in a row where its documentation has a
//! way to do the same work; where it has several, each takes part under its own name.

mod found;
mod logshipping;
mod otelcol;
mod rsyslog;
mod syslog_ng;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use super::row::Row;

/// Who can take part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Agent {
    /// The sidecar of this checkout
    Logshipping,
    /// An OpenTelemetry Collector, built on demand
    Otelcol,
    /// From Debian, unpacked on demand
    SyslogNg,
    /// From Debian, unpacked on demand
    Rsyslog,
    /// Where it is on PATH or named by --with
    FluentBit,
    /// Where it is on PATH or named by --with
    Vector,
}

/// One way to configure an agent for a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// `stock`, `tuned` or what sets it apart.
    pub variant: &'static str,
    /// Files below the agent's folder of configurations; where an agent takes several, later ones win.
    pub templates: Vec<&'static str>,
    pub environment: &'static [(&'static str, &'static str)],
}

impl Recipe {
    pub fn new(variant: &'static str, templates: &[&'static str]) -> Self {
        Self {
            variant,
            templates: templates.to_vec(),
            environment: &[],
        }
    }
}

/// An agent's program, and what it needs to start.
#[derive(Clone, Debug)]
pub struct Program {
    pub path: PathBuf,
    /// Where its libraries and modules are, for those that were unpacked.
    pub root: Option<PathBuf>,
}

impl Program {
    pub const fn alone(path: PathBuf) -> Self {
        Self { path, root: None }
    }
}

impl Agent {
    /// The name on the command line, of the program and of the folder of configurations.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Logshipping => "logshipping",
            Self::Otelcol => "otelcol",
            Self::SyslogNg => "syslog-ng",
            Self::Rsyslog => "rsyslog",
            Self::FluentBit => "fluent-bit",
            Self::Vector => "vector",
        }
    }

    /// As in the results.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Logshipping => "LogShipping",
            Self::Otelcol => "OpenTelemetry Collector",
            Self::SyslogNg => "syslog-ng",
            Self::Rsyslog => "rsyslog",
            Self::FluentBit => "Fluent Bit",
            Self::Vector => "Vector",
        }
    }

    /// The program; none where it is one that has to be there already and isn't.
    pub fn program(self) -> Result<Option<Program>> {
        match self {
            Self::Logshipping => logshipping::program().map(Some),
            Self::Otelcol => otelcol::program().map(Some),
            Self::SyslogNg => syslog_ng::program().map(Some),
            Self::Rsyslog => rsyslog::program().map(Some),
            Self::FluentBit | Self::Vector => Ok(on_path(self.name()).map(Program::alone)),
        }
    }

    /// Its ways to do the work of a row; none where it can't.
    pub fn recipes(self, row: Row) -> Vec<Recipe> {
        match self {
            Self::Logshipping => logshipping::recipes(row),
            Self::Otelcol => otelcol::recipes(row),
            Self::SyslogNg => syslog_ng::recipes(row),
            Self::Rsyslog => rsyslog::recipes(row),
            Self::FluentBit => found::fluent_bit(row),
            Self::Vector => found::vector(row),
        }
    }

    /// The command that runs it in the foreground with configurations that were filled in.
    pub fn command(self, program: &Program, configurations: &[PathBuf], folder: &Path) -> Result<Command> {
        let mut command = Command::new(&program.path);
        let first = configurations.first().context("an agent has a configuration")?;
        match self {
            Self::Logshipping => logshipping::arguments(&mut command, first, folder),
            Self::Otelcol => otelcol::arguments(&mut command, configurations),
            Self::SyslogNg => syslog_ng::arguments(&mut command, program, (first, folder)),
            Self::Rsyslog => rsyslog::arguments(&mut command, program, (first, folder)),
            Self::FluentBit => drop(command.arg("-c").arg(first)),
            Self::Vector => drop(command.arg("--config").arg(first)),
        }
        Ok(command)
    }
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}

/// `NAME=FILE` of the flag --with.
pub fn named(argument: &str) -> Result<(Agent, PathBuf)> {
    let Some((name, file)) = argument.split_once('=') else {
        bail!("--with takes NAME=FILE, not {argument:?}");
    };
    let agent = Agent::from_str(name, false).map_err(anyhow::Error::msg)?;
    Ok((agent, file.into()))
}

/// Where Debian puts libraries.
fn library_folders(root: &Path) -> [PathBuf; 2] {
    let triple = format!("{}-linux-gnu", std::env::consts::ARCH);
    ["usr/lib", "lib"].map(|folder| root.join(folder).join(&triple))
}

/// A path that a loader or a program takes several folders in.
fn joined(folders: &[PathBuf]) -> OsString {
    // Fails for a folder with a colon in its name only.
    std::env::join_paths(folders).unwrap_or_default()
}
