//! Applications that write logs and rotate them, each in its own way.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::ground::Ground;
use crate::journal::{Destruction, GenerationId, Journal, LineId};
use crate::line::Line;
use crate::scenario::{Manner, Style, WriterPlan};

/// How many rotated files stay.
const KEPT: u32 = 3;
/// What a buffering application writes at once.
const BLOCK: usize = 4096;
/// Between the two halves of a line.
const HALFWAY: Duration = Duration::from_micros(300);

/// Starts a writer, which ends with `stop`.
pub(crate) fn start(
    (number, plan, seed): (usize, WriterPlan, u64),
    ground: &Ground,
    journal: &Arc<Journal>,
    stop: &Arc<AtomicBool>,
) -> JoinHandle<()> {
    let mut writer = Writer {
        number,
        plan,
        random: Rng::with_seed(seed ^ (number as u64 + 1) << 32),
        directory: ground.logs(),
        journal: Arc::clone(journal),
        generation: 0,
        late: None,
    };
    let stop = Arc::clone(stop);
    std::thread::spawn(move || writer.run(&stop))
}

struct Writer {
    number: usize,
    plan: WriterPlan,
    random: Rng,
    directory: PathBuf,
    journal: Arc<Journal>,
    generation: u32,
    /// A file that was rotated away and still gets lines, and how many more.
    late: Option<(Log, u32)>,
}

/// An open file, and what is to be written to it.
struct Log {
    file: File,
    generation: GenerationId,
    /// The next line's number.
    line: u32,
    /// Written with the next block.
    buffer: Vec<u8>,
}

impl Writer {
    fn run(&mut self, stop: &AtomicBool) {
        let mut log = self.open();
        let began = Instant::now();
        let mut rotated = began;
        let mut written = 0_u32;
        while !stop.load(Ordering::Relaxed) {
            if rotated.elapsed() >= self.plan.rotate_every {
                self.flush(&mut log);
                log = self.rotate(log);
                rotated = Instant::now();
            }
            self.write_line(&mut log);
            self.write_late();
            written += 1;
            let due = Duration::from_secs_f64(f64::from(written) / f64::from(self.plan.lines_per_second));
            let ahead = due.saturating_sub(began.elapsed());
            if ahead > Duration::from_millis(2) {
                std::thread::sleep(ahead);
            }
        }
        self.flush(&mut log);
        if let Some((mut late, _)) = self.late.take() {
            self.flush(&mut late);
        }
    }

    fn name(&self) -> String {
        let Self { number, generation, .. } = self;
        match self.plan.style {
            Style::Dated => format!("app{number}-{generation:05}.log"),
            Style::Directories => format!("{}/app.log", self.folder(*generation)),
            _ => format!("app{number}.log"),
        }
    }

    fn folder(&self, generation: u32) -> String {
        format!("app{}/day/{generation:05}", self.number)
    }

    /// The file of the present generation, for writing.
    fn open(&mut self) -> Log {
        self.begin();
        let path = self.directory.join(self.name());
        let file = match self.plan.style {
            Style::LinkFlip => self.flip(&path),
            Style::Hole => retry(|| OpenOptions::new().write(true).create(true).truncate(false).open(&path)),
            Style::Directories => {
                retry(|| fs::create_dir_all(path.parent().unwrap_or(&path)));
                append(&path)
            }
            _ => append(&path),
        };
        self.log(file)
    }

    fn log(&self, file: File) -> Log {
        Log {
            file,
            generation: self.id(self.generation),
            line: 0,
            buffer: Vec::new(),
        }
    }

    fn begin(&self) {
        self.journal.begin(self.id(self.generation));
    }

    fn flip(&self, path: &Path) -> File {
        let target = format!("data{}-{:05}.log.real", self.number, self.generation);
        let file = append(&self.directory.join(&target));
        let flip = self.directory.join(format!(".flip{}", self.number));
        retry(|| symlink(&target, &flip));
        retry(|| fs::rename(&flip, path));
        file
    }

