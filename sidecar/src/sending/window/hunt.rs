//! Looking for the record that a destination fails at.
//!
//! A failure of a server passes by itself, so a piece is sent again and again. But a record may be what the server fails
//! at: it crashes, or a proxy gives up waiting for it. When a piece has failed for [`PATIENCE`] in ways that its content
//! may be the cause of, it is halved, and the halves are *hunted*: each goes first in turn, and one that fails while the
//! other is accepted is halved further, down to a single record. That one is set aside and tried once in a while, so
//! that the others go on; it is named, and never given up but by `giveUpAfter`.
//!
//! Where nothing is accepted nothing is known, and no piece is halved twice.

use std::time::Duration;

use tokio::time::Instant;

/// So long a piece fails before its content is suspected; and so long a record that was found is left alone.
pub(super) const PATIENCE: Duration = Duration::from_secs(300);
/// And so often, for a single failure after a long pause says little.
const LEAST_FAILURES: u32 = 3;
/// The other half goes first after so many failures of the one.
const TURNS: u32 = 4;

/// What is known of a piece that fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Trouble {
    #[default]
    None,
    /// It fails like any other.
    Since { begin: Instant, failures: u32 },
    /// It was halved for failing too long.
    Hunted {
        failures: u32,
        /// How many requests had been accepted when it failed last, or was made.
        accepted: u64,
    },
    /// It is a single record, and the one.
    Found,
}

/// What to do with a piece that failed once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Again,
    /// After another one had its turn.
    AfterOthers,
    /// It has failed for so long that its content is suspected.
    Suspect,
    /// Others were accepted meanwhile: it holds the record, or is it.
    Narrow,
}

impl Trouble {
    pub(super) const fn hunted(accepted: u64) -> Self {
        Self::Hunted { failures: 0, accepted }
    }

    /// It failed in a way that its content may be the cause of; so many requests were accepted so far.
    pub(super) fn failed(&mut self, now: Instant, accepted_now: u64) -> Step {
        match self {
            Self::None => {
                *self = Self::Since {
                    begin: now,
                    failures: 1,
                };
                Step::Again
            }
            Self::Since { begin, failures } => {
                *failures += 1;
                if *failures >= LEAST_FAILURES && now.duration_since(*begin) >= PATIENCE {
                    Step::Suspect
                } else {
                    Step::Again
                }
            }
            Self::Found => Step::Narrow,
            Self::Hunted { failures, accepted } => {
                *failures += 1;
                let is_proven = accepted_now > *accepted;
                *accepted = accepted_now;
                match (is_proven, failures.is_multiple_of(TURNS)) {
                    (true, _) => Step::Narrow,
                    (false, true) => Step::AfterOthers,
                    (false, false) => Step::Again,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_ends_after_five_minutes_and_three_failures() {
        let start = Instant::now();
        let steps = |seconds: &[u64]| {
            let mut trouble = Trouble::default();
            let mut step = |second| trouble.failed(start + Duration::from_secs(second), 0);
            seconds.iter().map(|second| step(*second)).collect::<Vec<_>>()
        };
        assert_eq!(steps(&[0, 299, 300]), [Step::Again, Step::Again, Step::Suspect]);
        assert_eq!(steps(&[0, 900, 901]), [Step::Again, Step::Again, Step::Suspect]);
    }

    #[test]
    fn a_hunted_piece_is_proven_only_by_what_is_accepted_meanwhile() {
        let now = Instant::now();
        let mut alone = Trouble::hunted(7);
        let steps: Vec<_> = (0..5).map(|_| alone.failed(now, 7)).collect();
        assert_eq!(
            steps,
            [Step::Again, Step::Again, Step::Again, Step::AfterOthers, Step::Again]
        );
        assert_eq!(
            (alone.failed(now, 8), alone.failed(now, 8)),
            (Step::Narrow, Step::Again)
        );
    }
}
