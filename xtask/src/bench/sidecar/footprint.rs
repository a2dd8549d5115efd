//! `cargo xtask bench footprint`: what the sidecar takes of a pod beside its work.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bench::lines::Content;
use bench::receiver::{Counts, Receiver, Round};
use cluster::progress::say;

use super::agent::{Agent, Program, Recipe};
use super::row::Row;
use super::stage::{Contestant, Running, Stage};
use crate::bench::figures::percentile;
use crate::{process, workspace};

/// Files of which nothing comes any more.
const IDLE_FILES: u64 = 20_000;
const ACTIVE_FILES: u64 = 10;
/// How often the start is measured.
const STARTS: u64 = 5;
/// Of log, for a peak of memory under load.
const BUSY: u64 = 200_000_000;
/// Of descriptors, after which no more files are closed that nothing comes of.
const FEW: usize = 512;
/// For the first look at many files, on a busy machine, and for closing them.
const FIRST_LOOK: Duration = Duration::from_secs(90);
/// After which what is allocated at the start and at first use is there.
const WARM: Duration = Duration::from_secs(3);

/// What to measure.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// A sidecar's program to measure instead of this checkout's
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// The receiver's program, when it is built already
    #[arg(long, value_name = "FILE")]
    receiver: Option<PathBuf>,
    /// Seconds of doing nothing
    #[arg(long, default_value_t = 20)]
    idle: u64,
}

/// Measures all of it, and returns a table.
pub fn run(arguments: &Arguments) -> Result<String> {
    let program = match &arguments.program {
        Some(path) => Program::alone(path.clone()),
        None => Agent::Logshipping.program()?.context("the sidecar can be built")?,
    };
    let bench = super::receiver(arguments.receiver.as_deref())?;
    let mut table = Table::default();
    let size = fs::metadata(&program.path)?.len();
    table.row(
        "static program with TLS, MB",
        &format!("{:.2}", super::figures::megabytes(size)),
        "6.5",
    );
    table.row("crates in it", &crates()?.to_string(), "140");
    let bed = TestBed {
        stage: Stage::set(bench.clone())?,
        idle: Duration::from_secs(arguments.idle.max(1)),
        program,
    };
    let one = bed.one_file(&mut table)?;
    let three = bed.busy(&bed.stage, "three.yaml", 3)?;
    table.row(
        "peak RSS for each further destination, MiB",
        &mebibytes(three.saturating_sub(one) / 2),
        "6",
    );
    let folder = tempfile::tempdir()?;
    let authority = folder.path().join("ca.crt");
    let with_tls = Stage::with(bench.clone(), Receiver::start_with_tls(&bench, &authority)?)?;
    let tls = bed.busy_with_tls(&with_tls, &authority)?;
    table.row("peak RSS for TLS, MiB", &mebibytes(tls.saturating_sub(one)), "2");
    let started = bed.start(&mut table);
    table.or_why_not("the start", started);
    let many = bed.many_files(&mut table);
    table.or_why_not("many files", many);
    Ok(table.0)
}

struct TestBed {
    stage: Stage,
    idle: Duration,
    program: Program,
}

impl TestBed {
    /// One file, one destination without TLS. Returns the peak under load.
    fn one_file(&self, table: &mut Table) -> Result<u64> {
        say("one file, idle");
        let folder = self.stage.clear(None)?;
        Content::Json.write_file(&folder.join("logs/app.log"), 1)?;
        let mut running = self.begin(&self.stage, "raw-http.yaml", (&folder, 1))?;
        running.await_all()?;
        thread::sleep(WARM);
        let (before, began) = (running.process.cpu()?, Instant::now());
        thread::sleep(self.idle);
        let cpu = running.process.cpu()?.saturating_sub(before);
        let share = cpu.as_secs_f64() * 1000.0 / began.elapsed().as_secs_f64();
        table.row(
            "peak RSS with one idle file, MiB",
            &mebibytes(running.process.peak()?),
            "6",
        );
        table.row("processor time when idle, ms/s", &format!("{share:.2}"), "0.2");
        drop(running);
        let busy = self.busy(&self.stage, "raw-http.yaml", 1)?;
        table.row("peak RSS with one busy file, MiB", &mebibytes(busy), "16");
        Ok(busy)
    }

