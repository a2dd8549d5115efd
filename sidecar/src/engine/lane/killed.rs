//! A process that is killed before any of its writes, and the next one that goes on where it was. The test is the
//! application, the kernel and the destination.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{File as StdFile, OpenOptions};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use tokio::sync::mpsc;

use super::super::budget::{Budget, Ledger};
use super::super::files::Seen;
use super::super::lockstep::Stock;
use super::super::running::Running;
use super::super::source::{Tail, identity};
use super::super::start;
use super::tests::{destination, link};
use super::*;
use crate::batch::{DropCause, Settled};
use crate::positions::{Store, kill};
use crate::reading::facts::Facts;

const FILES: usize = 3;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// So many lines of about so many bytes.
    Write {
        file: usize,
        lines: usize,
        length: usize,
    },
    Truncate {
        file: usize,
    },
    Pump,
    /// The batch at this place of those under way; every so many records are dropped.
    Settle {
        place: usize,
        drop_every: usize,
    },
    /// Time goes by, and what is due is written.
    Wait {
        milliseconds: u64,
    },
    /// What is under way comes back never.
    Relink,
    /// Before the write of this number from now on. Of what is under way then, some has arrived.
    Kill {
        writes: usize,
        arrived: u8,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..FILES, 1..200_usize, 20..300_usize).prop_map(|(file, lines, length)| Step::Write { file, lines, length }),
        6 => Just(Step::Pump),
        6 => (0..8_usize, prop_oneof![3 => Just(0), 1 => 1..5_usize])
            .prop_map(|(place, drop_every)| Step::Settle { place, drop_every }),
        3 => prop_oneof![Just(1), Just(25), Just(1_500)].prop_map(|milliseconds| Step::Wait { milliseconds }),
        1 => Just(Step::Relink),
        2 => (0..12_usize, any::<u8>()).prop_map(|(writes, arrived)| Step::Kill { writes, arrived }),
    ]
}

/// One process.
struct Process {
    files: Files,
    ids: Vec<FileId>,
    saved: Saved,
    running: Running,
    batches: mpsc::Receiver<Parcel>,
    under_way: Vec<Parcel>,
}

impl Process {
    fn lane(&self) -> &Lane {
        &self.running.lanes[0]
    }

    fn settle(&mut self, settled: Settled, now: Now) {
        self.running.lanes[0].settle(settled, &self.files, &mut self.saved, now);
    }
}

/// What outlives processes.
struct World {
    runtime: tokio::runtime::Runtime,
    dir: tempfile::TempDir,
    process: Option<Process>,
    transforms: Vec<pipeline::Transform>,
    now: Now,
    /// Lines that are in the files, or were; false where a truncation may have taken them unread.
    written: BTreeMap<Vec<u8>, bool>,
    bytes: u64,
    arrived: HashSet<Vec<u8>>,
    dropped: HashSet<Vec<u8>>,
    /// Of lines that came in a batch whose settlement came back.
    done: HashSet<Vec<u8>>,
    /// Where each line was when it left for the first time.
    left: HashMap<Vec<u8>, (u64, i64)>,
    batches: HashMap<u64, Vec<u8>>,
    /// Batches of which records were dropped: what is settled of them in one file isn't sent again with the rest.
    judged: HashSet<u64>,
    arrives: u8,
    kills: usize,
    truncations: usize,
}

impl World {
    fn new(transforms: &serde_json::Value) -> Self {
        kill::never();
        let dir = tempfile::tempdir().unwrap();
        let mut world = Self {
            runtime: tokio::runtime::Builder::new_current_thread().build().unwrap(),
            dir,
            process: None,
            transforms: serde_json::from_value(transforms.clone()).unwrap(),
            now: Now {
                instant: Instant::now(),
                wall: 1_800_000_000_000_000_000,
            },
            written: BTreeMap::new(),
            bytes: 0,
            arrived: HashSet::new(),
            dropped: HashSet::new(),
            done: HashSet::new(),
            left: HashMap::new(),
            batches: HashMap::new(),
            judged: HashSet::new(),
            arrives: 0,
            kills: 0,
            truncations: 0,
        };
        (0..FILES).for_each(|file| _ = StdFile::create(world.path(file)).unwrap());
        world.start();
        world
    }

