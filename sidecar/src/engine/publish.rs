//! What `/status` and `/metrics` show. The engine publishes a snapshot when something changed, at most every 100 ms; the
//! status server adds what has a clock of its own (ages, health) when somebody asks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use pipeline::config::VERSION;
use pipeline::report::{
    DestinationReport, DroppedRecords, FilteredRecords, MAX_UNREADABLE, Memory, PipelineReport, Report, SCHEMA_VERSION,
    SourceReport, Unreadable, Volume, Watch,
};

use crate::metrics::{self, DestinationHealth, Snapshot, SourceCounters};
use crate::sending::Health;

use super::Engine;
use super::account::{Counters, DROPPED, FILTERED};
use super::clock::Now;
use super::lane::Lane;
use super::running::Running;
use super::source::Source;

const PUBLISH_EVERY: Duration = Duration::from_millis(100);
/// A snapshot goes through all files: where they are many, it is made so much more seldom than it takes.
const COST: u32 = 300;

/// The last snapshot, shared with the status server.
#[derive(Debug)]
pub(crate) struct Published {
    started_at: Timestamp,
    latest: Mutex<Latest>,
}

#[derive(Clone, Debug, Default)]
struct Latest {
    snapshot: Snapshot,
    /// In the order of the snapshot's flows: since when the oldest byte waits.
    pending_since: Vec<Option<i64>>,
    lanes: Vec<(String, String, Arc<Health>)>,
}

impl Published {
    pub(crate) fn new() -> Self {
        Self {
            started_at: Timestamp::now(),
            latest: Mutex::default(),
        }
    }

    /// The state of the process now.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut snapshot = latest.snapshot;
        let now = Timestamp::now();
        snapshot.report.started_at = rfc3339(self.started_at);
        let age = |since: i64| {
            let since = i128::from(since);
            u64::try_from((now.as_nanosecond() - since) / 1_000_000_000).unwrap_or(0)
        };
        for (flow, since) in snapshot.flows.iter_mut().zip(&latest.pending_since) {
            flow.oldest_pending_seconds = since.map_or(0, age);
        }
        for (pipeline, destination, health) in latest.lanes {
            let health = health.snapshot();
            if let Some(report) = destination_of(&mut snapshot.report, &pipeline, &destination) {
                report.state = health.state;
                report.reason = health.reason;
                report.failing_since = health.failing_since.map(rfc3339);
                report.last_acknowledged_at = health.last_acknowledged_at.map(rfc3339);
                report.last_error = health.last_error();
                let flows = snapshot.flows.iter();
                let own = flows.filter(|flow| flow.pipeline == pipeline && flow.destination == destination);
                report.oldest_pending_seconds = own.map(|flow| flow.oldest_pending_seconds).max().unwrap_or(0);
            }
            snapshot.destinations.push(DestinationHealth {
                pipeline,
                destination,
                health,
            });
        }
        snapshot
    }
}

fn destination_of<'a>(report: &'a mut Report, pipeline: &str, destination: &str) -> Option<&'a mut DestinationReport> {
    let pipeline = report.pipelines.iter_mut().find(|known| known.name == pipeline)?;
    pipeline.destinations.iter_mut().find(|known| known.name == destination)
}

impl Engine {
    /// Publishes what there is, unless it was done just before.
    pub(super) fn publish(&mut self, now: Now) {
        if now.instant < self.due.publish {
            return;
        }
        let is_busy = self.pending_bytes() > 0 || now.instant < self.due.events + PUBLISH_EVERY;
        let began = Instant::now();
        let latest = self.latest();
        self.due.publish_earliest = began + PUBLISH_EVERY.max(began.elapsed() * COST);
        self.due.publish = if is_busy {
            self.due.publish_earliest
        } else {
            self.due.round_after(self.due.publish_earliest)
        };
        *self.published.latest.lock().unwrap_or_else(PoisonError::into_inner) = latest;
    }

