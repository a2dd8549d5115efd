//! What is remembered of a sidecar: what the status is made of, nothing that ticks.
//!
//! Counters move all the time and are left out, so that an unchanged sidecar gives an equal value and wakes nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use pipeline::report::{
    DestinationReport, DestinationState, FailureReason, PipelineReport, Rejected, Report, Unreadable,
};

use super::PollError;
use crate::words::visible;

/// Strings of sidecars are cut to this many characters.
const MAX_TEXT: usize = 256;
/// Questions without an answer before a sidecar counts as unreachable: one lost packet is no news.
const SILENT_AFTER: u32 = 3;
/// A kubelet refreshes the file within 90 s, also without a nudge.
const OVERDUE: Duration = Duration::from_secs(120);
/// For how long a loss is reported.
const RECENT: Duration = Duration::from_secs(300);
/// Bounds of what is kept of one answer; a LogShipping has at most 8 destinations. An answer of the size that is read has
/// no room for more pipelines.
const MAX_PIPELINES: usize = 512;
const MAX_DESTINATIONS: usize = 16;
const MAX_UNREADABLE: usize = 20;
const MAX_VOLUMES: usize = 16;
/// Percent of its limit that a volume holds.
const NEARLY_FULL: u128 = 90;
const NO_LONGER_FULL: u128 = 80;

/// The last answer of a sidecar, and what came after it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sighting {
    /// None when it never answered.
    pub(crate) seen: Option<Seen>,
    /// Why it doesn't answer, once it hasn't for a while.
    pub(crate) silence: Option<String>,
    failures: u32,
    /// Since when another configuration is expected than the one that runs.
    awaited_since: Option<Timestamp>,
    /// Whether that is longer than it ever takes in good order.
    pub(crate) overdue: bool,
    losses: BTreeMap<(String, String), Loss>,
    /// Bytes that wait for destinations which fail, by pipeline and destination. They tick, so nobody is woken by them.
    pub(crate) held_up: BTreeMap<(String, String), u64>,
}

/// Records that were lost, and when there were more of them for the last time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Loss {
    total: u64,
    grew_at: Option<Timestamp>,
}

/// An answer, without what ticks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) config_hash: String,
    pub(crate) rejected: Vec<Rejected>,
    /// Volumes that are nearly full, as the application names them.
    pub(crate) filling: BTreeSet<String>,
    pub(crate) pipelines: BTreeMap<String, PipelineSeen>,
}

/// One pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PipelineSeen {
    pub(crate) revision: String,
    /// With the source's name.
    pub(crate) unreadable: Vec<(String, Unreadable)>,
    /// Files of which delivered text can't be given back to the volume, although the pipeline asks for it.
    pub(crate) unreclaimed: Vec<Unreadable>,
    pub(crate) destinations: BTreeMap<String, DestinationSeen>,
}

/// One destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DestinationSeen {
    pub(crate) state: DestinationState,
    pub(crate) reason: Option<FailureReason>,
    pub(crate) failing_since: Option<String>,
    /// The server's words.
    pub(crate) error: Option<String>,
    /// Records lost so far, where some were lost recently.
    pub(crate) lost: Option<u64>,
}

impl Sighting {
    /// What is known after another question. `expected` is the hash of the configuration that should run.
    pub(crate) fn after(
        before: Option<&Self>,
        answer: Result<Report, PollError>,
        expected: Option<&str>,
        now: Timestamp,
    ) -> Self {
        let mut sighting = before.cloned().unwrap_or_default();
        match answer {
            Ok(report) => {
                sighting.failures = 0;
                sighting.silence = None;
                sighting.count_losses(&report, now);
                sighting.held_up = held_up(&report);
                sighting.seen = Some(sighting.digest(&report, now));
            }
            Err(error) => {
                sighting.failures += 1;
                if sighting.failures >= SILENT_AFTER {
                    sighting.silence = Some(strip(&error.to_string()));
                }
            }
        }
        let waits = expected.is_some_and(|expected| sighting.loaded().as_deref() != Some(expected));
        // One in the future is from before the clock was put back.
        let since = sighting.awaited_since.filter(|since| *since <= now);
        sighting.awaited_since = waits.then(|| since.unwrap_or(now));
        sighting.overdue = sighting.awaited_since.is_some() && !sighting.is_awaited(now, OVERDUE);
        sighting
    }

    /// Hash of the configuration that runs; none when it never answered.
    pub(crate) fn loaded(&self) -> Option<String> {
        self.seen.as_ref().map(|seen| seen.config_hash.clone())
    }

    /// Whether the sidecar should load another configuration any moment now.
    pub(super) fn is_awaited(&self, now: Timestamp, patience: Duration) -> bool {
        self.awaited_since
            .is_some_and(|since| now.duration_since(since).unsigned_abs() < patience)
    }

    /// Whether a status made of `other` could be another one.
    pub(crate) fn differs_for_status(&self, other: &Self) -> bool {
        (&self.seen, &self.silence, self.overdue) != (&other.seen, &other.silence, other.overdue)
    }