    fn path(&self, file: usize) -> PathBuf {
        self.dir.path().join(format!("{file}.log"))
    }

    /// As the engine takes over a configuration and finds its files.
    fn start(&mut self) {
        let config = serde_json::json!({"name": "s", "paths": ["/var/log/*.log"]});
        let config = serde_json::from_value(config).unwrap();
        let mut source = Source::new(SourceId(1), config, &self.transforms, [].into()).unwrap();
        let (link, batches) = link(&self.runtime, 1);
        let store = Store::open(&self.dir.path().join("state")).unwrap();
        assert_eq!(store.torn(), 0);
        let mut saved = Saved::new(store, self.now);
        let mut lane = Lane::new(destination(), link, Arc::default());
        lane.open_flow("p", &source, &mut saved);
        let (mut files, mut ids) = (Files::default(), Vec::new());
        for file in 0..FILES {
            let fd = StdFile::open(self.path(file)).unwrap();
            let facts = Facts::of(&fd).unwrap();
            let head = start::read_head(&fd, super::super::head::HEAD);
            let id = files.insert(fd.into(), &facts, head, self.now);
            let origin = source.origin(&format!("/var/log/{file}.log"), identity(facts.id));
            source
                .tails
                .insert(id, Tail::new(origin, (0, PathBuf::new()), (0, 0), file as u64));
            let found = start::find(&lane, &source, (files.get(id).unwrap(), &files), &mut saved).unwrap();
            lane.attach(&source, (id, files.get(id).unwrap()), &found);
            lane.save_start((SourceId(1), id), &files, &mut saved, self.now);
            ids.push(id);
        }
        let pipeline = serde_json::json!({"name": "p", "sources": [], "destinations": []});
        let running = Running {
            pipeline: serde_json::from_value(pipeline).unwrap(),
            sources: vec![source],
            lanes: vec![lane],
            stock: Stock::default(),
        };
        self.process = Some(Process {
            files,
            ids,
            saved,
            running,
            batches,
            under_way: Vec::new(),
        });
    }