    fn rotate(&mut self, log: Log) -> Log {
        let path = self.directory.join(self.name());
        let file = &log.file;
        match self.plan.style {
            Style::Plain => return log,
            Style::Rename => self.shift(&path),
            Style::LateWrites => {
                self.shift(&path);
                self.late = Some((log, self.random.u32(1..20)));
            }
            Style::CopyTruncate => {
                self.make_room();
                retry(|| fs::copy(&path, self.kept(1)));
                // The content lives on in the copy; it is destroyed with that.
                self.journal.copied(log.generation);
                retry(|| file.set_len(0));
            }
            Style::Delete => {
                self.destroying(self.generation, Destruction::Deleted);
                retry(|| fs::remove_file(&path));
            }
            Style::Directories => self.remove_old_directory(),
            Style::LinkFlip | Style::Dated => {}
            Style::Refill => {
                self.destroying(self.generation, Destruction::Truncated);
                retry(|| file.set_len(0));
            }
            Style::Hole => {
                self.destroying(self.generation, Destruction::Truncated);
                retry(|| file.set_len(0));
                self.generation += 1;
                self.begin();
                // Its place in the file stays where it was.
                return self.log(log.file);
            }
        }
        self.generation += 1;
        self.open()
    }

    /// `x.log` becomes `x.log.1`.
    fn shift(&self, path: &Path) {
        self.make_room();
        retry(|| fs::rename(path, self.kept(1)));
    }

    /// `x.log.1` becomes `x.log.2`, and so on; the oldest goes.
    fn make_room(&self) {
        if let Some(oldest) = self.generation.checked_sub(KEPT) {
            self.destroying(oldest, Destruction::Deleted);
            retry(|| fs::remove_file(self.kept(KEPT)));
        }
        for number in (1..KEPT).rev().filter(|number| *number <= self.generation) {
            retry(|| fs::rename(self.kept(number), self.kept(number + 1)));
        }
    }

    fn remove_old_directory(&self) {
        if let Some(oldest) = self.generation.checked_sub(KEPT) {
            self.destroying(oldest, Destruction::Deleted);
            retry(|| fs::remove_dir_all(self.directory.join(self.folder(oldest))));
        }
    }

    fn kept(&self, number: u32) -> PathBuf {
        self.directory.join(format!("{}.{number}", self.name()))
    }

    const fn id(&self, number: u32) -> GenerationId {
        GenerationId {
            writer: self.number,
            number,
        }
    }

    fn destroying(&self, generation: u32, how: Destruction) {
        self.journal.destroying(self.id(generation), how);
    }

    fn write_late(&mut self) {
        if let Some((mut log, more)) = self.late.take() {
            self.write_line(&mut log);
            if more > 0 {
                self.late = Some((log, more - 1));
            } else {
                self.flush(&mut log);
            }
        }
    }

    /// A line is in the journal before it is in the file.
    fn write_line(&mut self, log: &mut Log) {
        let line = Line {
            id: LineId {
                generation: log.generation,
                line: log.line,
            },
            alphabet: self.plan.alphabet,
            padding: self.random.usize(..self.plan.longest_line),
        };
        let bytes = line.bytes(self.plan.ending);
        self.journal.writes(log.generation, bytes.len() as u64);
        log.line += 1;
        log.buffer.extend_from_slice(&bytes);
        match self.plan.manner {
            Manner::Lines => self.flush(log),
            Manner::Halves => {
                write_all(&mut log.file, &log.buffer[..bytes.len() / 2]);
                std::thread::sleep(HALFWAY);
                log.buffer.drain(..bytes.len() / 2);
                self.flush(log);
            }
            Manner::Blocks if log.buffer.len() >= BLOCK => {
                write_all(&mut log.file, &log.buffer[..BLOCK]);
                log.buffer.drain(..BLOCK);
                self.journal.wrote(log.generation, usize::from(!log.buffer.is_empty()));
            }
            Manner::Blocks => {}
        }
    }

    fn flush(&self, log: &mut Log) {
        write_all(&mut log.file, &log.buffer);
        log.buffer.clear();
        self.journal.wrote(log.generation, 0);
    }
}

/// A full disk takes a part of a line, and the rest when there is room again.
fn write_all(file: &mut File, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

fn append(path: &Path) -> File {
    retry(|| OpenOptions::new().append(true).create(true).open(path))
}

/// A full disk is a state that passes.
fn retry<T>(mut attempt: impl FnMut() -> std::io::Result<T>) -> T {
    let began = Instant::now();
    loop {
        match attempt() {
            Ok(done) => return done,
            Err(error) => assert!(began.elapsed() < Duration::from_secs(20), "{error}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
