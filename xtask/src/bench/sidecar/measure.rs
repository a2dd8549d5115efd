//! One round of one agent in one row.

use std::io::Write;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use bench::lines::{self, Content};
use bench::receiver::Counts;

use super::figures::{CatchUp, Drain, Latency, Steady};
use super::row::Row;
use super::stage::{Contestant, Running, Stage, Written};
use crate::bench::figures::percentile;

/// After the last line, for positions to be stored. Every agent does that at least every half second.
const SETTLE: Duration = Duration::from_millis(500);
/// A writer that isn't noticed writes this often.
const TICK: Duration = Duration::from_millis(10);
/// Lines before the clock starts, so that an agent is seen to be at work.
const PRELUDE: u64 = 100;
const STEADY_PER_SECOND: u64 = 10_000;
const LATENCY_PER_SECOND: u64 = 1_000;
/// How many first lines after silence.
const SILENCES: u64 = 5;
/// For the end after SIGTERM. Kubernetes gives 30 s.
const END: Duration = Duration::from_secs(30);

/// How long things last.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// A steady stream.
    pub stream: Duration,
    /// Before a first line.
    pub silence: Duration,
}

/// A file that is there from the beginning.
pub fn catch_up(stage: &Stage, contestant: &Contestant, row: Row, written: &Written) -> Result<CatchUp> {
    let folder = stage.clear(Some(&written.path))?;
    let mut running = stage.start(contestant, row, (&folder, &row.round(written.records)))?;
    let counts = running.await_all()?;
    thread::sleep(SETTLE);
    Ok(CatchUp {
        bytes: written.bytes,
        cpu: running.process.cpu()?,
        wall: Duration::from_nanos(counts.last_at.saturating_sub(running.process.started_at)),
        peak: running.process.peak()?,
        wire_bytes: counts.wire_bytes,
        faults: running.faults(&running.counts()?),
    })
}

/// Lines while they are written.
pub fn steady(stage: &Stage, contestant: &Contestant, times: Times) -> Result<Steady> {
    let total = PRELUDE + STEADY_PER_SECOND * times.stream.as_secs();
    let mut running = begin_live(stage, contestant, (Row::Steady, total))?;
    let before = running.process.cpu()?;
    let began = Instant::now();
    write_steadily(&running, (PRELUDE, STEADY_PER_SECOND), times.stream, Content::Json)?;
    let counts = running.await_lines(total)?;
    thread::sleep(SETTLE);
    let cpu = running.process.cpu()?.saturating_sub(before);
    Ok(Steady {
        share: cpu.as_secs_f64() / began.elapsed().as_secs_f64(),
        memory: running.process.memory()?,
        faults: running.faults(&counts),
    })
}

/// How long lines take.
pub fn latency(stage: &Stage, contestant: &Contestant, times: Times) -> Result<Latency> {
    let stream = LATENCY_PER_SECOND * times.stream.as_secs();
    let total = PRELUDE + stream + SILENCES;
    let mut running = begin_live(stage, contestant, (Row::Latency, total))?;
    let mut log = running.log()?;
    let mut text = String::new();
    let began = Instant::now();
    for number in 0..stream {
        text.clear();
        lines::written_at(&mut text, PRELUDE + number, now());
        log.write_all(text.as_bytes())?;
        pause_until(
            began,
            Duration::from_secs(number + 1) / u32::try_from(LATENCY_PER_SECOND)?,
        );
    }
    running.await_lines(PRELUDE + stream)?;
    let latencies = running.latencies()?;
    let mut after_silence = Duration::ZERO;
    for number in 0..SILENCES {
        thread::sleep(times.silence);
        let written = now();
        text.clear();
        lines::written_at(&mut text, PRELUDE + stream + number, written);
        log.write_all(text.as_bytes())?;
        let counts = running.await_lines(PRELUDE + stream + number + 1)?;
        // The receiver's clock is this machine's.
        let arrived = counts.last_at.saturating_sub(written);
        after_silence = after_silence.max(Duration::from_nanos(arrived));
    }
    let percentile = |percent| {
        percentile(&latencies, percent)
            .map(Duration::from_nanos)
            .unwrap_or_default()
    };
    Ok(Latency {
        median: percentile(50),
        p99: percentile(99),
        after_silence,
        faults: running.faults(&running.counts()?),
    })
}

/// SIGTERM as soon as the first lines have arrived.
pub fn drain(stage: &Stage, contestant: &Contestant, written: &Written) -> Result<Drain> {
    let folder = stage.clear(Some(&written.path))?;
    let mut running = stage.start(contestant, Row::Drain, (&folder, &Row::Drain.round(written.records)))?;
    running.await_lines(1)?;
    running.process.terminate()?;
    let began = Instant::now();
    let status = running.process.wait(END)?;
    let took = began.elapsed();
    let counts = settled(&running)?;
    Ok(Drain {
        took,
        ended: status.is_some(),
        lines: written.records,
        faults: running.faults(&counts),
    })
}

/// What was sent may still be in the receiver's socket.
fn settled(running: &Running) -> Result<Counts> {
    let mut counts = running.counts()?;
    loop {
        thread::sleep(SETTLE);
        let again = running.counts()?;
        if again.lines == counts.lines {
            return Ok(again);
        }
        counts = again;
    }
}

/// An agent that has delivered the first lines of a live log.
fn begin_live(stage: &Stage, contestant: &Contestant, (row, total): (Row, u64)) -> Result<Running> {
    let folder = stage.clear(None)?;
    write_prelude(&folder.join("logs/app.log"))?;
    let mut running = stage.start(contestant, row, (&folder, &row.round(total)))?;
    let counts = running.await_lines(PRELUDE)?;
    anyhow::ensure!(
        counts.lines == PRELUDE,
        "{} of {PRELUDE} lines arrived at first",
        counts.lines
    );
    thread::sleep(SETTLE);
    Ok(running)
}

fn write_prelude(path: &Path) -> Result<()> {
    Ok(Content::Json.write_file(path, PRELUDE)?)
}

fn write_steadily(running: &Running, (first, per_second): (u64, u64), lasts: Duration, content: Content) -> Result<()> {
    let mut log = running.log()?;
    let per_tick = per_second * u64::try_from(TICK.as_millis())? / 1000;
    let ticks = u64::try_from(lasts.as_millis() / TICK.as_millis())?;
    let mut text = String::new();
    let began = Instant::now();
    for tick in 0..ticks {
        text.clear();
        let start = first + tick * per_tick;
        (start..start + per_tick).for_each(|number| content.write(&mut text, number));
        log.write_all(text.as_bytes())?;
        pause_until(began, TICK * u32::try_from(tick + 1)?);
    }
    Ok(())
}

/// Keeps a rhythm, whatever single pauses last.
fn pause_until(began: Instant, time: Duration) {
    thread::sleep(time.saturating_sub(began.elapsed()));
}

fn now() -> u64 {
    nanoseconds(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
