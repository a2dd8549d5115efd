//! The accounting of a lane under random writes, truncations, settlements and restarts of its task.

mod copies;
mod encodings;
mod pacing;
mod team;

use std::fs::{File as StdFile, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use proptest::prelude::*;
use tokio::sync::mpsc;

use super::super::budget::{Budget, Ledger};
use super::super::files::Seen;
use super::super::lockstep::Stock;
use super::super::running::Running;
use super::super::source::{Tail, identity};
use super::super::start::Start;
use super::*;
use crate::batch::{DropCause, Settled};
use crate::destination::stdout;
use crate::positions::Store;
use crate::reading::facts::Facts;
use crate::sending::{self, LaneParts};
use crate::transport::Surroundings;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// So many lines of so many bytes.
    Write {
        lines: usize,
        length: usize,
    },
    Truncate,
    Pump,
    /// The batch at this place of those under way; every so many records are dropped.
    Settle {
        place: usize,
        drop_every: usize,
    },
    /// Everything under way comes back never.
    Restart,
    /// Another destination of the name is to take over.
    Change,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..400_usize, 1..300_usize).prop_map(|(lines, length)| Step::Write { lines, length }),
        1 => Just(Step::Truncate),
        6 => Just(Step::Pump),
        6 => (0..8_usize, 0..5_usize).prop_map(|(place, drop_every)| Step::Settle { place, drop_every }),
        1 => Just(Step::Restart),
        1 => Just(Step::Change),
    ]
}

/// A lane in which the test is the destination.
struct Bench {
    runtime: tokio::runtime::Runtime,
    _dir: tempfile::TempDir,
    path: PathBuf,
    files: Files,
    file: FileId,
    saved: Saved,
    running: Running,
    batches: mpsc::Receiver<Parcel>,
    /// Of the destination that is to take over.
    next_batches: Option<mpsc::Receiver<Parcel>>,
    links: u64,
    under_way: Vec<Parcel>,
    written: u64,
    /// What waits for more leaves, as at the end of the process.
    flush: bool,
    pace: Pace,
    /// The lane's clock is so far ahead.
    ahead: Duration,
    /// What is settled: by offset, the text and the bytes it took.
    arrived: BTreeMap<u64, (Vec<u8>, u32)>,
}

pub(super) fn destination() -> pipeline::Destination {
    let json =
        serde_json::json!({"name": "d", "loki": {"url": "http://x"}, "batch": {"maxBytes": "16Ki", "maxDelay": "0ms"}});
    serde_json::from_value(json).unwrap()
}

pub(super) fn link(runtime: &tokio::runtime::Runtime, id: u64) -> (Link, mpsc::Receiver<Parcel>) {
    let (_, unused) = mpsc::channel(1);
    let parts = LaneParts {
        id: LaneId(id),
        pipeline: "p".to_owned(),
        batches: unused,
        settled: std::sync::mpsc::channel().0,
        wake: Arc::new(|| {}),
        health: Arc::default(),
        holding: Arc::default(),
        stdout: stdout::writer_on(StdFile::open("/dev/null").unwrap()).unwrap(),
        around: Surroundings::default(),
    };
    let handle = sending::spawn(runtime.handle(), &destination(), parts).unwrap();
    let (batches, receiver) = mpsc::channel(Limits::of(&destination()).window);
    (
        Link {
            id: LaneId(id),
            batches,
            holding: Arc::default(),
            handle,
        },
        receiver,
    )
}

impl Bench {
    fn new() -> Self {
        Self::with(serde_json::json!({"name": "s", "paths": ["/var/log/a.log"]}))
    }

    fn with(config: serde_json::Value) -> Self {
        Self::with_transforms(config, &[])
    }

    fn with_transforms(config: serde_json::Value, transforms: &[pipeline::Transform]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        StdFile::create(&path).unwrap();
        let mut source = Source::new(
            SourceId(1),
            serde_json::from_value(config).unwrap(),
            transforms,
            [].into(),
        )
        .unwrap();
        let fd = StdFile::open(&path).unwrap();
        let (facts, now) = (Facts::of(&fd).unwrap(), Now::read());
        let mut files = Files::default();
        let file = files.insert(fd.into(), &facts, Vec::new(), now);
        let origin = source.origin("/var/log/a.log", identity(facts.id));
        source
            .tails
            .insert(file, Tail::new(origin, (0, PathBuf::new()), (0, 0), 0));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (link, batches) = link(&runtime, 1);
        let mut saved = Saved::new(Store::in_memory().unwrap(), now);
        let mut lane = Lane::new(destination(), link, Arc::default());
        lane.open_flow("p", &source, &mut saved);
        lane.attach(&source, (file, files.get(file).unwrap()), &Start::default());
        let pipeline = serde_json::json!({"name": "p", "sources": [], "destinations": []});
        let running = Running {
            pipeline: serde_json::from_value(pipeline).unwrap(),
            sources: vec![source],
            lanes: vec![lane],
            stock: Stock::default(),
        };
        Self {
            runtime,
            _dir: dir,
            path,
            files,
            file,
            saved,
            running,
            batches,
            next_batches: None,
            links: 1,
            under_way: Vec::new(),
            written: 0,
            flush: false,
            pace: Pace::Kept,
            ahead: Duration::ZERO,
            arrived: BTreeMap::new(),
        }
    }

