//! Several lanes of one pipeline under random writes, truncations, settlements and restarts: whatever they share, each
//! gets every byte once and in order, and its accounts are exact at every moment.

use std::collections::VecDeque;

use super::*;

#[derive(Clone, Copy, Debug)]
enum TeamStep {
    Write {
        file: usize,
        lines: usize,
        length: usize,
    },
    Truncate {
        file: usize,
    },
    Pump,
    /// A batch of this lane is settled: this place of those under way.
    Settle {
        lane: usize,
        place: usize,
    },
    /// This lane settles all it is given, for so many rounds.
    Run {
        lane: usize,
        rounds: usize,
    },
    Restart {
        lane: usize,
    },
}

const LANES: usize = 3;
const FILES: usize = 2;

fn team_step() -> impl Strategy<Value = TeamStep> {
    let (lane, file) = (0..LANES, 0..FILES);
    prop_oneof![
        5 => (file.clone(), 1..200_usize, 1..300_usize)
            .prop_map(|(file, lines, length)| TeamStep::Write { file, lines, length }),
        1 => file.prop_map(|file| TeamStep::Truncate { file }),
        5 => Just(TeamStep::Pump),
        5 => (lane.clone(), 0..8_usize).prop_map(|(lane, place)| TeamStep::Settle { lane, place }),
        4 => (lane.clone(), 1..12_usize).prop_map(|(lane, rounds)| TeamStep::Run { lane, rounds }),
        1 => lane.prop_map(|lane| TeamStep::Restart { lane }),
    ]
}

/// What a test knows of one lane.
struct Member {
    batches: mpsc::Receiver<Parcel>,
    under_way: VecDeque<Parcel>,
    /// By file: which content it is in, and where the next range must begin.
    next: [(usize, u64); FILES],
    /// By file, content and beginning: where ranges end that were settled, in whatever order. Another sending task isn't
    /// given them again.
    settled: HashMap<(usize, usize, u64), u64>,
    /// By batch and file: the content that its range is of.
    of: HashMap<(u64, usize), usize>,
    received: Vec<Arc<Batch>>,
}

struct Team {
    runtime: tokio::runtime::Runtime,
    dir: tempfile::TempDir,
    files: Files,
    ids: Vec<FileId>,
    /// By file: what each of its contents was.
    contents: Vec<Vec<Vec<u8>>>,
    saved: Saved,
    running: Running,
    members: Vec<Member>,
    written: u64,
    line: u64,
    now: Now,
    /// How much time passes from one turn to the next.
    tick: Duration,
}

impl Team {
    fn new(lanes: usize) -> Self {
        Self::with(lanes, &serde_json::json!([]))
    }

    fn with(lanes: usize, transforms: &serde_json::Value) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = serde_json::json!({"name": "s", "paths": ["/var/log/*.log"]});
        let transforms: Vec<pipeline::Transform> = serde_json::from_value(transforms.clone()).unwrap();
        let config = serde_json::from_value(config).unwrap();
        let mut source = Source::new(SourceId(1), config, &transforms, [].into()).unwrap();
        let now = Now::read();
        let (mut files, mut ids) = (Files::default(), Vec::new());
        for index in 0..FILES {
            let path = dir.path().join(index.to_string());
            StdFile::create(&path).unwrap();
            let fd = StdFile::open(&path).unwrap();
            let facts = Facts::of(&fd).unwrap();
            let id = files.insert(fd.into(), &facts, Vec::new(), now);
            let origin = source.origin(&index.to_string(), identity(facts.id));
            let tail = Tail::new(origin, (0, PathBuf::new()), (0, 0), files.next_slot());
            source.tails.insert(id, tail);
            ids.push(id);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut saved = Saved::new(Store::in_memory().unwrap(), now);
        let (mut all, mut members) = (Vec::new(), Vec::new());
        for index in 0..lanes {
            let (link, batches) = link(&runtime, index as u64 + 1);
            let mut lane = Lane::new(destination(), link, Arc::default());
            lane.destination.name = index.to_string();
            lane.open_flow("p", &source, &mut saved);
            for id in &ids {
                lane.attach(&source, (*id, files.get(*id).unwrap()), &Start::default());
            }
            all.push(lane);
            members.push(Member {
                batches,
                under_way: VecDeque::new(),
                next: [(0, 0); FILES],
                settled: HashMap::new(),
                of: HashMap::new(),
                received: Vec::new(),
            });
        }
        let pipeline = serde_json::json!({"name": "p", "sources": [], "destinations": []});
        let running = Running {
            pipeline: serde_json::from_value(pipeline).unwrap(),
            sources: vec![source],
            lanes: all,
            stock: Stock::default(),
        };
        Self {
            runtime,
            dir,
            files,
            ids,
            contents: vec![vec![Vec::new()]; FILES],
            saved,
            running,
            members,
            written: 0,
            line: 0,
            now,
            tick: Duration::from_millis(30),
        }
    }

