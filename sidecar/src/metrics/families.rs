//! Every metric of the sidecar: name, help, type, labels, and where its value comes from. The names are a contract
//! (`api.md`).

use pipeline::report::SourceReport;
use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Encoder, TextEncoder};

use super::{Amount, DestinationHealth, Flow, Snapshot, SourceCounters};
use crate::sending::health::{DURATION_BUCKETS, Durations};

const PREFIX: &str = "logshipping_";

/// The exposition format of Prometheus.
///
/// # Errors
/// When a metric isn't well-formed, which the tests rule out.
pub fn render(snapshot: &Snapshot) -> prometheus::Result<Vec<u8>> {
    let families: Vec<MetricFamily> = [
        sources(snapshot),
        flows(&snapshot.flows),
        requests(&snapshot.destinations),
        process(snapshot),
    ]
    .into_iter()
    .flatten()
    .filter(|family| !family.get_metric().is_empty())
    .collect();
    let mut text = Vec::new();
    TextEncoder::new().encode(&families, &mut text)?;
    Ok(text)
}

fn sources(snapshot: &Snapshot) -> Vec<MetricFamily> {
    let reports = || {
        let pipelines = snapshot.report.pipelines.iter();
        pipelines.flat_map(|pipeline| pipeline.sources.iter().map(|source| (pipeline.name.as_str(), source)))
    };
    let reported = |value: fn(&SourceReport) -> u64| {
        reports().map(move |(pipeline, source)| {
            (
                vec![("pipeline", pipeline), ("source", source.name.as_str())],
                value(source),
            )
        })
    };
    let counted = |value: fn(&SourceCounters) -> u64| {
        snapshot
            .sources
            .iter()
            .map(move |source| (source_labels(source), value(source)))
    };
    let errors = snapshot.sources.iter().flat_map(|source| {
        source
            .errors
            .iter()
            .map(|(reason, count)| ([source_labels(source), vec![("reason", *reason)]].concat(), *count))
    });
    vec![
        counter(
            "source_read_bytes_total",
            "Bytes read from the files of a source.",
            reported(|source| source.read_bytes),
        ),
        counter(
            "source_read_records_total",
            "Records read from the files of a source.",
            reported(|source| source.read_records),
        ),
        gauge(
            "source_files",
            "Files of a source that are followed.",
            reported(|source| source.files),
        ),
        counter(
            "source_files_rotated_total",
            "Files that were renamed or replaced.",
            counted(|source| source.rotated),
        ),
        counter(
            "source_files_truncated_total",
            "Files that were truncated in place.",
            counted(|source| source.truncated),
        ),
        counter(
            "source_errors_total",
            "Files that could not be opened or read, and lines that could not be parsed or decoded, by reason.",
            errors,
        ),
    ]
}

fn source_labels(source: &SourceCounters) -> Vec<(&'static str, &str)> {
    vec![("pipeline", &source.pipeline), ("source", &source.source)]
}

