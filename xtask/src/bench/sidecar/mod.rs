//! `cargo xtask bench sidecar`: the sidecar and other agents on the same bytes, into the same receiver, in one run.
//!
//! Agents take turns, so that what else the machine does hits all of them; of several rounds the median is shown.

mod agent;
mod figures;
pub mod footprint;
mod measure;
mod row;
mod stage;
mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use cluster::progress::say;

use crate::{process, workspace};
use agent::{Agent, Program};
use figures::{CatchUp, Drain, Latency, Steady};
use measure::Times;
use row::{Measure, Row};
use stage::{Contestant, Stage};
use table::Outcome;

/// What is told after SIGTERM.
const BACKLOG: u64 = 105_000_000;

/// What to measure.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Rounds of each agent in each row; the median is shown
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// MB of log to catch up with
    #[arg(long, default_value_t = 800)]
    size: u64,
    /// Rows [default: all]
    #[arg(long, value_enum, value_delimiter = ',')]
    rows: Vec<Row>,
    /// Agents [default: all that can be had]
    #[arg(long, value_enum, value_delimiter = ',')]
    agents: Vec<Agent>,
    /// A sidecar's program to measure instead of this checkout's
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Where another agent's program is: vector=/opt/vector/bin/vector
    #[arg(long, value_name = "NAME=FILE", value_parser = agent::named)]
    with: Vec<(Agent, PathBuf)>,
    /// Seconds of a live stream
    #[arg(long, default_value_t = 10)]
    stream: u64,
    /// Seconds of silence before a first line
    #[arg(long, default_value_t = 5)]
    silence: u64,
    /// The receiver's program, when it is built already
    #[arg(long, value_name = "FILE")]
    receiver: Option<PathBuf>,
}

/// Measures row by row, and hands each table to `print` as soon as it is there.
pub fn run(arguments: &Arguments, mut print: impl FnMut(&str) -> Result<()>) -> Result<()> {
    let stage = Stage::set(receiver(arguments.receiver.as_deref())?)?;
    let programs = programs(arguments)?;
    let all: &[Row] = <Row as clap::ValueEnum>::value_variants();
    let rows = if arguments.rows.is_empty() {
        all
    } else {
        &arguments.rows
    };
    for row in rows {
        let contestants = contestants(*row, &programs);
        say(format_args!("{}", row.title()));
        print(&measure(&stage, *row, &contestants, arguments)?)?;
    }
    Ok(())
}

/// Builds it, unless there is one.
fn receiver(given: Option<&Path>) -> Result<PathBuf> {
    if let Some(program) = given {
        return Ok(program.to_owned());
    }
    process::run(workspace::cargo().args(["build", "--locked", "--release", "--package", "bench"]))?;
    Ok(workspace::target().join("release/bench"))
}

fn programs(arguments: &Arguments) -> Result<BTreeMap<Agent, Program>> {
    let all: &[Agent] = <Agent as clap::ValueEnum>::value_variants();
    let wanted = if arguments.agents.is_empty() {
        all
    } else {
        &arguments.agents
    };
    let named: BTreeMap<_, _> = arguments.with.iter().cloned().collect();
    let mut programs = BTreeMap::new();
    for agent in wanted {
        let given = match agent {
            Agent::Logshipping => arguments.program.as_ref(),
            other => named.get(other),
        };
        let program = match given {
            Some(path) => Some(Program::alone(path.clone())),
            None => agent
                .program()
                .with_context(|| format!("cannot get {}", agent.title()))?,
        };
        match program {
            Some(program) => drop(programs.insert(*agent, program)),
            None => say(format_args!("{} isn't on PATH and takes no part", agent.title())),
        }
    }
    Ok(programs)
}

fn contestants(row: Row, programs: &BTreeMap<Agent, Program>) -> Vec<Contestant> {
    let with_recipes = |(agent, program): (&Agent, &Program)| {
        let contestant = |recipe| Contestant {
            agent: *agent,
            program: program.clone(),
            recipe,
        };
        agent.recipes(row).into_iter().map(contestant).collect::<Vec<_>>()
    };
    programs.iter().flat_map(with_recipes).collect()
}

fn measure(stage: &Stage, row: Row, contestants: &[Contestant], arguments: &Arguments) -> Result<String> {
    let rounds = arguments.rounds.max(1);
    let times = Times {
        stream: Duration::from_secs(arguments.stream.max(1)),
        silence: Duration::from_secs(arguments.silence),
    };
    Ok(match row.measure() {
        Measure::CatchUp => {
            let written = stage.lines(row.content(), arguments.size * 1_000_000)?;
            let round = |contestant: &Contestant| measure::catch_up(stage, contestant, row, &written);
            table::catch_up(row, &turns(contestants, rounds, round, CatchUp::median))
        }
        Measure::Steady => {
            let round = |contestant: &Contestant| measure::steady(stage, contestant, times);
            table::steady(row, &turns(contestants, rounds, round, Steady::median))
        }
        Measure::Latency => {
            let round = |contestant: &Contestant| measure::latency(stage, contestant, times);
            table::latency(row, &turns(contestants, rounds, round, Latency::median))
        }
        Measure::Drain => {
            let written = stage.lines(row.content(), BACKLOG)?;
            let round = |contestant: &Contestant| measure::drain(stage, contestant, &written);
            table::drain(row, &turns(contestants, rounds, round, Drain::median))
        }
    })
}

/// Lets all have a turn, then all the next. Who fails in one takes no further part.
fn turns<T>(
    contestants: &[Contestant],
    rounds: usize,
    mut round: impl FnMut(&Contestant) -> Result<T>,
    median: impl Fn(&[T]) -> T,
) -> Vec<Outcome<T>> {
    let mut results: Vec<Result<Vec<T>, String>> = contestants.iter().map(|_| Ok(Vec::new())).collect();
    for _ in 0..rounds {
        for (contestant, result) in contestants.iter().zip(&mut results) {
            let Ok(figures) = result else { continue };
            match round(contestant) {
                Ok(figure) => figures.push(figure),
                Err(error) => {
                    say(format_args!("{}: {error:#}", contestant.title()));
                    *result = Err(format!("{error:#}"));
                }
            }
        }
    }
    let outcome = |(contestant, result): (&Contestant, Result<Vec<T>, String>)| {
        (
            contestant.agent,
            contestant.title(),
            result.map(|figures| median(&figures)),
        )
    };
    contestants.iter().zip(results).map(outcome).collect()
}