    /// Something worth showing happened: the next look at the report shall see it.
    pub(super) fn publish_soon(&mut self, now: Now) {
        let soon = self.due.publish_earliest.max(now.instant + PUBLISH_EVERY);
        self.due.publish = self.due.publish.min(soon);
    }

    fn latest(&self) -> Latest {
        let mut latest = Latest {
            snapshot: Snapshot {
                report: self.report(),
                checkpoint_errors: self.saved.as_ref().map_or(0, |saved| saved.errors),
                reloads_succeeded: self.reloads.succeeded,
                reloads_refused: self.reloads.refused,
                ..Snapshot::default()
            },
            ..Latest::default()
        };
        for running in &self.running {
            for lane in &running.lanes {
                let name = lane.destination.name.clone();
                latest
                    .lanes
                    .push((running.pipeline.name.clone(), name, Arc::clone(&lane.health)));
                for source in &running.sources {
                    if let Some(flow) = flow(running, source, lane) {
                        latest.snapshot.flows.push(flow);
                        latest.pending_since.push(lane.oldest_pending(source.id, &self.files));
                    }
                }
            }
            latest.snapshot.sources.extend(running.sources.iter().map(|source| {
                SourceCounters {
                    pipeline: running.pipeline.name.clone(),
                    source: source.config.name.clone(),
                    rotated: source.read.rotated_files,
                    truncated: source.read.truncated_files,
                    errors: source
                        .read
                        .errors
                        .iter()
                        .map(|(reason, count)| (*reason, *count))
                        .collect(),
                }
            }));
        }
        latest
    }

    fn report(&self) -> Report {
        let memory: usize = self.running.iter().map(Running::memory).sum();
        Report {
            schema_version: SCHEMA_VERSION,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            config_versions: vec![VERSION],
            pod_uid: self.options.pod_uid.clone(),
            started_at: String::new(),
            state: self.state,
            config_hash: self.config_hash.clone(),
            rejected: self.rejected.clone(),
            memory: Memory {
                used_bytes: memory as u64,
                budget_bytes: self.budget().total as u64,
            },
            watch: if self.watcher.must_poll() {
                Watch::Poll
            } else {
                Watch::Inotify
            },
            held_deleted_bytes: self.held_deleted_bytes(),
            volumes: self.volumes(),
            pipelines: self.pipelines(),
            positions_error: self.positions_error.clone(),
            standby: self.standby.as_ref().map(|standby| standby.reason.clone()),
        }
    }

    /// What the mounted volumes hold; without a mount there is no volume to speak of.
    fn volumes(&self) -> Vec<Volume> {
        let mut volumes: BTreeMap<String, Volume> = BTreeMap::new();
        for source in self.running.iter().flat_map(|running| &running.sources) {
            for (index, mount) in source.config.mounts.iter().enumerate() {
                let known = volumes.entry(mount.path.clone()).or_insert_with(|| Volume {
                    path: mount.path.clone(),
                    used_bytes: 0,
                    limit_bytes: mount.limit_bytes,
                });
                let used = source.usage.get(index).copied().unwrap_or(0);
                known.used_bytes = known.used_bytes.max(used);
            }
        }
        volumes.into_values().collect()
    }

    fn pipelines(&self) -> Vec<PipelineReport> {
        let running = self.running.iter().map(|running| self.pipeline_report(running));
        let waiting = self
            .standby
            .iter()
            .flat_map(|standby| standby.pipelines.iter().cloned());
        running.chain(waiting).collect()
    }

    fn pipeline_report(&self, running: &Running) -> PipelineReport {
        PipelineReport {
            name: running.pipeline.name.clone(),
            revision: running.pipeline.revision.clone(),
            sources: running
                .sources
                .iter()
                .map(|source| self.source_report(source))
                .collect(),
            destinations: running.lanes.iter().map(destination_report).collect(),
            reclaim: self.reclaim_report(running),
        }
    }

