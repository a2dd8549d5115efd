//! What was measured of an agent, and how several rounds become one.

use std::time::Duration;

use crate::bench::figures::percentile;

/// Until all of a file had arrived, or nothing more arrived.
#[derive(Clone, Copy, Debug, Default)]
pub struct CatchUp {
    /// Of the file.
    pub bytes: u64,
    pub cpu: Duration,
    pub wall: Duration,
    /// Most memory, in bytes.
    pub peak: u64,
    pub wire_bytes: u64,
    pub faults: Faults,
}

/// What should not be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    pub missing: u64,
    pub duplicates: u64,
    pub foreign: u64,
    pub leaks: u64,
}

/// A steady stream of lines.
#[derive(Clone, Copy, Debug, Default)]
pub struct Steady {
    /// Of one core.
    pub share: f64,
    pub memory: u64,
    pub faults: Faults,
}

/// From written to acknowledged.
#[derive(Clone, Copy, Debug, Default)]
pub struct Latency {
    pub median: Duration,
    pub p99: Duration,
    /// The slowest of the first lines after silence.
    pub after_silence: Duration,
    pub faults: Faults,
}

/// SIGTERM with a backlog.
#[derive(Clone, Copy, Debug, Default)]
pub struct Drain {
    pub took: Duration,
    pub ended: bool,
    pub lines: u64,
    pub faults: Faults,
}

impl CatchUp {
    /// MB of log per second of processor time.
    pub fn per_cpu(&self) -> f64 {
        megabytes(self.bytes) / self.cpu.as_secs_f64().max(0.01)
    }

    /// MB of log per second.
    pub fn per_second(&self) -> f64 {
        megabytes(self.bytes) / self.wall.as_secs_f64().max(0.001)
    }

    /// The median of each figure, and the worst of each fault.
    pub fn median(rounds: &[Self]) -> Self {
        Self {
            bytes: median(rounds, |round| round.bytes),
            cpu: median(rounds, |round| round.cpu),
            wall: median(rounds, |round| round.wall),
            peak: median(rounds, |round| round.peak),
            wire_bytes: median(rounds, |round| round.wire_bytes),
            faults: Faults::worst(rounds.iter().map(|round| round.faults)),
        }
    }
}

impl Steady {
    pub fn median(rounds: &[Self]) -> Self {
        // A share is finite; nanoseconds in a second are easier to sort.
        let share = median(rounds, |round| Duration::from_secs_f64(round.share.max(0.0)));
        Self {
            share: share.as_secs_f64(),
            memory: median(rounds, |round| round.memory),
            faults: Faults::worst(rounds.iter().map(|round| round.faults)),
        }
    }
}

impl Latency {
    pub fn median(rounds: &[Self]) -> Self {
        Self {
            median: median(rounds, |round| round.median),
            p99: median(rounds, |round| round.p99),
            after_silence: median(rounds, |round| round.after_silence),
            faults: Faults::worst(rounds.iter().map(|round| round.faults)),
        }
    }
}

impl Drain {
    pub fn median(rounds: &[Self]) -> Self {
        Self {
            took: median(rounds, |round| round.took),
            ended: rounds.iter().all(|round| round.ended),
            lines: median(rounds, |round| round.lines),
            faults: Faults::worst(rounds.iter().map(|round| round.faults)),
        }
    }
}

impl Faults {
    fn worst(rounds: impl Iterator<Item = Self>) -> Self {
        rounds.fold(Self::default(), |worst, round| Self {
            missing: worst.missing.max(round.missing),
            duplicates: worst.duplicates.max(round.duplicates),
            foreign: worst.foreign.max(round.foreign),
            leaks: worst.leaks.max(round.leaks),
        })
    }
}

/// Millions of bytes.
#[expect(clippy::cast_precision_loss, reason = "figures for people have three digits")]
pub fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn median<T, V: Copy + Ord + Default>(rounds: &[T], figure: impl Fn(&T) -> V) -> V {
    let mut values: Vec<V> = rounds.iter().map(figure).collect();
    values.sort_unstable();
    percentile(&values, 50).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_become_their_median_and_their_worst_faults() {
        let round = |cpu, missing| CatchUp {
            bytes: 100_000_000,
            cpu: Duration::from_millis(cpu),
            faults: Faults {
                missing,
                ..Faults::default()
            },
            ..CatchUp::default()
        };
        let figures = CatchUp::median(&[round(900, 0), round(500, 3), round(400, 1)]);
        assert_eq!(figures.cpu, Duration::from_millis(500));
        assert_eq!(figures.faults.missing, 3);
        assert!((figures.per_cpu() - 200.0).abs() < 1e-9);
    }
}
