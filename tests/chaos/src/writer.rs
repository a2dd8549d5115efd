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
use crate::journal::{Destruction, Journal};
use crate::scenario::{Style, WriterPlan};

/// How many rotated files stay.
const KEPT: u32 = 3;

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
        line: 0,
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
    /// The next line's number in its generation.
    line: u32,
    /// A file that was rotated away and still gets lines: file, generation, next line, how many more.
    late: Option<(File, u32, u32, u32)>,
}

impl Writer {
    fn run(&mut self, stop: &AtomicBool) {
        let mut file = self.open();
        let began = Instant::now();
        let mut rotated = began;
        let mut written = 0_u32;
        while !stop.load(Ordering::Relaxed) {
            if rotated.elapsed() >= self.plan.rotate_every {
                file = self.rotate(file);
                rotated = Instant::now();
            }
            self.write_line(&mut file);
            self.write_late();
            written += 1;
            let due = Duration::from_secs_f64(f64::from(written) / f64::from(self.plan.lines_per_second));
            let ahead = due.saturating_sub(began.elapsed());
            if ahead > Duration::from_millis(2) {
                std::thread::sleep(ahead);
            }
        }
    }

    fn name(&self) -> String {
        match self.plan.style {
            Style::Dated => format!("app{}-{:05}.log", self.number, self.generation),
            _ => format!("app{}.log", self.number),
        }
    }

    /// The file of the present generation, for writing.
    fn open(&mut self) -> File {
        self.line = 0;
        self.journal.begin((self.number, self.generation));
        let path = self.directory.join(self.name());
        if self.plan.style == Style::LinkFlip {
            let target = format!("data{}-{:05}.log.real", self.number, self.generation);
            let file = append(&self.directory.join(&target));
            let flip = self.directory.join(format!(".flip{}", self.number));
            retry(|| symlink(&target, &flip));
            retry(|| fs::rename(&flip, &path));
            return file;
        }
        if self.plan.style == Style::Hole {
            return retry(|| OpenOptions::new().write(true).create(true).truncate(false).open(&path));
        }
        append(&path)
    }

    fn rotate(&mut self, file: File) -> File {
        let path = self.directory.join(self.name());
        match self.plan.style {
            Style::Plain => return file,
            Style::Rename => self.shift(&path),
            Style::LateWrites => {
                self.shift(&path);
                let more = self.random.u32(1..20);
                self.late = Some((file, self.generation, self.line, more));
            }
            Style::CopyTruncate => {
                self.make_room();
                retry(|| fs::copy(&path, self.kept(1)));
                // The content lives on in the copy; it is destroyed with that.
                retry(|| file.set_len(0));
            }
            Style::Delete => {
                self.destroying(self.generation, Destruction::Deleted);
                retry(|| fs::remove_file(&path));
            }
            Style::LinkFlip | Style::Dated => {}
            Style::Refill => {
                self.destroying(self.generation, Destruction::Truncated);
                retry(|| file.set_len(0));
            }
            Style::Hole => {
                self.destroying(self.generation, Destruction::Truncated);
                retry(|| file.set_len(0));
                self.generation += 1;
                self.line = 0;
                self.journal.begin((self.number, self.generation));
                // Its place in the file stays where it was.
                return file;
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

    fn kept(&self, number: u32) -> PathBuf {
        self.directory.join(format!("{}.{number}", self.name()))
    }

    fn destroying(&self, generation: u32, how: Destruction) {
        self.journal.destroying((self.number, generation), how);
    }

    fn write_line(&mut self, file: &mut File) {
        let (generation, line) = (self.generation, self.line);
        self.write_to(file, generation, line);
        self.line += 1;
    }

    fn write_late(&mut self) {
        if let Some((mut file, generation, line, more)) = self.late.take() {
            self.write_to(&mut file, generation, line);
            if more > 0 {
                self.late = Some((file, generation, line + 1, more - 1));
            }
        }
    }

    /// A line is in the journal before it is in the file.
    fn write_to(&mut self, file: &mut File, generation: u32, line: u32) {
        let padding = self.random.usize(..self.plan.longest_line);
        let text = format!("w{} {generation} {line} {}\n", self.number, "x".repeat(padding));
        self.journal.wrote((self.number, generation));
        let mut rest = text.as_bytes();
        // A full disk takes a part of a line, and the rest when there is room again.
        while !rest.is_empty() {
            match file.write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
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