    fn apply(&mut self, step: TeamStep) {
        match step {
            TeamStep::Write { file, lines, length } => self.write(file, lines, length),
            TeamStep::Truncate { file } => self.truncate(file),
            TeamStep::Pump => self.pump(),
            TeamStep::Settle { lane, place } => self.settle(lane, place),
            TeamStep::Run { lane, rounds } => {
                for _ in 0..rounds {
                    self.pump();
                    while !self.members[lane].under_way.is_empty() {
                        self.settle(lane, 0);
                    }
                }
            }
            TeamStep::Restart { lane } => self.restart(lane),
        }
    }

    fn write(&mut self, file: usize, lines: usize, length: usize) {
        let first = self.line;
        self.line += lines as u64;
        let line = |line: u64| format!("{line} {}\n", "x".repeat(length)).into_bytes();
        let text: Vec<u8> = (first..self.line).flat_map(line).collect();
        let path = self.dir.path().join(file.to_string());
        let mut open = OpenOptions::new().append(true).open(path).unwrap();
        open.write_all(&text).unwrap();
        self.written += text.len() as u64;
        self.contents[file].last_mut().unwrap().extend_from_slice(&text);
        self.look(file);
    }

    fn truncate(&mut self, file: usize) {
        let path = self.dir.path().join(file.to_string());
        OpenOptions::new().write(true).open(path).unwrap().set_len(0).unwrap();
        self.look(file);
    }

    /// As the engine looks at a file.
    fn look(&mut self, index: usize) {
        let id = self.ids[index];
        let file = self.files.get_mut(id).unwrap();
        let (before, facts) = (file.size, Facts::of(file.fd().unwrap()).unwrap());
        match file.observe(&facts, Now::read()) {
            Seen::Same | Seen::Touched => {}
            Seen::Grew { by } => self.running.lanes.iter_mut().for_each(|lane| lane.grew(id, by)),
            Seen::Replaced => {
                self.contents[index].push(Vec::new());
                self.turn(Running::share_open);
                let file = self.files.get(id).unwrap();
                let lanes = self.running.lanes.iter_mut();
                lanes.for_each(|lane| lane.began_anew(id, file, (before, Now::read())));
                self.receive();
            }
        }
    }