fn flows(flows: &[Flow]) -> Vec<MetricFamily> {
    let value = |value: fn(&Flow) -> u64| flows.iter().map(move |flow| (flow_labels(flow), value(flow)));
    let by_reason = |amounts: fn(&Flow) -> &[(&'static str, Amount)], value: fn(&Amount) -> u64| {
        flows.iter().flat_map(move |flow| {
            let labels = move |reason| [flow_labels(flow), vec![("reason", reason)]].concat();
            amounts(flow)
                .iter()
                .map(move |(reason, amount)| (labels(*reason), value(amount)))
        })
    };
    vec![
        counter(
            "destination_discovered_bytes_total",
            "Source bytes that are to be delivered.",
            value(|flow| flow.discovered_bytes),
        ),
        counter(
            "destination_acknowledged_bytes_total",
            "Source bytes that the destination has acknowledged.",
            value(|flow| flow.acknowledged.bytes),
        ),
        counter(
            "destination_acknowledged_records_total",
            "Records that the destination has acknowledged.",
            value(|flow| flow.acknowledged.records),
        ),
        counter(
            "destination_filtered_bytes_total",
            "Source bytes left out by policy.",
            by_reason(|flow| &flow.filtered, |amount| amount.bytes),
        ),
        counter(
            "destination_filtered_records_total",
            "Records left out by policy.",
            by_reason(|flow| &flow.filtered, |amount| amount.records),
        ),
        counter(
            "destination_dropped_bytes_total",
            "Source bytes lost, by reason.",
            by_reason(|flow| &flow.dropped, |amount| amount.bytes),
        ),
        counter(
            "destination_dropped_records_total",
            "Records lost, by reason.",
            by_reason(|flow| &flow.dropped, |amount| amount.records),
        ),
        gauge(
            "destination_pending_bytes",
            "Source bytes that wait to be delivered, unread ones included.",
            value(|flow| flow.pending_bytes),
        ),
        gauge(
            "destination_oldest_pending_seconds",
            "Age of the oldest byte that waits.",
            value(|flow| flow.oldest_pending_seconds),
        ),
    ]
}

fn flow_labels(flow: &Flow) -> Vec<(&'static str, &str)> {
    vec![
        ("pipeline", &flow.pipeline),
        ("source", &flow.source),
        ("destination", &flow.destination),
    ]
}

fn requests(destinations: &[DestinationHealth]) -> Vec<MetricFamily> {
    let retries = destinations.iter().flat_map(|destination| {
        let labels = |reason| [destination_labels(destination), vec![("reason", reason)]].concat();
        destination
            .health
            .retries
            .iter()
            .map(move |(reason, count)| (labels(*reason), *count))
    });
    let durations = destinations.iter().map(|destination| {
        metric(destination_labels(destination), |metric| {
            metric.set_histogram(histogram(&destination.health.durations));
        })
    });
    vec![
        counter(
            "destination_retries_total",
            "Failed requests that are sent again, by reason.",
            retries,
        ),
        family(
            "destination_request_duration_seconds",
            "Duration of requests, failed ones included.",
            MetricType::HISTOGRAM,
            durations,
        ),
    ]
}

fn destination_labels(destination: &DestinationHealth) -> Vec<(&'static str, &str)> {
    vec![
        ("pipeline", &destination.pipeline),
        ("destination", &destination.destination),
    ]
}

fn process(snapshot: &Snapshot) -> Vec<MetricFamily> {
    let report = &snapshot.report;
    let one = |value| std::iter::once((Vec::new(), value));
    let revisions = report.pipelines.iter().map(|pipeline| {
        (
            vec![
                ("pipeline", pipeline.name.as_str()),
                ("revision", pipeline.revision.as_str()),
            ],
            1,
        )
    });
    let reloads = [
        ("success", snapshot.reloads_succeeded),
        ("refused", snapshot.reloads_refused),
    ];
    let build = std::iter::once((vec![("version", report.version.as_str())], 1));
    vec![
        gauge(
            "held_deleted_bytes",
            "Bytes of deleted files held open until they are delivered.",
            one(report.held_deleted_bytes),
        ),
        gauge(
            "memory_used_bytes",
            "Memory held by batches.",
            one(report.memory.used_bytes),
        ),
        gauge(
            "memory_budget_bytes",
            "Most memory that batches may hold.",
            one(report.memory.budget_bytes),
        ),
        counter(
            "checkpoint_errors_total",
            "Positions that could not be written.",
            one(snapshot.checkpoint_errors),
        ),
        counter(
            "config_reloads_total",
            "Configurations read, by result.",
            reloads.map(|(result, count)| (vec![("result", result)], count)),
        ),
        gauge(
            "config_revision_info",
            "The revision of each pipeline that runs.",
            revisions,
        ),
        gauge("build_info", "The version of the sidecar.", build),
    ]
}

type Labels<'a> = Vec<(&'static str, &'a str)>;

fn counter<'a>(name: &str, help: &str, values: impl IntoIterator<Item = (Labels<'a>, u64)>) -> MetricFamily {
    let metrics = values.into_iter().map(|(labels, value)| {
        let mut counter = Counter::default();
        counter.set_value(float(value));
        metric(labels, |metric| metric.set_counter(counter))
    });
    family(name, help, MetricType::COUNTER, metrics)
}

fn gauge<'a>(name: &str, help: &str, values: impl IntoIterator<Item = (Labels<'a>, u64)>) -> MetricFamily {
    let metrics = values.into_iter().map(|(labels, value)| {
        let mut gauge = Gauge::default();
        gauge.set_value(float(value));
        metric(labels, |metric| metric.set_gauge(gauge))
    });
    family(name, help, MetricType::GAUGE, metrics)
}

fn histogram(durations: &Durations) -> Histogram {
    let mut cumulative = 0;
    let buckets = DURATION_BUCKETS.iter().zip(durations.buckets).map(|(bound, count)| {
        cumulative += count;
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(*bound);
        bucket.set_cumulative_count(cumulative);
        bucket
    });
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(durations.count);
    histogram.set_sample_sum(durations.sum_seconds);
    histogram
}

fn family(name: &str, help: &str, kind: MetricType, metrics: impl Iterator<Item = Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(format!("{PREFIX}{name}"));
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics.collect());
    family
}

fn metric(labels: Labels<'_>, set: impl FnOnce(&mut Metric)) -> Metric {
    let pair = |(name, value): (&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name(name.to_owned());
        pair.set_value(value.to_owned());
        pair
    };
    let mut metric = Metric::from_label(labels.into_iter().map(pair).collect());
    set(&mut metric);
    metric
}

/// Prometheus knows only floating-point numbers; above 2^53 the last digits are rounded.
#[allow(clippy::cast_precision_loss, reason = "the format has no other numbers")]
fn float(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests;
