//! What agents are measured at.

use bench::lines::{Content, DEBUG_EVERY, SECRETS};
use bench::receiver::Round;
use clap::ValueEnum;

/// One line of the results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Row {
    /// Lines as they are, to Loki
    RawLoki,
    /// Lines as they are, as JSON lines, uncompressed
    RawHttp,
    /// The same with zstd
    RawHttpZstd,
    /// As raw-loki, with the seven resource attributes of a pod
    AttributesLoki,
    /// As raw-http, with the seven resource attributes of a pod
    AttributesHttp,
    /// JSON parsed, filtered by level, with its own timestamp and two labels, to Loki
    JsonLoki,
    /// Three groups of a regular expression and three redactions
    RegexHttp,
    /// Java stack traces put together
    JavaHttp,
    /// Lines as they are, into a pipe
    RawStdout,
    /// 10,000 lines a second while they are written
    Steady,
    /// From written to acknowledged, at 1,000 lines a second and after silence
    Latency,
    /// SIGTERM with 100 MB still to be sent
    Drain,
}

/// How a row is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// A file that is there when the agent starts, until all of it has arrived.
    CatchUp,
    Steady,
    Latency,
    Drain,
}

impl Row {
    pub const fn measure(self) -> Measure {
        match self {
            Self::Steady => Measure::Steady,
            Self::Latency => Measure::Latency,
            Self::Drain => Measure::Drain,
            _ => Measure::CatchUp,
        }
    }

    /// As in the results.
    pub const fn title(self) -> &'static str {
        match self {
            Self::RawLoki => "raw to Loki",
            Self::RawHttp => "raw to HTTP, uncompressed",
            Self::RawHttpZstd => "raw to HTTP, zstd",
            Self::AttributesLoki => "raw to Loki, seven resource attributes",
            Self::AttributesHttp => "raw to HTTP, seven resource attributes",
            Self::JsonLoki => "JSON parsed, filtered by level, timestamp, two labels, to Loki",
            Self::RegexHttp => "regex with three groups, three redactions, to HTTP",
            Self::JavaHttp => "Java stack traces, to HTTP",
            Self::RawStdout => "raw to a drained pipe",
            Self::Steady => "10,000 lines/s live, to HTTP",
            Self::Latency => "written to acknowledged, to HTTP",
            Self::Drain => "SIGTERM with a backlog of 100 MB, to HTTP",
        }
    }

    /// In MB of log per second of processor time.
    pub const fn target(self) -> Option<u32> {
        match self {
            Self::RawLoki | Self::RawHttpZstd => Some(300),
            Self::RawHttp => Some(320),
            Self::JsonLoki | Self::JavaHttp => Some(150),
            Self::RegexHttp => Some(80),
            Self::RawStdout => Some(500),
            _ => None,
        }
    }

    pub const fn content(self) -> Content {
        match self {
            Self::RegexHttp => Content::Access,
            Self::JavaHttp => Content::Traces,
            _ => Content::Json,
        }
    }

    /// The row whose configuration is used.
    pub const fn configuration(self) -> Self {
        match self {
            Self::Steady | Self::Latency | Self::Drain => Self::RawHttp,
            other => other,
        }
    }

    /// What must arrive of so many records.
    pub fn round(self, records: u64) -> Round {
        let secrets = match self {
            Self::RegexHttp => SECRETS.map(str::to_owned).to_vec(),
            _ => Vec::new(),
        };
        Round {
            lines: records,
            absent: (self == Self::JsonLoki).then_some(DEBUG_EVERY),
            whole: self == Self::JavaHttp,
            timed: self == Self::Latency,
            secrets,
        }
    }
}