    fn turn(&mut self, act: impl FnOnce(&mut Running, &mut Turn<'_>)) {
        let lanes = self.running.lanes.iter().map(Lane::reserved).collect();
        let budget = Budget::new(Some(pipeline::ByteSize::from_mib(16)), self.members.len());
        let mut ledger = Ledger::new(budget, vec![(lanes, self.running.stock.held())]);
        let mut turn = Turn::new((&mut self.files, &mut self.saved, self.now), &mut ledger);
        act(&mut self.running, &mut turn);
        assert!(turn.rechecks.is_empty(), "{:?}", turn.rechecks);
    }

    fn pump(&mut self) {
        self.now.instant += self.tick;
        for index in 0..self.members.len() {
            self.turn(|running, turn| running.pump(index, turn));
        }
        self.receive();
    }

    /// What leaves continues what left before, and is what the file had.
    fn receive(&mut self) {
        for (lane, member) in self.members.iter_mut().enumerate() {
            while let Ok(parcel) = member.batches.try_recv() {
                for (index, range) in parcel.batch.files.iter().enumerate() {
                    let file: usize = range.origin.path.parse().unwrap();
                    let (content, next) = &mut member.next[file];
                    let contents = &self.contents[file];
                    while let Some(end) = member.settled.get(&(file, *content, *next)) {
                        *next = *end;
                    }
                    let records = parcel
                        .batch
                        .records
                        .iter()
                        .filter(|record| record.file as usize == index);
                    let text = records.flat_map(|record| [parcel.batch.line(record), b"\n"].concat());
                    let text: Vec<u8> = text.collect();
                    let place = |offset: u64| usize::try_from(offset).unwrap();
                    let (start, end) = (place(range.bytes.start), place(range.bytes.end));
                    let has = |content: &usize| contents[*content].get(start..end) == Some(&text[..]);
                    if range.bytes.start != *next || !has(content) {
                        assert_eq!(
                            start, 0,
                            "lane {lane}: neither what comes next ({next} of {content}) nor the beginning of a content"
                        );
                        let later = (*content + 1..contents.len()).find(has);
                        *content = later.expect("a later content");
                    }
                    *next = range.bytes.end;
                    member.of.insert((parcel.sequence, file), *content);
                }
                member.received.push(Arc::clone(&parcel.batch));
                member.under_way.push_back(parcel);
            }
        }
    }

    fn settle(&mut self, lane: usize, place: usize) {
        let under_way = &mut self.members[lane].under_way;
        if under_way.is_empty() {
            return;
        }
        let Parcel { sequence, batch } = under_way.remove(place % under_way.len()).unwrap();
        let member = &mut self.members[lane];
        member.received.retain(|known| !Arc::ptr_eq(known, &batch));
        for range in &batch.files {
            let file: usize = range.origin.path.parse().unwrap();
            if let Some(content) = member.of.get(&(sequence, file)) {
                let place = (file, *content, range.bytes.start);
                member.settled.insert(place, range.bytes.end);
            }
        }
        let settled = Settled {
            sequence,
            batch,
            dropped: Vec::new(),
        };
        let buffers = self.running.lanes[lane].settle(settled, &self.files, &mut self.saved, Now::read());
        self.running.keep(buffers);
    }

    /// What is under way is read again, from what is settled.
    fn restart(&mut self, lane: usize) {
        let (link, batches) = link(&self.runtime, self.running.lanes[lane].id().0 + 100);
        self.running.lanes[lane].replace_link(link);
        let member = &mut self.members[lane];
        member.batches = batches;
        member.under_way.clear();
        member.received.clear();
        for (index, id) in self.ids.iter().enumerate() {
            let settled = self.running.lanes[lane].settled_to(*id).unwrap();
            member.next[index] = (self.contents[index].len() - 1, settled);
        }
    }

    fn unsettled(&self, lane: usize) -> u64 {
        let lane = &self.running.lanes[lane];
        let size = |cursor: &Cursor| self.files.get(cursor.file).unwrap().size;
        let end = |cursor: &Cursor| if cursor.ended { cursor.read } else { size(cursor) };
        let cursors = lane.cursors.values().map(|cursor| end(cursor) - cursor.settled.offset);
        cursors.chain(lane.formers.iter().map(|former| former.unread)).sum()
    }

    fn check(&self) {
        for (index, lane) in self.running.lanes.iter().enumerate() {
            let account = lane.flows[&SourceId(1)].account;
            assert_eq!(account.discovered(), self.written, "every byte is discovered once");
            assert_eq!(account.pending(), self.unsettled(index));
        }
        let held = self.running.memory();
        assert!(held <= 8 << 20, "{held} bytes held");
    }

    /// How many of the batches that are under way in both lanes are the same.
    fn shared(&self, one: usize, other: usize) -> usize {
        let has = |batch: &&Arc<Batch>| {
            self.members[other]
                .received
                .iter()
                .any(|known| Arc::ptr_eq(known, batch))
        };
        self.members[one].received.iter().filter(has).count()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn each_lane_gets_every_byte_once_and_in_order(steps in proptest::collection::vec(team_step(), 1..120)) {
        let mut team = Team::new(LANES);
        for step in steps {
            team.apply(step);
            team.check();
        }
        for lane in 0..LANES {
            while team.unsettled(lane) > 0 {
                let known = &mut team.running.lanes[lane];
                known.forget_formers(&team.files, &mut team.saved, (Now::read(), Remember::WhatIsRead));
                team.apply(TeamStep::Run { lane, rounds: 1 });
                team.check();
            }
            let counters = team.running.lanes[lane].flows[&SourceId(1)].account.counters;
            prop_assert_eq!(counters.acknowledged.bytes + counters.dropped_bytes(), team.written);
        }
    }
}

/// The last lane is ahead, has all requests under way that it may have, and the end of the old content in its open batch;
/// the first is offered what comes after.
#[test]
fn the_end_of_a_truncated_content_leaves_before_its_successor() {
    let mut team = Team::new(LANES);
    team.write(0, 141, 227);
    team.pump();
    team.settle(2, 0);
    team.settle(2, 0);
    team.write(0, 175, 273);
    team.pump();
    team.truncate(0);
    team.write(0, 1, 1);
    team.apply(TeamStep::Run { lane: 0, rounds: 3 });
    for lane in 0..LANES {
        team.apply(TeamStep::Run { lane, rounds: 3 });
        team.check();
    }
    assert!(
        team.members.iter().all(|member| member.next[0] == (1, 6)),
        "the new content"
    );
}

#[test]
fn lanes_that_are_level_share_their_batches() {
    let mut team = Team::new(2);
    for _ in 0..3 {
        team.write(0, 100, 300);
        team.write(1, 50, 30);
        team.pump();
        let batches = team.members[0].received.len();
        assert!(batches > 0);
        assert_eq!((team.shared(0, 1), team.members[1].received.len()), (batches, batches));
        for lane in 0..2 {
            team.apply(TeamStep::Run { lane, rounds: 1 });
        }
    }
    assert_eq!((team.unsettled(0), team.unsettled(1)), (0, 0));
}

#[test]
fn a_lane_that_falls_behind_holds_nobody_back_and_shares_again_when_it_is_level() {
    let mut team = Team::new(2);
    let mut held = Vec::new();
    for _ in 0..40 {
        team.write(0, 100, 300);
        team.apply(TeamStep::Run { lane: 0, rounds: 6 });
        assert_eq!(team.unsettled(0), 0, "the other goes on");
        held.push(team.running.memory());
    }
    let window = team.running.lanes[1].window();
    assert_eq!(team.members[1].under_way.len(), window);
    assert!(held.iter().all(|bytes| *bytes < 40 * (16 << 10)), "{held:?}");
    assert_eq!(held[20..].iter().max(), held[30..].iter().max(), "flat: {held:?}");
    team.apply(TeamStep::Run { lane: 1, rounds: 50 });
    assert_eq!(team.unsettled(1), 0);
    team.write(0, 10, 10);
    team.pump();
    assert_eq!(team.shared(0, 1), 1);
}

/// Both have more to read than fits anywhere, so neither ever waits for the other at the end of the file.
#[test]
fn a_lane_that_catches_up_in_the_middle_of_a_backlog_is_level_again() {
    let mut team = Team::new(2);
    team.write(0, 20_000, 300);
    team.apply(TeamStep::Run { lane: 0, rounds: 10 });
    assert!(team.unsettled(0) > 0);
    let rounds = (0..150).take_while(|_| {
        // It is twice as fast.
        for lane in [1, 1, 0] {
            team.settle(lane, 0);
        }
        team.pump();
        team.shared(0, 1) == 0
    });
    assert!((10..150).contains(&rounds.count()), "it was far behind, and caught up");
    assert!(team.unsettled(0) > 0, "still in the backlog");
}

#[test]
fn lanes_that_are_as_fast_as_each_other_stay_together() {
    let mut team = Team::new(2);
    team.tick = Duration::ZERO;
    team.write(0, 20_000, 300);
    let (mut all, mut taken) = (Vec::new(), 0);
    team.pump();
    while team.unsettled(0) + team.unsettled(1) > 0 {
        // By turns, each is ahead by as much as it can be.
        for lane in 0..2 {
            for _ in 0..3 {
                let received = team.members[lane].received.clone();
                let is_new = |batch: &&Arc<Batch>| all.iter().all(|known| !Arc::ptr_eq(known, batch));
                taken += received.len();
                let new: Vec<_> = received.iter().filter(is_new).cloned().collect();
                all.extend(new);
                while !team.members[lane].under_way.is_empty() {
                    team.settle(lane, 0);
                }
                team.pump();
            }
        }
    }
    assert!(
        all.len() > 300 && taken >= 2 * all.len(),
        "{} batches for two",
        all.len()
    );
}

#[test]
fn a_rate_limit_passes_the_same_records_to_all_that_share() {
    let transforms = serde_json::json!([{"rateLimit": {"recordsPerSecond": 1, "burst": 70}}]);
    let mut team = Team::with(2, &transforms);
    for round in 0..6 {
        team.write(0, 30, 10);
        while (0..2).any(|lane| team.unsettled(lane) > 0) {
            for index in 0..2 {
                team.turn(|running, turn| running.pump(index, turn));
            }
            // Which of them is first to read again changes from round to round.
            for lane in [round % 2, (round + 1) % 2] {
                let member = &mut team.members[lane];
                member
                    .under_way
                    .extend(std::iter::from_fn(|| member.batches.try_recv().ok()));
                team.settle(lane, 0);
            }
        }
    }
    let passed = |lane: usize| team.running.lanes[lane].flows[&SourceId(1)].account.counters;
    assert_eq!(passed(0), passed(1));
    assert!(passed(0).acknowledged.records >= 70 && passed(0).filtered[2].records > 0);
}
