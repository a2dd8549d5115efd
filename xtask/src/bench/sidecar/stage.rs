//! Where agents are run: a receiver, files of lines, and a fresh folder for every run.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bench::lines::Content;
use bench::process::Process;
use bench::receiver::{Counts, Receiver, Round};
use bench::template::{self, Places};
use tempfile::TempDir;

use super::agent::{Agent, Program, Recipe};
use super::figures::Faults;
use super::row::Row;
use crate::{process, workspace};

/// How often the receiver is asked.
const LOOK: Duration = Duration::from_millis(20);
/// Nothing new for so long: nothing more will come. Longer than any agent's pauses and retries.
const STALLED: Duration = Duration::from_secs(20);

/// An agent and how it is configured.
#[derive(Clone, Debug)]
pub struct Contestant {
    pub agent: Agent,
    pub program: Program,
    pub recipe: Recipe,
}

impl Contestant {
    pub fn title(&self) -> String {
        match (self.agent, self.recipe.variant) {
            (Agent::Logshipping, _) => self.agent.title().to_owned(),
            (agent, variant) => format!("{}, {variant}", agent.title()),
        }
    }
}

/// A file of lines.
#[derive(Clone, Debug)]
pub struct Written {
    pub path: PathBuf,
    pub records: u64,
    pub bytes: u64,
}

/// Everything that runs have in common.
#[derive(Debug)]
pub struct Stage {
    program: PathBuf,
    receiver: Arc<Receiver>,
    folder: TempDir,
}

/// An agent at work. It is killed when this is dropped.
#[derive(Debug)]
pub struct Running {
    pub process: Process,
    receiver: Arc<Receiver>,
    folder: PathBuf,
    expected: u64,
}

impl Stage {
    /// Starts the receiver.
    pub fn set(program: PathBuf) -> Result<Self> {
        let receiver = Receiver::start(&program)?;
        Self::with(program, receiver)
    }

    /// With a receiver that is there already.
    pub fn with(program: PathBuf, receiver: Receiver) -> Result<Self> {
        let folder = workspace::target().join("bench");
        fs::create_dir_all(&folder)?;
        Ok(Self {
            receiver: Arc::new(receiver),
            program,
            folder: tempfile::Builder::new().prefix("run-").tempdir_in(folder)?,
        })
    }

    /// A file of so many bytes, about; written once.
    pub fn lines(&self, content: Content, bytes: u64) -> Result<Written> {
        let records = content.records(bytes);
        let path = workspace::target().join(format!("bench/{}-{records}.log", content.name()));
        if !path.is_file() {
            let unfinished = self.folder.path().join("unfinished");
            let mut command = Command::new(&self.program);
            command
                .args(["write", content.name(), &records.to_string()])
                .arg(&unfinished);
            process::run(&mut command)?;
            fs::rename(unfinished, &path)?;
        }
        let bytes = path.metadata()?.len();
        Ok(Written { path, records, bytes })
    }

    /// A fresh folder, with what an agent is to find in it as `logs/app.log`.
    pub fn clear(&self, log: Option<&Path>) -> Result<PathBuf> {
        let run = self.folder.path().join("run");
        if run.exists() {
            fs::remove_dir_all(&run)?;
        }
        for name in ["logs", "state", "refs"] {
            fs::create_dir_all(run.join(name))?;
        }
        let place = run.join("logs/app.log");
        match log {
            Some(log) => fs::hard_link(log, &place)?,
            None => drop(File::create(&place)?),
        }
        Ok(run)
    }

    /// Starts an agent on what is in the folder, and a new count.
    pub fn start(&self, contestant: &Contestant, row: Row, (folder, round): (&Path, &Round)) -> Result<Running> {
        let (receiver, stdout) = if row == Row::RawStdout {
            let (receiver, pipe) = Receiver::start_with_pipe(&self.program)?;
            (Arc::new(receiver), Stdio::from(pipe))
        } else {
            (Arc::clone(&self.receiver), Stdio::null())
        };
        receiver.begin(round)?;
        let places = Places {
            folder,
            port: receiver.port(),
        };
        let Contestant { agent, program, recipe } = contestant;
        let configurations = recipe
            .templates
            .iter()
            .map(|name| template::render(&format!("{}/{name}", agent.name()), places))
            .collect::<Result<Vec<_>>>()?;
        let mut command = agent.command(program, &configurations, folder)?;
        command
            .envs(recipe.environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(File::create(folder.join("errors"))?);
        Ok(Running {
            process: Process::start(&mut command)?,
            receiver,
            folder: folder.to_owned(),
            expected: round.expected(),
        })
    }
}

impl Running {
    pub fn counts(&self) -> Result<Counts> {
        self.receiver.counts()
    }

    pub fn latencies(&self) -> Result<Vec<u64>> {
        self.receiver.latencies()
    }

    /// Waits until so many lines have arrived, or nothing more arrives.
    pub fn await_lines(&mut self, lines: u64) -> Result<Counts> {
        let (mut last, mut since) = (0, Instant::now());
        loop {
            let counts = self.counts()?;
            if counts.lines >= lines || since.elapsed() > STALLED {
                return Ok(counts);
            }
            if counts.lines > last {
                (last, since) = (counts.lines, Instant::now());
            }
            if let Err(error) = self.process.must_live() {
                bail!("{error}: {}", self.last_words());
            }
            thread::sleep(LOOK);
        }
    }

    /// Waits for all lines. An agent that delivers none of them isn't measured.
    pub fn await_all(&mut self) -> Result<Counts> {
        let counts = self.await_lines(self.expected)?;
        if counts.lines == 0 {
            bail!("nothing arrived: {}", self.last_words());
        }
        Ok(counts)
    }

    pub fn faults(&self, counts: &Counts) -> Faults {
        Faults {
            missing: self.expected - counts.lines.min(self.expected),
            duplicates: counts.duplicates,
            foreign: counts.foreign,
            leaks: counts.leaks,
        }
    }

    /// Appends to the log, as an application does.
    pub fn log(&self) -> Result<File> {
        let path = self.folder.join("logs/app.log");
        File::options()
            .append(true)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))
    }

    fn last_words(&self) -> String {
        let text = fs::read_to_string(self.folder.join("errors")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(5)..].join("\n")
    }
}
