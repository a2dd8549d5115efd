//! What happens, as it follows from a seed.

use std::fmt;
use std::time::Duration;

use fastrand::Rng;

/// One run.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub seed: u64,
    pub(crate) writers: Vec<WriterPlan>,
    /// In the order of their times.
    pub(crate) events: Vec<Timed>,
    pub(crate) disk: Disk,
    /// How long is written.
    pub(crate) length: Duration,
    pub(crate) limits: ProcessLimits,
    pub(crate) batch_bytes: u64,
}

/// One application and its log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WriterPlan {
    pub(crate) style: Style,
    pub(crate) lines_per_second: u32,
    pub(crate) longest_line: usize,
    pub(crate) rotate_every: Duration,
}

/// How a log is rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Not at all.
    Plain,
    /// `app.log` becomes `app.log.1`, and so on; a new file is made. Three old ones are kept.
    Rename,
    /// As before, but the application goes on writing to the old file for a while.
    LateWrites,
    /// The file is copied to `app.log.1`, then truncated.
    CopyTruncate,
    /// The file is deleted, a new one of its name is made: it may get the same inode.
    Delete,
    /// `app.log` is a link to a dated file, and flips.
    LinkFlip,
    /// Each file has a name of its own.
    Dated,
    /// The file is truncated and filled again.
    Refill,
    /// As before, by an application that doesn't append: a hole is left before its next line.
    Hole,
}

const STYLES: [Style; 9] = [
    Style::Plain,
    Style::Rename,
    Style::LateWrites,
    Style::CopyTruncate,
    Style::Delete,
    Style::LinkFlip,
    Style::Dated,
    Style::Refill,
    Style::Hole,
];

#[derive(Clone, Debug)]
pub(crate) struct Timed {
    pub(crate) at: Duration,
    pub(crate) event: Event,
}

#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// SIGKILL, and a new process.
    Kill,
    /// SIGTERM, and a new process once it has ended.
    Terminate,
    /// SIGSTOP, then SIGCONT.
    Stop(Duration),
    Fault(Fault, Duration),
    FillDisk(Duration),
    /// Things beside the logs that can't be read, or mustn't be.
    PlantSiblings,
}

/// What the destination does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nobody listens.
    Refuse,
    /// The connection is reset in the middle of the body.
    ResetInBody,
    /// The request is read and never answered.
    Hang,
    /// The answer comes one byte a second.
    OneByteASecond,
    /// 429 with Retry-After.
    TooManyRequests,
    /// 503.
    ServerError,
    /// 400 without a word, as a proxy that is being set up gives it.
    BadRequest,
    /// The records are stored, but the connection ends before the answer.
    AnswerLost,
}

const FAULTS: [Fault; 8] = [
    Fault::Refuse,
    Fault::ResetInBody,
    Fault::Hang,
    Fault::OneByteASecond,
    Fault::TooManyRequests,
    Fault::ServerError,
    Fault::BadRequest,
    Fault::AnswerLost,
];

/// Where the logs and the positions are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disk {
    /// The machine's temporary directory.
    Temporary,
    /// A small ext4, which uses an inode again at once and can be filled.
    Small,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProcessLimits {
    None,
    /// So few descriptors that not all files can be open at once.
    FewDescriptors,
}

impl Scenario {
    /// The scenario of a seed; the same one each time.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let random = &mut random;
        let length = Duration::from_millis(random.u64(4_000..7_000));
        // A small disk isn't there for everybody: only root may mount one.
        let disk = if random.u8(0..3) == 0 {
            Disk::Small
        } else {
            Disk::Temporary
        };
        let writers = (0..random.usize(1..4)).map(|_| writer(random)).collect();
        let mut events: Vec<Timed> = (0..random.usize(2..6)).map(|_| timed(random, length, disk)).collect();
        events.sort_by_key(|timed| timed.at);
        Self {
            seed,
            writers,
            events,
            disk,
            length,
            limits: match random.u8(0..4) {
                0 => ProcessLimits::FewDescriptors,
                _ => ProcessLimits::None,
            },
            batch_bytes: 1 << random.u32(15..20),
        }
    }
}

fn writer(random: &mut Rng) -> WriterPlan {
    WriterPlan {
        style: STYLES[random.usize(..STYLES.len())],
        lines_per_second: random.u32(50..3_000),
        longest_line: random.usize(40..600),
        rotate_every: Duration::from_millis(random.u64(300..2_000)),
    }
}

fn timed(random: &mut Rng, length: Duration, disk: Disk) -> Timed {
    let most = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    let time = Duration::from_millis(random.u64(200..2_500));
    let event = match random.u8(0..12) {
        0..=2 => Event::Kill,
        3 => Event::Terminate,
        4 => Event::Stop(time),
        5 => Event::PlantSiblings,
        6 if disk == Disk::Small => Event::FillDisk(time),
        _ => Event::Fault(FAULTS[random.usize(..FAULTS.len())], time),
    };
    Timed {
        at: Duration::from_millis(random.u64(300..most)),
        event,
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}:", self.seed)?;
        for writer in &self.writers {
            write!(f, " {:?}", writer.style)?;
        }
        write!(f, " on {:?}, limits {:?},", self.disk, self.limits)?;
        for timed in &self.events {
            write!(f, " {:.1}s {:?}", timed.at.as_secs_f64(), timed.event)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_gives_the_same_scenario() {
        assert_eq!(Scenario::of(7).to_string(), Scenario::of(7).to_string());
        assert_ne!(Scenario::of(7).to_string(), Scenario::of(8).to_string());
    }

    #[test]
    fn a_few_seeds_hold_every_style_and_every_fault() {
        let all: String = (1..=60).map(|seed| Scenario::of(seed).to_string()).collect();
        let names = STYLES.map(|style| format!("{style:?}")).into_iter();
        let faults = FAULTS.map(|fault| format!("{fault:?}"));
        let events = ["Kill", "Terminate", "Stop", "FillDisk", "PlantSiblings", "Small"].map(str::to_owned);
        for name in names.chain(faults).chain(events) {
            assert!(all.contains(&name), "{name} is in none");
        }
    }
}
