//! Files with what another one has, or had.

use super::super::super::start;
use super::*;

impl Bench {
    /// Another file that was just found, and where it would be begun.
    fn beside(&mut self, text: &[u8]) -> (FileId, Start) {
        let path = self.path.with_extension("1");
        // What is there already with this content isn't made anew.
        if std::fs::read(&path).ok().as_deref() != Some(text) {
            let _ = std::fs::remove_file(&path);
            std::fs::write(&path, text).unwrap();
        }
        let fd = StdFile::open(&path).unwrap();
        let facts = Facts::of(&fd).unwrap();
        let id = self.files.insert(fd.into(), &facts, text.to_vec(), Now::read());
        let file = (self.files.get(id).unwrap(), &self.files);
        let start = start::find(&self.running.lanes[0], &self.running.sources[0], file, &mut self.saved);
        (id, start.unwrap())
    }

    fn follow(&mut self, (id, start): (FileId, Start)) -> CursorId {
        let file = self.files.get(id).unwrap();
        let source = &mut self.running.sources[0];
        let origin = source.origin("/var/log/a.log.1", identity(file.key));
        let tail = Tail::new(origin, (0, PathBuf::new()), (0, 0), 1);
        source.tails.insert(id, tail);
        let lane = &mut self.running.lanes[0];
        lane.attach(source, (id, file), &start);
        lane.by_file[&(SourceId(1), id)]
    }

    fn delete(&mut self) {
        // The kernel's clock of files has ticks of some milliseconds, and what was made before has to be older.
        std::thread::sleep(Duration::from_millis(50));
        std::fs::remove_file(&self.path).unwrap();
        self.look();
        self.files.note_deleted(self.file, Now::read());
    }

    fn text(&self) -> Vec<u8> {
        std::fs::read(&self.path).unwrap()
    }
}

fn begins_at(start: &Start) -> (u64, bool) {
    (start.position.offset, start.copy_of.is_some())
}

/// Applications begin many a file alike.
#[test]
fn only_a_content_that_left_its_file_has_copies() {
    let mut bench = Bench::new();
    bench.apply(Step::Write { lines: 2, length: 80 });
    bench.pump();
    let text = bench.text();
    let (_, start) = bench.beside(&text);
    assert_eq!(begins_at(&start), (0, false), "there are two of them");
    bench.apply(Step::Truncate);
    // The kernel's clock of files has ticks of some milliseconds.
    std::thread::sleep(Duration::from_millis(50));
    std::fs::remove_file(bench.path.with_extension("1")).unwrap();
    let (_, start) = bench.beside(&text);
    assert_eq!(begins_at(&start), (0, false), "it was made afterwards");
    bench.lane().formers[0].left_at = i64::MAX;
    let mut other = text.clone();
    other[161] = b'y';
    let (_, start) = bench.beside(&other);
    assert_eq!(begins_at(&start), (0, false), "it begins alike");
    let copy = bench.beside(&text);
    assert_eq!(begins_at(&copy.1), (162, true));
    bench.follow(copy);
    let (_, start) = bench.beside(&text);
    assert_eq!(begins_at(&start), (0, false), "the copy was found");
}

/// As of a file that was closed, when a short line came.
#[test]
fn where_little_is_known_of_the_end_the_beginning_tells_a_copy() {
    let mut bench = Bench::new();
    bench.apply(Step::Write { lines: 2, length: 80 });
    bench.pump();
    bench.settle(0, 0);
    let text = bench.text();
    bench.files.get_mut(bench.file).unwrap().head.push(0, &text);
    let id = bench.file;
    bench.lane().rest(id);
    bench.write(b"short\n");
    bench.pump();
    let text = bench.text();
    let known = bench.files.get_mut(bench.file).unwrap().head.clone();
    bench.apply(Step::Truncate);
    assert!(known.is_telling());
    let former = &mut bench.lane().formers[0];
    (former.left_at, former.head) = (i64::MAX, known);
    let mut other = text.clone();
    other[10] = b'y';
    let (_, start) = bench.beside(&other);
    assert_eq!(begins_at(&start), (0, false));
    let (_, start) = bench.beside(&text);
    assert_eq!(begins_at(&start), (168, true));
}