    fn source_report(&self, source: &Source) -> SourceReport {
        let refused = source
            .unreadable
            .iter()
            .map(|(path, refusal)| (path.clone(), refusal.to_string()));
        let failed = self.files.opened().filter_map(|(id, file)| {
            let error = file.error.clone()?;
            Some((source.tails.get(&id)?.origin.path.clone(), error))
        });
        let unreadable = refused.chain(failed).take(MAX_UNREADABLE);
        SourceReport {
            name: source.config.name.clone(),
            files: source.tails.len() as u64,
            unreadable: unreadable.map(|(path, error)| Unreadable { path, error }).collect(),
            read_bytes: source.read.bytes,
            read_records: source.read.records,
            truncated_lines: source.read.truncated_lines,
            last_read_at: source.read.last_at.and_then(timestamp),
        }
    }

    /// Tells the kubelet what was delivered; best effort, since there may be nobody to tell.
    pub(super) fn say_goodbye(&self) {
        let mut left = serde_json::Map::new();
        for running in &self.running {
            for lane in &running.lanes {
                let bytes = lane.pending_bytes() + self.suspected_bytes(lane);
                if bytes > 0 {
                    let name = format!("{}/{}", running.pipeline.name, lane.destination.name);
                    left.insert(name, bytes.into());
                }
            }
        }
        let message = serde_json::json!({"drained": left.is_empty(), "leftBytes": left});
        tracing::info!(drained = left.is_empty(), left = %serde_json::Value::Object(left.clone()), "draining");
        // Not created where no kubelet made it; not by rename, since the file is a mount of its own.
        let written = std::fs::OpenOptions::new()
            .write(true)
            .truncate(true)
            .open(&self.options.termination_message);
        let _ = written.and_then(|file| std::io::Write::write_all(&mut { file }, message.to_string().as_bytes()));
    }
}

fn timestamp(nanoseconds: i64) -> Option<String> {
    Timestamp::from_nanosecond(i128::from(nanoseconds)).ok().map(rfc3339)
}

/// For people at 3 a.m.: nobody needs the nanoseconds.
fn rfc3339(time: Timestamp) -> String {
    format!("{time:.3}")
}

fn flow(running: &Running, source: &Source, lane: &Lane) -> Option<metrics::Flow> {
    let account = &lane.flows.get(&source.id)?.account;
    let counters = account.counters;
    Some(metrics::Flow {
        pipeline: running.pipeline.name.clone(),
        source: source.config.name.clone(),
        destination: lane.destination.name.clone(),
        discovered_bytes: account.discovered(),
        acknowledged: counters.acknowledged,
        filtered: FILTERED.into_iter().zip(counters.filtered).collect(),
        dropped: DROPPED.into_iter().zip(counters.dropped).collect(),
        pending_bytes: account.pending(),
        oldest_pending_seconds: 0,
    })
}

fn destination_report(lane: &Lane) -> DestinationReport {
    let mut report = DestinationReport {
        name: lane.destination.name.clone(),
        ..DestinationReport::default()
    };
    for flow in lane.flows.values() {
        let Counters {
            acknowledged,
            filtered,
            dropped,
        } = flow.account.counters;
        report.discovered_bytes += flow.account.discovered();
        report.acknowledged_bytes += acknowledged.bytes;
        report.acknowledged_records += acknowledged.records;
        report.filtered_bytes += flow.account.counters.filtered_bytes();
        report.dropped_bytes += flow.account.counters.dropped_bytes();
        report.pending_bytes += flow.account.pending();
        add_filtered(&mut report.filtered_records, filtered.map(|amount| amount.records));
        add_dropped(&mut report.dropped_records, dropped.map(|amount| amount.records));
    }
    report
}

fn add_filtered(total: &mut FilteredRecords, [filtered, sampled, rate_limited]: [u64; 3]) {
    total.filtered += filtered;
    total.sampled += sampled;
    total.rate_limited += rate_limited;
}

fn add_dropped(total: &mut DroppedRecords, [rejected, unconfirmed, too_large, gave_up, vanished]: [u64; 5]) {
    total.rejected += rejected;
    total.unconfirmed += unconfirmed;
    total.too_large += too_large;
    total.gave_up += gave_up;
    total.vanished += vanished;
}