    /// The peak while a file is caught up with, by so many destinations.
    fn busy(&self, stage: &Stage, template: &'static str, destinations: u64) -> Result<u64> {
        say(format_args!("one file, busy, {template}"));
        let written = stage.lines(Content::Json, BUSY)?;
        let folder = stage.clear(Some(&written.path))?;
        let mut running = self.begin(stage, template, (&folder, written.records))?;
        Self::catch_up(&mut running, written.records * destinations)
    }

    fn busy_with_tls(&self, stage: &Stage, authority: &Path) -> Result<u64> {
        say("one file, busy, TLS");
        let written = stage.lines(Content::Json, BUSY)?;
        let folder = stage.clear(Some(&written.path))?;
        let trust = folder.join("refs/configmaps/trust");
        fs::create_dir_all(&trust)?;
        fs::copy(authority, trust.join("ca.crt"))?;
        let mut running = self.begin(stage, "tls.yaml", (&folder, written.records))?;
        Self::catch_up(&mut running, written.records)
    }

    /// Until each destination has all of it.
    fn catch_up(running: &mut Running, lines: u64) -> Result<u64> {
        running.await_all()?;
        let began = Instant::now();
        loop {
            let counts = running.counts()?;
            if counts.lines + counts.duplicates >= lines {
                return running.process.peak();
            }
            ensure!(
                began.elapsed() < Duration::from_secs(60),
                "only {counts:?} of {lines} arrived"
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The first look at so many files takes longer than any pause between two lines.
    fn patiently(running: &mut Running, lines: u64) -> Result<Counts> {
        let began = Instant::now();
        loop {
            let counts = running.await_lines(lines)?;
            if counts.lines >= lines || began.elapsed() > FIRST_LOOK {
                return Ok(counts);
            }
        }
    }

    /// From the process' start to the answer to its first line.
    fn start(&self, table: &mut Table) -> Result<()> {
        say("first line after the start");
        let mut times = Vec::new();
        for _ in 0..STARTS {
            let folder = self.stage.clear(None)?;
            Content::Json.write_file(&folder.join("logs/app.log"), 1)?;
            let mut running = self.begin(&self.stage, "raw-http.yaml", (&folder, 1))?;
            let counts = running.await_all()?;
            times.push(counts.first_at.saturating_sub(running.process.started_at));
        }
        times.sort_unstable();
        let median = percentile(&times, 50).map(Duration::from_nanos).unwrap_or_default();
        table.row(
            "first line shipped after the start, ms",
            &median.as_millis().to_string(),
            "50",
        );
        Ok(())
    }

    /// Many files, few of which grow: while those that were just delivered are closed, and when that is done.
    fn many_files(&self, table: &mut Table) -> Result<()> {
        say(format_args!("{IDLE_FILES} idle files"));
        let folder = self.stage.clear(None)?;
        let mut line = String::new();
        for number in 0..IDLE_FILES {
            line.clear();
            Content::Json.write(&mut line, number);
            fs::write(folder.join(format!("logs/{number}.log")), &line)?;
        }
        let lines = IDLE_FILES + 2 * ACTIVE_FILES * self.idle.as_secs();
        let mut running = self.begin(&self.stage, "raw-http.yaml", (&folder, lines))?;
        let counts = Self::patiently(&mut running, IDLE_FILES)?;
        ensure!(
            counts.lines == IDLE_FILES,
            "{} of {IDLE_FILES} first lines arrived",
            counts.lines
        );
        thread::sleep(WARM);
        let closing = self.some_grow(&running, &folder, IDLE_FILES)?;
        Self::await_closed(&running)?;
        let closed = self.some_grow(&running, &folder, IDLE_FILES + ACTIVE_FILES * self.idle.as_secs())?;
        let counts = running.await_lines(lines)?;
        ensure!(counts.lines == lines, "{} of {lines} lines arrived", counts.lines);
        let title = |what| format!("{what} with {IDLE_FILES} idle and {ACTIVE_FILES} active files");
        table.row(
            &format!("{}, MiB", title("peak RSS")),
            &mebibytes(running.process.peak()?),
            "40",
        );
        for (share, when) in [(closing, "just delivered"), (closed, "closed again")] {
            table.row(
                &format!("{}, {when}, % of a core", title("processor time")),
                &format!("{share:.2}"),
                "0.5",
            );
        }
        Ok(())
    }

    fn await_closed(running: &Running) -> Result<()> {
        let began = Instant::now();
        while running.process.descriptors()? > FEW {
            ensure!(began.elapsed() < FIRST_LOOK, "delivered files stay open");
            thread::sleep(Duration::from_secs(1));
        }
        Ok(())
    }

    /// A line a second for each active file, beginning with number `first`. Returns the percentage of a core that they cost.
    fn some_grow(&self, running: &Running, folder: &Path, first: u64) -> Result<f64> {
        let (before, began) = (running.process.cpu()?, Instant::now());
        let mut line = String::new();
        let mut numbers = first..;
        for second in 1..=self.idle.as_secs() {
            for (file, number) in (0..ACTIVE_FILES).zip(&mut numbers) {
                line.clear();
                Content::Json.write(&mut line, number);
                append(&folder.join(format!("logs/{file}.log")), &line)?;
            }
            thread::sleep(Duration::from_secs(second).saturating_sub(began.elapsed()));
        }
        let cpu = running.process.cpu()?.saturating_sub(before);
        Ok(cpu.as_secs_f64() * 100.0 / began.elapsed().as_secs_f64())
    }

    fn begin(&self, stage: &Stage, template: &'static str, (folder, lines): (&Path, u64)) -> Result<Running> {
        let contestant = Contestant {
            agent: Agent::Logshipping,
            program: self.program.clone(),
            recipe: Recipe::new("stock", &[template]),
        };
        let round = Round {
            lines,
            ..Round::default()
        };
        stage.start(&contestant, Row::RawHttp, (folder, &round))
    }
}

#[derive(Default)]
struct Table(String);

impl Table {
    fn row(&mut self, what: &str, measured: &str, goal: &str) {
        if self.0.is_empty() {
            self.0
                .push_str("\n| what | measured | goal: at most |\n|---|---|---|\n");
        }
        // Writing to a string can't fail.
        let _ = writeln!(self.0, "| {what} | {measured} | {goal} |");
    }

    /// What went wrong stands where the figures would.
    fn or_why_not(&mut self, what: &str, outcome: Result<()>) {
        if let Err(error) = outcome {
            self.row(what, &format!("not measured: {error:#}"), "");
        }
    }
}

fn append(path: &Path, text: &str) -> Result<()> {
    Ok(File::options().append(true).open(path)?.write_all(text.as_bytes())?)
}

/// Crates that the program for Linux is made of, ours included.
fn crates() -> Result<usize> {
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut cargo = workspace::cargo();
    cargo.args([
        "tree",
        "--locked",
        "--package",
        "sidecar",
        "--edges",
        "normal",
        "--prefix",
        "none",
    ]);
    cargo.args(["--target", &triple, "--format", "{p}"]);
    let tree = process::output(&mut cargo)?;
    let crates: BTreeSet<_> = tree.lines().filter_map(|line| line.split(" (").next()).collect();
    Ok(crates.len())
}

fn mebibytes(bytes: u64) -> String {
    let tenths = bytes.div_ceil((1 << 20) / 10);
    format!("{}.{}", tenths / 10, tenths % 10)
}