    fn apply(&mut self, step: Step) {
        if let Step::Kill { writes, arrived } = step {
            kill::after(writes);
            self.arrives = arrived;
            return;
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| self.live(step)));
        self.receive();
        if let Err(panic) = outcome {
            if !panic.is::<kill::Killed>() {
                resume_unwind(panic);
            }
            self.die();
        }
        self.check();
    }

    fn live(&mut self, step: Step) {
        match step {
            Step::Write { file, lines, length } => self.write(file, lines, length),
            Step::Truncate { file } => self.truncate(file),
            Step::Pump => self.pump(),
            Step::Settle { place, drop_every } => self.settle(place, drop_every),
            Step::Wait { milliseconds } => {
                self.now.instant += Duration::from_millis(milliseconds);
                self.now.wall += i64::try_from(milliseconds).unwrap() * 1_000_000;
                let process = self.process.as_mut().unwrap();
                process.saved.flush(self.now);
            }
            Step::Relink => {
                let process = self.process.as_mut().unwrap();
                let (link, batches) = link(&self.runtime, process.lane().id().0 + 1);
                process.running.lanes[0].replace_link(link);
                process.batches = batches;
                process.under_way.clear();
            }
            Step::Kill { .. } => unreachable!(),
        }
    }

    fn die(&mut self) {
        kill::never();
        self.kills += 1;
        let process = self.process.take().unwrap();
        for (index, parcel) in process.under_way.iter().enumerate() {
            if self.arrives >> (index % 8) & 1 == 1 {
                self.arrive(&parcel.batch, 0);
            }
        }
        drop(process);
        self.now.instant += Duration::from_secs(1);
        self.now.wall += 1_000_000_000;
        self.start();
    }

    fn write(&mut self, file: usize, lines: usize, length: usize) {
        let mut out = OpenOptions::new().append(true).open(self.path(file)).unwrap();
        for _ in 0..lines {
            let line = format!("{file} {:06} {}", self.written.len(), "x".repeat(length)).into_bytes();
            out.write_all(&[&line[..], b"\n"].concat()).unwrap();
            self.bytes += line.len() as u64 + 1;
            let must_arrive = self.transforms.is_empty() || !is_left_out(&line);
            self.written.insert(line, must_arrive);
        }
        self.look(file);
    }

    fn truncate(&mut self, file: usize) {
        self.truncations += 1;
        let name = format!("{file} ").into_bytes();
        for (line, must_arrive) in &mut self.written {
            *must_arrive &= !line.starts_with(&name);
        }
        OpenOptions::new()
            .write(true)
            .open(self.path(file))
            .unwrap()
            .set_len(0)
            .unwrap();
        self.look(file);
    }

    /// As the engine looks at a file.
    fn look(&mut self, file: usize) {
        let Process {
            files, ids, running, ..
        } = self.process.as_mut().unwrap();
        let lane = &mut running.lanes[0];
        let id = ids[file];
        let known = files.get_mut(id).unwrap();
        let (before, facts) = (known.size, Facts::of(known.fd().unwrap()).unwrap());
        match known.observe(&facts, self.now) {
            Seen::Same | Seen::Touched => {}
            Seen::Grew { by } => lane.grew(id, by),
            Seen::Replaced => lane.began_anew(id, files.get(id).unwrap(), (before, self.now)),
        }
    }

    fn pump(&mut self) {
        let process = self.process.as_mut().unwrap();
        let mut ledger = Ledger::new(Budget::new(None, 1), vec![(vec![0], 0)]);
        let mut turn = Turn::new((&mut process.files, &mut process.saved, self.now), &mut ledger);
        process.running.pump(0, &mut turn);
        assert!(turn.rechecks.is_empty(), "{:?}", turn.rechecks);
    }

    /// What was handed over before is handed over again as it was, and only if its settlement didn't come back.
    fn receive(&mut self) {
        let Some(process) = &mut self.process else { return };
        while let Ok(parcel) = process.batches.try_recv() {
            let Parcel { sequence, batch } = &parcel;
            for record in &batch.records {
                let line = batch.line(record).to_vec();
                assert!(self.transforms.is_empty() || !is_left_out(&line));
                assert!(!self.done.contains(&line), "batch {} holds what was done", *sequence);
                let place = (*sequence, record.time);
                let first = *self.left.entry(line).or_insert(place);
                if self.truncations == 0 {
                    assert_eq!(place, first);
                }
            }
            let times = batch.records.iter().flat_map(|record| record.time.to_le_bytes());
            let content = batch.text.iter().copied().chain(times).collect::<Vec<_>>();
            let before = self.batches.entry(*sequence).or_insert_with(|| content.clone());
            if self.truncations == 0 && !self.judged.contains(sequence) {
                assert!(*before == content, "batch {sequence} has changed");
            }
            process.under_way.push(parcel);
        }
    }

    fn settle(&mut self, place: usize, drop_every: usize) {
        let process = self.process.as_mut().unwrap();
        if process.under_way.is_empty() {
            return;
        }
        let Parcel { sequence, batch } = process.under_way.remove(place % process.under_way.len());
        let lines: Vec<_> = batch.records.iter().map(|record| batch.line(record).to_vec()).collect();
        let dropped: Vec<_> = (0..lines.len())
            .filter(|index| drop_every > 0 && index % drop_every == 0)
            .map(|index| (index, DropCause::Rejected))
            .collect();
        let is_stored = dropped.is_empty();
        if !is_stored {
            self.judged.insert(sequence);
        }
        self.arrive(&batch, drop_every);
        let process = self.process.as_mut().unwrap();
        let settled = Settled {
            sequence,
            batch,
            dropped,
        };
        process.settle(settled, self.now);
        if is_stored {
            self.done.extend(lines);
        }
    }

    fn arrive(&mut self, batch: &Batch, drop_every: usize) {
        for (index, record) in batch.records.iter().enumerate() {
            let line = batch.line(record).to_vec();
            if drop_every > 0 && index % drop_every == 0 {
                self.dropped.insert(line);
            } else {
                self.arrived.insert(line);
            }
        }
    }

    /// The accounts against what the cursors say.
    fn check(&self) {
        let Some(process) = &self.process else { return };
        let (lane, files) = (process.lane(), &process.files);
        let account = lane.flows[&SourceId(1)].account;
        let counters = account.counters;
        let settled = counters.acknowledged.bytes + counters.filtered_bytes() + counters.dropped_bytes();
        assert_eq!(account.discovered(), settled + account.pending());
        let unsettled = |cursor: &Cursor| {
            let end = if cursor.ended {
                cursor.read
            } else {
                files.get(cursor.file).unwrap().size
            };
            end - cursor.settled.offset
        };
        let unsettled: u64 = lane.cursors.values().map(|cursor| unsettled(cursor)).sum();
        let formers: u64 = lane.formers.iter().map(|former| former.unread).sum();
        assert_eq!(account.pending(), unsettled + formers);
    }

    fn finish(&mut self) {
        kill::never();
        let mut turns = 0;
        while self.process.as_ref().unwrap().lane().pending_bytes() > 0 {
            turns += 1;
            assert!(turns < 100_000, "it goes on for ever");
            let process = self.process.as_mut().unwrap();
            let Process {
                files, saved, running, ..
            } = process;
            running.lanes[0].forget_formers(files, saved, (self.now, Remember::WhatIsRead));
            self.apply(Step::Pump);
            self.apply(Step::Settle {
                place: 0,
                drop_every: 0,
            });
        }
        let missing = self.written.iter().filter(|(line, must_arrive)| {
            **must_arrive && !self.arrived.contains(*line) && !self.dropped.contains(*line)
        });
        assert_eq!(missing.count(), 0, "lines are lost");
        let counters = self.process.as_ref().unwrap().lane().flows[&SourceId(1)]
            .account
            .counters;
        if self.kills == 0 {
            let settled = counters.acknowledged.bytes + counters.filtered_bytes() + counters.dropped_bytes();
            assert_eq!(settled, self.bytes);
        }
    }
}