/// The deleted file is read to its end.
#[test]
fn what_is_not_read_yet_of_a_deleted_file_is_not_read_in_its_copy() {
    let mut bench = Bench::new();
    bench.apply(Step::Write { lines: 2, length: 80 });
    bench.pump();
    bench.apply(Step::Write { lines: 2, length: 80 });
    let text = bench.text();
    bench.files.get_mut(bench.file).unwrap().head = Head::of(text.clone());
    let more = [text, b"what the application goes on with\n".to_vec()].concat();
    std::fs::write(bench.path.with_extension("1"), &more).unwrap();
    bench.delete();
    let copy = bench.beside(&more);
    assert_eq!(begins_at(&copy.1), (324, true));
    let copy = bench.follow(copy);
    let file = bench.files.get(bench.file).unwrap();
    let source = bench.running.sources[0].id;
    bench.running.lanes[0].detach(source, (bench.file, file), Fate::Vanished, Now::read());
    let lane = bench.lane();
    assert_eq!(
        lane.cursors[&copy].read, 162,
        "it is let go of: what it had is in the copy"
    );
    assert_eq!(lane.flows[&SourceId(1)].account.counters.dropped_bytes(), 0);
    bench.settle(0, 0);
    bench.pump();
    bench.settle(0, 0);
    let account = &bench.lane().flows[&SourceId(1)].account;
    assert_eq!(
        (account.counters.acknowledged.bytes, account.pending()),
        (more.len() as u64, 0)
    );
}

/// What nobody has read is lost where the file that is found has none of it.
#[test]
fn an_empty_file_is_no_copy() {
    let mut bench = Bench::new();
    let text = "a line that is not read in time\n".repeat(3);
    bench.write(text.as_bytes());
    bench.files.get_mut(bench.file).unwrap().head.push(0, text.as_bytes());
    bench.apply(Step::Truncate);
    bench.lane().formers[0].left_at = i64::MAX;
    let (_, start) = bench.beside(b"");
    assert_eq!(begins_at(&start), (0, false));
}

#[test]
fn what_was_there_before_a_file_was_deleted_may_be_its_copy() {
    let mut bench = Bench::new();
    bench.apply(Step::Write { lines: 2, length: 80 });
    bench.pump();
    let text = bench.text();
    bench.files.get_mut(bench.file).unwrap().head = Head::of(text.clone());
    std::fs::write(bench.path.with_extension("1"), &text).unwrap();
    bench.delete();
    let (_, start) = bench.beside(&text);
    assert_eq!(begins_at(&start), (162, true));
    std::thread::sleep(Duration::from_millis(50));
    std::fs::remove_file(bench.path.with_extension("1")).unwrap();
    let (_, start) = bench.beside(&text);
    assert_eq!(begins_at(&start), (0, false), "the application began anew");
}

/// As while a destination is down.
#[test]
fn nothing_is_lost_of_a_file_that_was_copied_and_truncated_before_any_of_it_was_read() {
    let mut bench = Bench::new();
    let text = "a line that is not read in time\n".repeat(3);
    bench.write(text.as_bytes());
    bench.files.get_mut(bench.file).unwrap().head.push(0, text.as_bytes());
    bench.apply(Step::Truncate);
    bench.lane().formers[0].left_at = i64::MAX;
    let copy = bench.beside(text.as_bytes());
    assert_eq!(begins_at(&copy.1), (0, true));
    bench.follow(copy);
    bench.ahead = Duration::from_secs(60);
    bench.pump();
    bench.settle(0, 0);
    bench.forget();
    let counters = bench.lane().flows[&SourceId(1)].account.counters;
    assert_eq!(
        (counters.acknowledged.bytes, counters.dropped_bytes()),
        (text.len() as u64, 0)
    );
}

/// A process that is killed then goes on in the copy where the original was settled, and not where it was read to.
#[test]
fn nothing_is_saved_of_a_copy_before_what_was_read_of_the_original_is_settled() {
    let mut bench = Bench::new();
    let in_flight = Limits::of(&destination()).in_flight;
    for _ in 0..=in_flight {
        bench.apply(Step::Write { lines: 2, length: 80 });
        bench.pump();
    }
    let more = [bench.text(), b"what was not read of the original\n".to_vec()].concat();
    bench.apply(Step::Truncate);
    bench.lane().formers[0].left_at = i64::MAX;
    let copy = bench.beside(&more);
    let copy = bench.follow(copy);
    bench.pump();
    (0..in_flight).for_each(|_| bench.settle(0, 0));
    bench.pump();
    assert_eq!(
        bench.under_way.len(),
        1,
        "the end of the original has left with the copy's"
    );
    assert_eq!(bench.lane().cursors[&copy].record, None);
    bench.settle(0, 0);
    assert!(bench.lane().cursors[&copy].record.is_some(), "now it may be");
}
