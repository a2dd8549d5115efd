//! What happens, as it follows from a seed.

mod events;
mod writing;

use std::fmt;
use std::time::Duration;

use fastrand::Rng;

pub(crate) use events::{Event, Fault, Reload, Timed};
pub(crate) use writing::{Alphabet, Ending, Manner, Style, WriterPlan};

/// One run.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub seed: u64,
    pub(crate) writers: Vec<WriterPlan>,
    pub(crate) destinations: Vec<DestinationPlan>,
    /// In the order of their times.
    pub(crate) events: Vec<Timed>,
    pub(crate) disk: Disk,
    /// How long is written.
    pub(crate) length: Duration,
    pub(crate) limits: ProcessLimits,
}

/// Where the lines go. Each destination has a server of its own, with faults of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DestinationPlan {
    pub(crate) kind: Kind,
    /// `batch.maxBytes`.
    pub(crate) batch_bytes: u64,
    /// `batch.inFlight`.
    pub(crate) in_flight: u64,
}

/// What a destination speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// JSON lines.
    Http,
    Loki,
}

/// Where the logs and the positions are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disk {
    /// The machine's temporary directory.
    Temporary,
    /// A small ext4, which uses an inode again at once and can be filled.
    Small,
}

/// What the system denies the sidecar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProcessLimits {
    None,
    /// So few descriptors that not all files can be open at once.
    FewDescriptors,
    /// No inotify instance: other processes of its user have them all.
    NoInotify,
    /// So few watches that not all directories can be watched.
    FewWatches,
}

impl ProcessLimits {
    /// Whether files have to be polled.
    pub(crate) const fn forbid_events(self) -> bool {
        matches!(self, Self::NoInotify | Self::FewWatches)
    }
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
        let writers = (0..random.usize(1..4)).map(|_| WriterPlan::of(random)).collect();
        let destinations: Vec<_> = (0..=usize::from(random.u8(0..5) < 2))
            .map(|_| DestinationPlan::of(random))
            .collect();
        let mut events: Vec<Timed> = (0..random.usize(2..6))
            .map(|_| Timed::of(random, (length, disk, destinations.len())))
            .collect();
        events.sort_by_key(|timed| timed.at);
        Self {
            seed,
            writers,
            destinations,
            events,
            disk,
            length,
            limits: match random.u8(0..8) {
                0 | 1 => ProcessLimits::FewDescriptors,
                2 => ProcessLimits::NoInotify,
                3 => ProcessLimits::FewWatches,
                _ => ProcessLimits::None,
            },
        }
    }

    /// What is done to the sidecar and around it, in words that can be counted.
    pub fn disturbances(&self) -> impl Iterator<Item = String> {
        let limits = (self.limits != ProcessLimits::None).then(|| format!("{:?}", self.limits));
        let disk = (self.disk == Disk::Small).then(|| "small disk".to_owned());
        let events = self.events.iter().map(|timed| timed.event.name());
        events.chain(limits).chain(disk)
    }
}

impl DestinationPlan {
    fn of(random: &mut Rng) -> Self {
        let kind = if random.u8(0..3) == 0 { Kind::Loki } else { Kind::Http };
        Self {
            kind,
            batch_bytes: 1 << random.u32(15..20),
            in_flight: match (kind, random.u8(0..3)) {
                (Kind::Http, 0) | (Kind::Loki, 1 | 2) => random.u64(2..5),
                _ => 1,
            },
        }
    }

    /// The most bytes that are sent and not settled.
    pub(crate) const fn window(&self) -> u64 {
        self.in_flight * self.batch_bytes
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}:", self.seed)?;
        for writer in &self.writers {
            write!(f, " {writer}")?;
        }
        write!(f, " to")?;
        for DestinationPlan {
            kind,
            batch_bytes,
            in_flight,
        } in &self.destinations
        {
            write!(f, " {kind:?} {in_flight}x{}Ki", batch_bytes >> 10)?;
        }
        write!(f, " on {:?}, limits {:?},", self.disk, self.limits)?;
        for timed in &self.events {
            write!(f, " {:.1}s {}", timed.at.as_secs_f64(), timed.event)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Campaign;

    #[test]
    fn a_seed_always_gives_the_same_scenario() {
        assert_eq!(Scenario::of(7).to_string(), Scenario::of(7).to_string());
        assert_ne!(Scenario::of(7).to_string(), Scenario::of(8).to_string());
    }

    /// What no scenario of `seeds` has.
    fn absent(mut seeds: impl Iterator<Item = u64> + Clone) -> Vec<String> {
        let all: String = seeds.by_ref().map(|seed| Scenario::of(seed).to_string()).collect();
        let styles = Style::ALL.map(|style| format!("{style:?}"));
        let faults = Fault::ALL.map(|fault| format!("{fault:?}"));
        let reloads = Reload::ALL.map(|reload| format!("Reload{reload:?}"));
        let others = "Kill Terminate Stop FillDisk PlantSiblings Small FewDescriptors NoInotify FewWatches Http Loki \
                      Halves Blocks Wide Raw Crlf";
        let others = others.split(' ').map(str::to_owned);
        let names = styles.into_iter().chain(faults).chain(reloads).chain(others);
        names.filter(|name| !all.contains(name)).collect()
    }

    #[test]
    fn the_fixed_seeds_hold_everything_there_is() {
        let seeds = |from| from..from + Campaign::fixed().seeds;
        let from = Campaign::fixed().from;
        let other = || (1..100_000).find(|from| absent(seeds(*from)).is_empty());
        let absent = absent(seeds(from));
        assert!(
            absent.is_empty(),
            "{absent:?} is in none; all are in those from {:?} on",
            other()
        );
    }
}