/// By [`filter`]: all of one file, so that there are batches without records, and half of the others.
fn is_left_out(line: &[u8]) -> bool {
    line[0] == b'2' || (b'0'..=b'4').contains(&line[7])
}

fn filter() -> serde_json::Value {
    serde_json::json!([{"drop": {"when": {"field": "body", "matches": "^2|^.{7}[0-4]"}}}])
}

fn run(steps: Vec<Step>, transforms: &serde_json::Value) {
    let mut world = World::new(transforms);
    for step in steps {
        world.apply(step);
    }
    world.finish();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whenever_a_process_is_killed_the_next_sends_the_same_batches_again_and_nothing_else_twice(
        steps in proptest::collection::vec(step(), 1..120),
    ) {
        run(steps, &serde_json::json!([]));
    }

    #[test]
    fn what_was_meant_for_a_truncated_content_never_hides_a_line_of_the_new_one(
        steps in proptest::collection::vec(
            prop_oneof![12 => step(), 1 => (0..FILES).prop_map(|file| Step::Truncate { file })], 1..120),
    ) {
        run(steps, &serde_json::json!([]));
    }

    #[test]
    fn what_is_left_out_stays_left_out_whenever_a_process_is_killed(
        steps in proptest::collection::vec(step(), 1..120),
    ) {
        run(steps, &filter());
    }
}
