//! The operator's process: command line, log lines, signals. Everything else is in the library.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::{CommandFactory, FromArgMatches};
use operator::uninstall::{self, uninstall};
use operator::{Settings, client, run};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// What the process is asked to do.
enum Task {
    Operate(Settings),
    Uninstall(uninstall::Settings),
}

impl Task {
    /// Without a subcommand it operates.
    fn parse() -> Result<Self, clap::Error> {
        let command = Settings::command()
            .subcommand(uninstall::Settings::command())
            .subcommand_negates_reqs(true);
        let matches = command.try_get_matches()?;
        match matches.subcommand() {
            Some((_, matches)) => uninstall::Settings::from_arg_matches(matches).map(Self::Uninstall),
            None => Settings::from_arg_matches(&matches).map(Self::Operate),
        }
    }

    fn log_level(&self) -> &str {
        match self {
            Self::Operate(settings) => &settings.log_level,
            Self::Uninstall(settings) => &settings.log_level,
        }
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let task = Task::parse().unwrap_or_else(|error| error.exit());
    let filter = EnvFilter::try_new(task.log_level()).context("--log-level")?;
    tracing_subscriber::fmt()
        .json()
        .with_writer(std::io::stderr)
        .with_env_filter(filter)
        .init();
    match task {
        Task::Operate(settings) => operate(settings).await,
        Task::Uninstall(settings) => leave(settings).await,
    }
}

async fn operate(settings: Settings) -> anyhow::Result<ExitCode> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let shutdown = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("ending");
    };
    let client = client::connect(settings.reach.kubeconfig.as_deref()).await?;
    run(settings, client, shutdown).await?;
    Ok(ExitCode::SUCCESS)
}

/// What became of it is the result of this program, so it goes to standard output. A signal ends it at once: what is
/// reverted stays so.
async fn leave(settings: uninstall::Settings) -> anyhow::Result<ExitCode> {
    let client = client::connect(settings.reach.kubeconfig.as_deref()).await?;
    let outcome = uninstall(settings, client).await?;
    write!(std::io::stdout(), "{outcome}")?;
    Ok(if outcome.is_complete() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