    fn lane(&mut self) -> &mut Lane {
        &mut self.running.lanes[0]
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Write { lines, length } => {
                let text = format!("{}\n", "x".repeat(length)).repeat(lines);
                self.write(text.as_bytes());
            }
            Step::Truncate => {
                OpenOptions::new()
                    .write(true)
                    .open(&self.path)
                    .unwrap()
                    .set_len(0)
                    .unwrap();
                self.look();
            }
            Step::Pump => self.pump(),
            Step::Settle { place, drop_every } => self.settle(place, drop_every),
            Step::Restart => {
                let (link, batches) = self.link();
                self.lane().replace_link(link);
                self.batches = batches;
                self.under_way.clear();
            }
            Step::Change => {
                let (link, batches) = self.link();
                self.lane().succeed(destination(), link, Now::read());
                self.next_batches = Some(batches);
            }
        }
    }

    fn link(&mut self) -> (Link, mpsc::Receiver<Parcel>) {
        self.links += 1;
        link(&self.runtime, self.links)
    }

    /// As the engine does before each turn of a lane.
    fn relink(&mut self) {
        let before = self.lane().id();
        self.lane().relink(Now::read());
        if self.lane().id() != before {
            self.batches = self.next_batches.take().unwrap();
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        let mut file = OpenOptions::new().append(true).open(&self.path).unwrap();
        file.write_all(bytes).unwrap();
        self.written += bytes.len() as u64;
        self.look();
    }

    /// As the engine looks at a file.
    fn look(&mut self) {
        let file = self.files.get_mut(self.file).unwrap();
        let (before, facts) = (file.size, Facts::of(file.fd().unwrap()).unwrap());
        match file.observe(&facts, Now::read()) {
            Seen::Same | Seen::Touched => {}
            Seen::Grew { by } => self.running.lanes[0].grew(self.file, by),
            Seen::Replaced => {
                self.running.lanes[0].began_anew(self.file, self.files.get(self.file).unwrap(), (before, Now::read()));
            }
        }
    }

    fn now(&self) -> Now {
        let now = Now::read();
        Now {
            instant: now.instant + self.ahead,
            wall: now.wall + i64::try_from(self.ahead.as_nanos()).unwrap(),
        }
    }

    fn pump(&mut self) {
        self.relink();
        let mut ledger = Ledger::new(Budget::new(None, 1), vec![(vec![0], 0)]);
        let now = self.now();
        let mut turn = Turn::new((&mut self.files, &mut self.saved, now), &mut ledger);
        (turn.flush, turn.pace) = (self.flush, self.pace);
        self.running.pump(0, &mut turn);
        assert!(turn.rechecks.is_empty(), "{:?}", turn.rechecks);
        while let Ok(batch) = self.batches.try_recv() {
            self.under_way.push(batch);
        }
    }

    fn settle(&mut self, place: usize, drop_every: usize) {
        if self.under_way.is_empty() {
            return;
        }
        let Parcel { sequence, batch } = self.under_way.remove(place % self.under_way.len());
        let records = 0..batch.records.len();
        let dropped = records.filter(|index| drop_every > 0 && index % drop_every == 0);
        let dropped = dropped.map(|index| (index, DropCause::Rejected)).collect();
        let lines = batch.records.iter();
        let lines = lines.map(|record| (record.offset, (batch.line(record).to_vec(), record.source_bytes)));
        self.arrived.extend(lines);
        self.running.lanes[0].settle(
            Settled {
                sequence,
                batch,
                dropped,
            },
            &self.files,
            &mut self.saved,
            Now::read(),
        );
    }

    /// As at the end of the process.
    fn forget(&mut self) {
        self.running.lanes[0].forget_formers(&self.files, &mut self.saved, (Now::read(), Remember::WhatIsRead));
    }

    /// Bytes that aren't settled, counted without the account.
    fn unsettled(&self) -> u64 {
        let lane = &self.running.lanes[0];
        let size = self.files.get(self.file).unwrap().size;
        let end = |cursor: &Cursor| if cursor.ended { cursor.read } else { size };
        lane.cursors
            .values()
            .map(|cursor| end(cursor) - cursor.settled.offset)
            .chain(lane.formers.iter().map(|former| former.unread))
            .sum()
    }

    fn check(&self) {
        let lane = &self.running.lanes[0];
        let account = lane.flows[&SourceId(1)].account;
        assert_eq!(account.discovered(), self.written, "every byte is discovered once");
        assert_eq!(account.pending(), self.unsettled());
    }

    fn check_memory(&self) {
        let memory = self.running.memory();
        assert!(memory <= 1 << 20, "{memory} bytes held");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_accounts_are_exact_at_every_moment(steps in proptest::collection::vec(step(), 1..80)) {
        let mut bench = Bench::new();
        for step in steps {
            bench.apply(step);
            bench.check();
            bench.check_memory();
        }
        while bench.unsettled() > 0 {
            bench.forget();
            bench.pump();
            bench.settle(0, 0);
            bench.check();
        }
        let counters = bench.lane().flows[&SourceId(1)].account.counters;
        prop_assert_eq!(counters.acknowledged.bytes + counters.dropped_bytes(), bench.written);
    }
}

#[test]
fn a_file_that_shrank_in_the_middle_of_a_line_since_it_was_looked_at_is_looked_at_again() {
    let mut bench = Bench::new();
    std::fs::write(&bench.path, "x".repeat(100)).unwrap();
    bench.files.get_mut(bench.file).unwrap().size = 5_000;
    let mut ledger = Ledger::new(Budget::new(None, 1), vec![(vec![0], 0)]);
    let mut turn = Turn::new((&mut bench.files, &mut bench.saved, Now::read()), &mut ledger);
    bench.running.pump(0, &mut turn);
    assert_eq!(turn.rechecks, [(bench.file, Recheck::Short)]);
}

/// Else it would send again what it has read of the new content, once others find out that there is one.
#[test]
fn who_has_read_nothing_of_a_content_takes_no_other_one_for_it() {
    let rechecks = |head: &[u8], text: &str| {
        let mut bench = Bench::new();
        bench.write("old\n".repeat(100).as_bytes());
        let file = bench.files.get_mut(bench.file).unwrap();
        file.head.push(0, head);
        std::fs::write(&bench.path, text).unwrap();
        let mut ledger = Ledger::new(Budget::new(None, 1), vec![(vec![0], 0)]);
        let mut turn = Turn::new((&mut bench.files, &mut bench.saved, Now::read()), &mut ledger);
        bench.running.pump(0, &mut turn);
        let rechecks: Vec<_> = turn.rechecks.iter().map(|(_, recheck)| *recheck).collect();
        (rechecks, bench.batches.try_recv().is_ok())
    };
    let longer = "new\n".repeat(101);
    assert_eq!(
        rechecks(b"old\n", &longer),
        (vec![Recheck::Rewritten], false),
        "another has read of it"
    );
    assert_eq!(rechecks(b"", "new\n"), (vec![Recheck::Short], false), "nobody has");
    assert_eq!(rechecks(b"new\n", &longer), (vec![], true), "it is the same");
}

#[test]
fn a_destination_that_takes_over_gets_what_was_gathered_of_a_truncated_file() {
    let mut bench = Bench::new();
    let in_flight = Limits::of(&destination()).in_flight;
    for _ in 0..=in_flight {
        bench.apply(Step::Write { lines: 2, length: 80 });
        bench.pump();
    }
    assert_eq!(bench.under_way.len(), in_flight, "the last lines wait for their turn");
    bench.apply(Step::Truncate);
    bench.apply(Step::Change);
    (0..in_flight).for_each(|_| bench.settle(0, 0));
    bench.pump();
    bench.settle(0, 0);
    bench.check();
    let counters = bench.lane().flows[&SourceId(1)].account.counters;
    assert_eq!(counters.acknowledged.bytes, bench.written);
}

/// Lanes of a pipeline share buffers, though one gathers more than another.
#[test]
fn buffers_of_a_destination_with_larger_batches_stop_nobody() {
    let large = || Batch {
        text: Vec::with_capacity(4 << 20),
        ..Batch::default()
    };
    let mut bench = Bench::new();
    bench.running.stock.spare = vec![large()];
    bench.apply(Step::Write { lines: 2, length: 80 });
    bench.pump();
    assert_eq!(bench.under_way.len(), 1);
    bench.lane().open = Some(OpenBatch::new(large()));
    bench.apply(Step::Write { lines: 2, length: 80 });
    bench.pump();
    assert_eq!(bench.under_way.len(), 2, "also where it has them already");
}
