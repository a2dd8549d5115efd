use proptest::prelude::*;

use super::*;

const PARTIAL: Marks = Marks {
    truncated: false,
    partial: true,
    unparsed: false,
};
const TRUNCATED: Marks = Marks {
    truncated: true,
    partial: false,
    unparsed: false,
};

fn input(max_line: usize, tail: Tail) -> Input {
    Input {
        from: 0,
        file: 0,
        previous: None,
        time: 5,
        passage: Passage {
            offset: 100,
            state: LineState::Fresh,
            charset: Charset::UTF8,
            max_line,
            tail,
        },
    }
}

type Lines = Vec<(String, u32, Marks)>;

fn lines(raw: &[u8], state: LineState, mut input: Input) -> (Lines, Output) {
    let (mut text, mut records) = (raw.to_vec(), Vec::new());
    input.passage.state = state;
    let output = split(&mut text, &mut records, input);
    let lines = records
        .iter()
        .map(|record| {
            let line = &text[record.start as usize..record.end as usize];
            assert_eq!(text[record.end as usize], b'\n');
            (
                String::from_utf8_lossy(line).into_owned(),
                record.source_bytes,
                record.marks,
            )
        })
        .collect();
    (lines, output)
}

#[test]
fn lines_are_cut_and_the_rest_is_left() {
    let (lines, output) = lines(b"ab\n\nc\r\nrest", LineState::Fresh, input(10, Tail::Wait));
    let plain = Marks::default();
    assert_eq!(
        lines,
        [
            ("ab".into(), 3, plain),
            (String::new(), 1, plain),
            ("c".into(), 3, plain)
        ]
    );
    assert_eq!((output.consumed, output.time), (7, 5 + 3 * TIME_STEP));
}

#[test]
fn an_over_long_line_is_cut_marked_and_counted_once() {
    let (found, output) = lines(b"abcdefg\nx\n", LineState::Fresh, input(4, Tail::Wait));
    assert_eq!(
        found,
        [("abcd".into(), 8, TRUNCATED), ("x".into(), 2, Marks::default())]
    );
    assert_eq!((output.truncated, output.state), (1, LineState::Fresh));

    let (found, output) = lines(b"abcdefg", LineState::Fresh, input(4, Tail::Wait));
    assert_eq!(found, [("abcd".into(), 7, TRUNCATED)]);
    assert_eq!((output.consumed, output.state), (7, LineState::SkipRest));
    let (found, output) = lines(b"hij\nnext\n", output.state, input(4, Tail::Wait));
    assert_eq!(found, [("next".into(), 9, Marks::default())]);
    assert_eq!(output.state, LineState::Fresh);
}

#[test]
fn a_cut_never_splits_a_character() {
    let (found, _) = lines("abcé\n".as_bytes(), LineState::Fresh, input(4, Tail::Wait));
    assert_eq!(found, [("abc".into(), 6, TRUNCATED)]);
}

#[test]
fn both_parts_of_an_unterminated_line_are_marked() {
    let (found, output) = lines(b"a\nhalf", LineState::Fresh, input(10, Tail::Ship));
    assert_eq!(found, [("a".into(), 2, Marks::default()), ("half".into(), 4, PARTIAL)]);
    assert_eq!(output.state, LineState::RestOfPartial);
    let (found, output) = lines(b" rest\nb\n", output.state, input(10, Tail::Wait));
    assert_eq!(found, [(" rest".into(), 6, PARTIAL), ("b".into(), 2, Marks::default())]);
    assert_eq!(output.state, LineState::Fresh);
}

#[test]
fn a_newline_alone_completes_a_partial_line_without_a_record() {
    let (found, output) = lines(b"\nb\n", LineState::RestOfPartial, input(10, Tail::Wait));
    assert_eq!(found, [("b".into(), 3, Marks::default())]);
    assert_eq!(output.consumed, 3);
}

proptest! {
    /// However the bytes come in pieces, the same text comes out and every consumed byte is accounted for.
    #[test]
    fn pieces_make_no_difference(
        raw in proptest::collection::vec(prop_oneof![3 => Just(b'\n'), 1 => Just(b'\r'), 8 => Just(b'x')], 0..200),
        piece in 1..40_usize,
    ) {
        let max_line = 6;
        let (mut whole_text, mut whole) = (raw.clone(), Vec::new());
        split(&mut whole_text, &mut whole, input(max_line, Tail::Wait));

        let (mut text, mut records, mut state, mut position) = (Vec::new(), Vec::new(), LineState::Fresh, 0);
        let mut end = 0;
        while end < raw.len() {
            end = (end + piece).min(raw.len());
            let from = text.len();
            text.extend_from_slice(&raw[position..end]);
            let previous = records.len().checked_sub(1);
            let whole = input(max_line, Tail::Wait);
            let passage = Passage { offset: position as u64, state, ..whole.passage };
            let expected = consumable(&text[from..], &passage);
            let output = split(&mut text, &mut records, Input { from, previous, passage, ..whole });
            prop_assert_eq!(output.consumed, expected);
            (position, state) = (position + output.consumed, output.state);
        }
        let sum: usize = records.iter().map(|record: &Record| record.source_bytes as usize).sum();
        prop_assert_eq!(sum, position);
        // A cut line's text may differ when a carriage return stands exactly at the cut; its length can't.
        prop_assert_eq!(records.len(), whole.len());
        prop_assert_eq!(text.len(), whole_text.len());
    }
}
