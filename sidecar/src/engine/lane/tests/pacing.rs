//! Reading that keeps to a rate.

use super::*;

const BURST: usize = 20;

/// Ten records a second, and some more at once, of the lines that no transform before has left out.
fn bench(source: &serde_json::Value) -> Bench {
    let mut config = serde_json::json!({"name": "s", "paths": ["/var/log/a.log"]});
    let members = source.as_object().unwrap().clone();
    config.as_object_mut().unwrap().extend(members);
    let transforms = serde_json::json!([
        {"drop": {"when": {"field": "body", "matches": "^noise"}}},
        {"rateLimit": {"recordsPerSecond": 10, "burst": BURST, "onExceed": "Wait"}},
    ]);
    Bench::with_transforms(config, &serde_json::from_value::<Vec<_>>(transforms).unwrap())
}

impl Bench {
    /// What arrives when all that may be read now is read and settled.
    fn arrives(&mut self) -> usize {
        let before = self.arrived.len();
        for _ in 0..4 {
            self.pump();
            while !self.under_way.is_empty() {
                self.settle(0, 0);
            }
            self.check();
        }
        self.arrived.len() - before
    }
}

#[test]
fn reading_waits_for_the_clock_and_everything_arrives() {
    let mut bench = bench(&serde_json::json!({}));
    bench.write(&b"a line\n".repeat(100));
    assert_eq!(bench.arrives(), BURST);
    assert_eq!(bench.unsettled(), 80 * 7, "the rest is pending");
    let wake = bench.running.lanes[0]
        .next_wake(&bench.running.sources, &bench.files)
        .unwrap();
    assert!(wake > Now::read().instant, "it rests");
    let mut arrived = BURST;
    for tenth in 1..=100_u32 {
        bench.ahead = Duration::from_millis(100) * tenth;
        arrived += bench.arrives();
        // The clock of the test itself goes on, too.
        let allowed = BURST + tenth as usize;
        assert!(
            (allowed..=allowed + 10).contains(&arrived) || arrived == 100,
            "{arrived} at {tenth}"
        );
    }
    assert_eq!((arrived, bench.unsettled()), (100, 0));
    let counters = bench.running.lanes[0].flows[&SourceId(1)].account.counters;
    assert_eq!(
        (
            counters.acknowledged.records,
            counters.filtered_bytes(),
            counters.dropped_bytes()
        ),
        (100, 0, 0)
    );
}

#[test]
fn what_is_left_out_before_takes_nothing_of_the_rate() {
    let mut bench = bench(&serde_json::json!({}));
    bench.write(
        &[
            b"noise\n".repeat(5_000),
            b"a line\n".repeat(BURST),
            b"noise\n".repeat(1_000),
        ]
        .concat(),
    );
    assert_eq!(bench.arrives(), BURST);
    let mut rounds = 0;
    while bench.unsettled() > 0 {
        // None is left for the noise behind: it is read as far as a record may be.
        bench.ahead += Duration::from_millis(100);
        assert_eq!(bench.arrives(), 0);
        rounds += 1;
    }
    assert!(rounds < 3, "{rounds}");
}

#[test]
fn records_of_several_lines_count_as_one_in_every_encoding() {
    for encoding in ["utf-8", "utf-16le"] {
        let source = serde_json::json!({"encoding": encoding, "multiline": {"startPattern": "^S"}});
        let mut bench = bench(&source);
        let text = "S one\n two\n three\n".repeat(BURST + 30);
        match encoding {
            "utf-8" => bench.write(text.as_bytes()),
            _ => bench.write(&text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()),
        }
        assert_eq!(bench.arrives(), BURST, "{encoding}");
        assert!(
            bench.arrived.values().all(|(text, _)| text == b"S one\n two\n three"),
            "{encoding}"
        );
    }
}

#[test]
fn nothing_waits_at_the_end() {
    let mut bench = bench(&serde_json::json!({}));
    bench.write(&b"a line\n".repeat(1_000));
    assert_eq!(bench.arrives(), BURST);
    bench.pace = Pace::Lifted;
    assert_eq!((bench.arrives(), bench.unsettled()), (980, 0));
}

#[test]
fn a_restart_of_the_task_reads_on_at_the_rate() {
    let mut bench = bench(&serde_json::json!({}));
    bench.write(&b"a line\n".repeat(100));
    assert_eq!(bench.arrives(), BURST);
    bench.apply(Step::Restart);
    assert!(bench.arrives() < 10);
    bench.ahead = Duration::from_secs(1);
    assert!((10..20).contains(&bench.arrives()));
    assert_eq!(
        bench.arrived.len() * 7 + usize::try_from(bench.unsettled()).unwrap(),
        700
    );
}