    /// A counter that is seen for the first time is its own baseline.
    fn count_losses(&mut self, report: &Report, now: Timestamp) {
        let mut losses = BTreeMap::new();
        for (pipeline, destination) in destinations(report) {
            let name = (strip(&pipeline.name), strip(&destination.name));
            let total = destination.dropped_records.total();
            let before = self.losses.get(&name);
            let grew_at = match before {
                Some(before) if total > before.total => Some(now),
                Some(before) => before.grew_at,
                None => None,
            };
            losses.insert(name, Loss { total, grew_at });
        }
        self.losses = losses;
    }

    fn lost(&self, name: &(String, String), now: Timestamp) -> Option<u64> {
        let loss = self.losses.get(name)?;
        let recent = now.duration_since(loss.grew_at?).unsigned_abs() < RECENT;
        recent.then_some(loss.total)
    }

    fn digest(&self, report: &Report, now: Timestamp) -> Seen {
        Seen {
            config_hash: strip(&report.config_hash),
            rejected: report.rejected.iter().take(MAX_PIPELINES).map(strip_rejected).collect(),
            filling: self.filling(report),
            pipelines: report
                .pipelines
                .iter()
                .take(MAX_PIPELINES)
                .map(|pipeline| (strip(&pipeline.name), self.pipeline(pipeline, now)))
                .collect(),
        }
    }

    /// Not told by every breath of a volume: once nearly full, it is that until there is room again.
    fn filling(&self, report: &Report) -> BTreeSet<String> {
        let was_filling = |path: &String| self.seen.as_ref().is_some_and(|seen| seen.filling.contains(path));
        let volumes = report.volumes.iter().take(MAX_VOLUMES);
        volumes
            .filter_map(|volume| {
                let path = strip(&volume.path);
                let limit = volume.limit_bytes.filter(|limit| *limit > 0)?;
                let percent = if was_filling(&path) {
                    NO_LONGER_FULL
                } else {
                    NEARLY_FULL
                };
                let is_full = u128::from(volume.used_bytes) * 100 >= u128::from(limit) * percent;
                is_full.then_some(path)
            })
            .collect()
    }

    fn pipeline(&self, report: &PipelineReport, now: Timestamp) -> PipelineSeen {
        let unreadable = report
            .sources
            .iter()
            .flat_map(|source| source.unreadable.iter().map(|file| (&source.name, file)));
        let destinations = report.destinations.iter().take(MAX_DESTINATIONS);
        let unreclaimed = report.reclaim.iter().flat_map(|reclaim| &reclaim.failed);
        PipelineSeen {
            revision: strip(&report.revision),
            unreadable: unreadable
                .take(MAX_UNREADABLE)
                .map(|(source, file)| (strip(source), strip_file(file)))
                .collect(),
            unreclaimed: unreclaimed.take(MAX_UNREADABLE).map(strip_file).collect(),
            destinations: destinations
                .map(|destination| {
                    let lost = self.lost(&(strip(&report.name), strip(&destination.name)), now);
                    (strip(&destination.name), DestinationSeen::of(destination, lost))
                })
                .collect(),
        }
    }
}

impl DestinationSeen {
    fn of(report: &DestinationReport, lost: Option<u64>) -> Self {
        let fails = fails(report.state);
        Self {
            state: report.state,
            reason: report.reason.filter(|_| fails),
            failing_since: report.failing_since.as_deref().filter(|_| fails).map(strip),
            error: report
                .last_error
                .as_ref()
                .filter(|_| fails)
                .map(|error| strip(&error.message)),
            lost,
        }
    }
}

fn held_up(report: &Report) -> BTreeMap<(String, String), u64> {
    let failing =
        destinations(report).filter(|(_, destination)| fails(destination.state) && destination.pending_bytes > 0);
    let pending = failing.map(|(pipeline, destination)| {
        let name = (strip(&pipeline.name), strip(&destination.name));
        (name, destination.pending_bytes)
    });
    pending.collect()
}

const fn fails(state: DestinationState) -> bool {
    matches!(state, DestinationState::Retrying | DestinationState::Blocked)
}

fn destinations(report: &Report) -> impl Iterator<Item = (&PipelineReport, &DestinationReport)> {
    let pipelines = report.pipelines.iter().take(MAX_PIPELINES);
    pipelines.flat_map(|pipeline| {
        pipeline
            .destinations
            .iter()
            .take(MAX_DESTINATIONS)
            .map(move |one| (pipeline, one))
    })
}

fn strip_rejected(rejected: &Rejected) -> Rejected {
    Rejected {
        pipeline: strip(&rejected.pipeline),
        revision: strip(&rejected.revision),
        error: strip(&rejected.error),
    }
}

fn strip_file(file: &Unreadable) -> Unreadable {
    Unreadable {
        path: strip(&file.path),
        error: strip(&file.error),
    }
}

