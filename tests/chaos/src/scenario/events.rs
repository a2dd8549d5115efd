//! What is done to the sidecar, to its destinations and around it.

use std::fmt;
use std::time::Duration;

use fastrand::Rng;

use super::Disk;

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
    /// Of one destination.
    Fault(Fault, usize, Duration),
    FillDisk(Duration),
    /// Things beside the logs that can't be read, or mustn't be.
    PlantSiblings,
    /// So often, in quick succession.
    Reload(Reload, u32),
}

/// What a destination does wrong.
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

impl Fault {
    pub(crate) const ALL: [Self; 8] = [
        Self::Refuse,
        Self::ResetInBody,
        Self::Hang,
        Self::OneByteASecond,
        Self::TooManyRequests,
        Self::ServerError,
        Self::BadRequest,
        Self::AnswerLost,
    ];
}

/// What a new configuration changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reload {
    /// Other things than the destinations: no line may come twice.
    Elsewhere,
    /// Nothing, since it is refused.
    Refused,
    /// The destinations' addresses.
    Address,
}

impl Reload {
    pub(crate) const ALL: [Self; 3] = [Self::Elsewhere, Self::Refused, Self::Address];
}

impl Timed {
    pub(super) fn of(random: &mut Rng, (length, disk, destinations): (Duration, Disk, usize)) -> Self {
        let most = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
        let time = Duration::from_millis(random.u64(200..2_500));
        let event = match random.u8(0..16) {
            0..=3 => Event::Kill,
            4 => Event::Terminate,
            5 => Event::Stop(time),
            6 => Event::PlantSiblings,
            7 if disk == Disk::Small => Event::FillDisk(time),
            8 | 9 => Event::Reload(Reload::ALL[random.usize(..3)], random.u32(1..12)),
            _ => Event::Fault(
                Fault::ALL[random.usize(..Fault::ALL.len())],
                random.usize(..destinations),
                time,
            ),
        };
        Self {
            at: Duration::from_millis(random.u64(300..most)),
            event,
        }
    }
}

impl Event {
    /// Its kind in a word.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Kill => "Kill".to_owned(),
            Self::Terminate => "Terminate".to_owned(),
            Self::Stop(_) => "Stop".to_owned(),
            Self::Fault(fault, ..) => format!("{fault:?}"),
            Self::FillDisk(_) => "FillDisk".to_owned(),
            Self::PlantSiblings => "PlantSiblings".to_owned(),
            Self::Reload(reload, _) => format!("Reload{reload:?}"),
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name())?;
        match self {
            Self::Stop(time) | Self::FillDisk(time) => write!(f, " for {:.1}s", time.as_secs_f64()),
            Self::Fault(_, destination, time) => write!(f, " of {destination} for {:.1}s", time.as_secs_f64()),
            Self::Reload(_, times) => write!(f, " {times} times"),
            Self::Kill | Self::Terminate | Self::PlantSiblings => Ok(()),
        }
    }
}
