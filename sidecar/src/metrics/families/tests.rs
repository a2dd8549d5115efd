use super::*;
use pipeline::report::{Memory, PipelineReport, Report};

fn amount(records: u64, bytes: u64) -> Amount {
    Amount { records, bytes }
}

fn snapshot() -> Snapshot {
    let source = SourceReport {
        name: "access".to_owned(),
        files: 2,
        read_bytes: 2090,
        read_records: 10,
        ..Default::default()
    };
    let pipeline = PipelineReport {
        name: "shop/server-logs".to_owned(),
        revision: "server-logs-6c9f8d7b".to_owned(),
        sources: vec![source],
        ..Default::default()
    };
    let report = Report {
        version: "0.1.0".to_owned(),
        memory: Memory {
            used_bytes: 1024,
            budget_bytes: 8 << 20,
        },
        held_deleted_bytes: 7,
        pipelines: vec![pipeline],
        ..Default::default()
    };
    let names = || ("shop/server-logs".to_owned(), "access".to_owned(), "loki".to_owned());
    let (pipeline, source, destination) = names();
    let flow = Flow {
        pipeline,
        source,
        destination,
        discovered_bytes: 2090,
        acknowledged: amount(7, 1463),
        filtered: vec![("sampled", amount(1, 209))],
        dropped: vec![("rejected", amount(1, 209)), ("tooLarge", amount(0, 0))],
        pending_bytes: 209,
        oldest_pending_seconds: 3,
    };
    let (pipeline, source, destination) = names();
    let counters = SourceCounters {
        pipeline: pipeline.clone(),
        source,
        rotated: 4,
        truncated: 1,
        errors: vec![("permission", 2)],
    };
    let mut health = DestinationHealth {
        pipeline,
        destination,
        ..Default::default()
    };
    health.health.retries = [("RateLimited", 5), ("ServerError", 6)].into();
    health.health.durations = Durations {
        buckets: [1, 0, 2, 0, 0, 0, 0, 0, 0, 0],
        count: 4,
        sum_seconds: 31.5,
    };
    Snapshot {
        report,
        sources: vec![counters],
        flows: vec![flow],
        destinations: vec![health],
        checkpoint_errors: 1,
        reloads_succeeded: 2,
        reloads_refused: 3,
    }
}

#[test]
fn the_exposition_has_the_names_of_the_contract() {
    insta::assert_snapshot!(String::from_utf8(render(&snapshot()).unwrap()).unwrap());
}

#[test]
fn a_process_without_a_configuration_can_be_scraped() {
    let text = String::from_utf8(render(&Snapshot::default()).unwrap()).unwrap();
    assert!(text.contains("logshipping_build_info{version=\"\"} 1"), "{text}");
    assert!(!text.contains("destination_"), "{text}");
}