/// Cuts, and takes out what could draw on a terminal.
fn strip(text: &str) -> String {
    text.chars().map(visible).take(MAX_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(dropped: u64, read: u64) -> Result<Report, PollError> {
        let report = json!({"configHash": "h", "pipelines": [{"name": "shop/logs", "revision": "r",
            "sources": [{"name": "access", "readBytes": read}],
            "destinations": [{"name": "loki", "state": "retrying", "reason": "ServerError", "pendingBytes": read,
                "droppedRecords": {"rejected": dropped}, "lastError": {"at": "", "message": format!("\u{1b}[31m{}", "é".repeat(300))}}]}]});
        serde_json::from_value(report).map_err(PollError::Report)
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap_or_default()
    }

    fn destination(sighting: &Sighting) -> Option<&DestinationSeen> {
        sighting
            .seen
            .as_ref()?
            .pipelines
            .get("shop/logs")?
            .destinations
            .get("loki")
    }

    #[test]
    fn counters_alone_make_no_difference() {
        let first = Sighting::after(None, report(0, 1), None, at(0));
        let second = Sighting::after(Some(&first), report(0, 999), None, at(5));
        assert!(!first.differs_for_status(&second));
    }

    #[test]
    fn strings_are_cut_and_can_not_draw_on_a_terminal() {
        let sighting = Sighting::after(None, report(0, 1), None, at(0));
        let error = destination(&sighting)
            .and_then(|seen| seen.error.as_deref())
            .unwrap_or_default();
        assert_eq!(error.chars().count(), 256);
        assert!(error.starts_with(" [31mé"), "{error}");
    }

    #[test]
    fn losses_are_told_for_a_while_and_what_was_there_before_us_is_not() {
        let lost = |sighting: &Sighting| destination(sighting).and_then(|seen| seen.lost);
        let first = Sighting::after(None, report(7, 1), None, at(0));
        assert_eq!(lost(&first), None);
        let second = Sighting::after(Some(&first), report(9, 1), None, at(5));
        assert_eq!(lost(&second), Some(9));
        let later = Sighting::after(Some(&second), report(9, 1), None, at(1000));
        assert_eq!(lost(&later), None);
    }

    #[test]
    fn a_volume_is_nearly_full_until_there_is_room_again() {
        let used = |used: u64| {
            let report = json!({"volumes": [{"path": "/var/log", "usedBytes": used, "limitBytes": 100},
                {"path": "/data", "usedBytes": 1_u64 << 40}]});
            serde_json::from_value(report).map_err(PollError::Report)
        };
        let mut sighting = Sighting::default();
        for (bytes, is_filling) in [
            (89, false),
            (90, true),
            (80, true),
            (79, false),
            (89, false),
            (200, true),
        ] {
            sighting = Sighting::after(Some(&sighting), used(bytes), None, at(0));
            let filling = &sighting.seen.as_ref().unwrap().filling;
            assert_eq!(filling.iter().any(|path| path == "/var/log"), is_filling, "{bytes}");
            assert!(!filling.contains("/data"), "it has no limit");
        }
    }

    #[test]
    fn one_lost_answer_is_no_news_and_three_are() {
        let first = Sighting::after(None, report(0, 1), None, at(0));
        let mut sighting = first.clone();
        for failures in 1..=3 {
            sighting = Sighting::after(Some(&sighting), Err(PollError::Timeout), None, at(failures));
            assert_eq!(sighting.differs_for_status(&first), failures == 3);
        }
        let again = Sighting::after(Some(&sighting), report(0, 1), None, at(9));
        assert!(!again.differs_for_status(&first));
    }

    #[test]
    fn what_takes_longer_than_it_ever_does_in_good_order_is_news() {
        let waiting = Sighting::after(None, report(0, 1), Some("other"), at(0));
        let soon = Sighting::after(Some(&waiting), report(0, 1), Some("other"), at(90));
        assert!(!soon.overdue && !soon.differs_for_status(&waiting));
        let late = Sighting::after(Some(&soon), report(0, 1), Some("other"), at(121));
        assert!(late.overdue && late.differs_for_status(&soon));
        let put_back = Sighting::after(Some(&soon), report(0, 1), Some("other"), at(-3600));
        assert!(!put_back.overdue, "the clock was put back");
        assert!(!Sighting::after(Some(&late), report(0, 1), Some("h"), at(125)).overdue);
    }

    #[test]
    fn what_waits_for_a_destination_that_fails_is_known_and_wakes_nobody() {
        let first = Sighting::after(None, report(0, 1), None, at(0));
        let second = Sighting::after(Some(&first), report(0, 999), None, at(5));
        let name = ("shop/logs".to_owned(), "loki".to_owned());
        assert_eq!(
            (first.held_up.get(&name), second.held_up.get(&name)),
            (Some(&1), Some(&999))
        );
        assert!(!first.differs_for_status(&second));
    }

    #[test]
    fn a_sidecar_is_asked_often_while_it_has_to_load_something() {
        let minute = Duration::from_secs(60);
        let waiting = Sighting::after(None, report(0, 1), Some("other"), at(0));
        assert!(waiting.is_awaited(at(30), minute));
        let still = Sighting::after(Some(&waiting), report(0, 1), Some("other"), at(61));
        assert!(
            !still.is_awaited(at(61), minute),
            "it doesn't load it, so there is no hurry"
        );
        assert!(!Sighting::after(Some(&waiting), report(0, 1), Some("h"), at(2)).is_awaited(at(2), minute));
    }
}
