//! Files in every kind of encoding, read as the engine reads them: as they grow, from one position to the next.

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::batch::Marks;
use crate::reading::lines::{self, Input, LineState, Passage, Tail};

/// Encodings of each kind, and what a text in them is made of. In UTF-16 some of it has the byte of a newline, also
/// beside a zero; in Shift_JIS the second byte of a character may be a backslash.
const ENCODINGS: [(&str, &[&str]); 15] = [
    ("utf-8", &["a", "é", "€", "𠀀", " "]),
    (
        "utf-16le",
        &["a", "é", "\u{010a}", "\u{0a00}䄀", "\u{0a0a}", "𠀊", "😀"],
    ),
    (
        "utf-16be",
        &["a", "é", "\u{010a}", "\u{0a00}a", "\u{000d}\u{0a00}", "𠀊", "😀"],
    ),
    ("windows-1252", &["a", "é", "€", "ÿ"]),
    ("windows-1251", &["a", "Ж", "я", "№"]),
    ("iso-8859-15", &["a", "€", "ß"]),
    ("koi8-r", &["a", "Ъ", "Ц", "─"]),
    ("macintosh", &["a", "é", "†"]),
    ("shift_jis", &["a", "日", "表", "ｱ", "ソ"]),
    ("gbk", &["a", "中", "文", "€"]),
    ("gb18030", &["a", "中", "ß", "𠀀", "é"]),
    ("big5", &["a", "中", "功"]),
    ("euc-jp", &["a", "日", "ｱ", "本"]),
    ("euc-kr", &["a", "한", "똠"]),
    ("iso-2022-jp", &["a", "日", "本", "~"]),
];

fn charset(label: &str) -> Charset {
    Charset::of_label(label).unwrap()
}

fn encode(charset: Charset, text: &str) -> Vec<u8> {
    let units = || text.encode_utf16();
    if charset.0 == UTF_16LE {
        return units().flat_map(u16::to_le_bytes).collect();
    }
    if charset.0 == UTF_16BE {
        return units().flat_map(u16::to_be_bytes).collect();
    }
    let (bytes, _, lossy) = charset.0.encode(text);
    assert!(!lossy, "{text:?} can't be said in {charset:?}");
    bytes.into_owned()
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    text: String,
    offset: u64,
    source_bytes: u32,
    marks: Marks,
    /// It is the rest of the one before.
    goes_on: bool,
}

/// A file that is read as it grows.
struct Reader {
    charset: Charset,
    max_line: usize,
    at: usize,
    state: LineState,
    lines: Vec<Line>,
    undecodable: u64,
    /// Bytes that were read when no record was there to count them with: ends of lines that were shipped without.
    alone: usize,
}

impl Reader {
    fn new(charset: Charset, max_line: usize) -> Self {
        Self {
            charset,
            max_line,
            at: 0,
            state: LineState::Fresh,
            lines: Vec::new(),
            undecodable: 0,
            alone: 0,
        }
    }

    /// Reads on in the part of the file that is there.
    fn read(&mut self, file: &[u8], tail: Tail) {
        let passage = Passage {
            offset: self.at as u64,
            state: self.state,
            charset: self.charset.of_file(file),
            max_line: self.max_line,
            tail,
        };
        let consumed = lines::consumable(&file[self.at..], &passage);
        let (mut text, mut records) = (file[self.at..self.at + consumed].to_vec(), Vec::new());
        let output = lines::split(&mut text, &mut records, Input::alone(passage));
        assert_eq!(output.consumed, consumed);
        self.undecodable += decode(passage.charset, (&mut text, 0), &mut records, &mut Vec::new());
        for record in &records {
            let line = &text[record.start as usize..record.end as usize];
            assert_eq!(text[record.end as usize], b'\n');
            self.lines.push(Line {
                text: String::from_utf8_lossy(line).into_owned(),
                offset: record.offset,
                source_bytes: record.source_bytes,
                marks: record.marks,
                goes_on: self.state == LineState::RestOfPartial && record.offset == passage.offset,
            });
        }
        let counted: usize = records.iter().map(|record| record.source_bytes as usize).sum();
        assert!(records.is_empty() || counted == consumed);
        self.alone += consumed - counted;
        (self.at, self.state) = (self.at + consumed, output.state);
    }

    fn texts(&self) -> Vec<&str> {
        self.lines.iter().map(|line| line.text.as_str()).collect()
    }

    /// The lines, with the parts of each put together.
    fn whole(&self) -> Vec<String> {
        let mut whole: Vec<String> = Vec::new();
        for line in &self.lines {
            match whole.last_mut() {
                Some(last) if line.goes_on => last.push_str(&line.text),
                _ => whole.push(line.text.clone()),
            }
        }
        whole
    }
}

fn all_at_once(label: &str, file: &[u8], max_line: usize) -> Reader {
    let mut reader = Reader::new(charset(label), max_line);
    reader.read(file, Tail::Ship);
    reader
}

#[test]
fn line_ends_are_found_in_every_encoding_and_offsets_are_those_of_the_file() {
    for (label, alphabet) in ENCODINGS {
        let word = alphabet.concat();
        // A carriage return that no newline follows is text.
        let texts = [word.as_str(), "", "b\rc", &word, "d\r\rd", "last"];
        let ends = ["\n", "\n", "\r\n", "\r\n", "\n", ""];
        let charset = charset(label);
        let parts: Vec<_> = texts
            .iter()
            .zip(ends)
            .map(|(text, end)| encode(charset, &format!("{text}{end}")))
            .collect();
        let reader = all_at_once(label, &parts.concat(), 1000);
        assert_eq!(reader.texts(), texts, "{label}");
        let mut offset = 0;
        for (line, part) in reader.lines.iter().zip(&parts) {
            assert_eq!(
                (line.offset, line.source_bytes as usize),
                (offset, part.len()),
                "{label}"
            );
            offset += part.len() as u64;
        }
        assert_eq!(reader.undecodable, 0, "{label}");
        let partial: Vec<_> = reader.lines.iter().map(|line| line.marks.partial).collect();
        assert_eq!(partial, [false, false, false, false, false, true], "{label}");
    }
}

#[test]
fn a_line_that_is_too_long_is_cut_between_characters_in_every_encoding() {
    for (label, alphabet) in ENCODINGS {
        let (charset, word) = (charset(label), alphabet.concat());
        let file = encode(charset, &format!("{word}\n{word}\r\nnext\n"));
        let length = encode(charset, &word).len();
        let newline = charset.unit();
        for max_line in 1..length {
            let reader = all_at_once(label, &file, max_line);
            let [first, second, ..] = &reader.lines[..] else {
                panic!("{label}: {:?}", reader.lines)
            };
            for (line, end) in [(first, newline), (second, 2 * newline)] {
                assert!(word.starts_with(&line.text), "{label} cut at {max_line}: {line:?}");
                assert!(line.marks.truncated && !line.marks.partial, "{label}: {line:?}");
                assert_eq!(line.source_bytes as usize, length + end, "{label}");
            }
            let whole = encode(charset, &first.text).len();
            assert!(whole <= max_line + 3, "{label} cut at {max_line}: {first:?}");
            assert_eq!((reader.at, reader.undecodable), (file.len(), 0), "{label}");
        }
    }
}

#[test]
fn bytes_that_mean_nothing_are_replaced_and_counted_and_end_with_their_line() {
    let cases: [(&str, &[u8], &[&str], u64); 7] = [
        (
            "utf-8",
            b"ok\na\xff\xfeb\nend\n",
            &["ok", "a\u{fffd}\u{fffd}b", "end"],
            1,
        ),
        // The first half of a character, and the line ends.
        (
            "shift_jis",
            b"a\x93\nb\x93\n\x93\xfa\n",
            &["a\u{fffd}", "b\u{fffd}", "日"],
            2,
        ),
        ("gb18030", b"a\x81\x30\n\xd6\xd0\n", &["a\u{fffd}", "中"], 1),
        ("euc-kr", b"\xc7\n\xc7\xd1\n", &["\u{fffd}", "한"], 1),
        // Half of a pair.
        ("utf-16le", b"\x3d\xd8\n\0a\0\n\0", &["\u{fffd}", "a"], 1),
        ("utf-16be", b"\xd8\x3d\0\n\0a\0\n", &["\u{fffd}", "a"], 1),
        // Its writer didn't switch back at the line's end.
        ("iso-2022-jp", b"\x1b$BF|\nplain\n", &["日", "plain"], 0),
    ];
    for (label, file, expected, undecodable) in cases {
        let reader = all_at_once(label, file, 1000);
        assert_eq!(
            (reader.texts(), reader.undecodable),
            (expected.to_vec(), undecodable),
            "{label}"
        );
    }
}

#[test]
fn a_byte_order_mark_is_no_text_and_says_what_a_file_is_in() {
    let utf8 = "é\nb\n".as_bytes();
    let cases: [(&[u8], Vec<u8>); 3] = [
        (b"\xef\xbb\xbf", utf8.to_vec()),
        (b"\xff\xfe", encode(charset("utf-16le"), "é\nb\n")),
        (b"\xfe\xff", encode(charset("utf-16be"), "é\nb\n")),
    ];
    for (mark, text) in cases {
        for label in ["utf-8", "utf-16le", "windows-1252"] {
            let file = [mark, &text].concat();
            let reader = all_at_once(label, &file, 1000);
            assert_eq!(reader.texts(), ["é", "b"], "{label} {mark:?}");
            let first = &reader.lines[0];
            assert_eq!(first.offset, mark.len() as u64, "{label} {mark:?}");
            let sum: u32 = reader.lines.iter().map(|line| line.source_bytes).sum();
            assert_eq!(sum as usize, file.len(), "{label} {mark:?}");
        }
    }
    assert_eq!(
        all_at_once("utf-8", b"a\n\xef\xbb\xbfb\n", 1000).texts(),
        ["a", "\u{feff}b"]
    );
}

#[test]
fn what_is_not_there_as_a_whole_waits() {
    for (label, alphabet) in ENCODINGS {
        let charset = charset(label);
        for character in alphabet.iter().flat_map(|text| text.chars()).filter(|one| *one != '\r') {
            let bytes = encode(charset, &format!("a{character}"));
            // What begins with an escape sequence may be anything until it is complete.
            let begins = encode(charset, "a").len();
            for length in begins + 1..bytes.len() {
                let unfinished = charset.unfinished(&bytes[..length]);
                assert!(
                    unfinished > 0 || label == "iso-2022-jp",
                    "{label} {character:?} at {length}"
                );
                assert!(unfinished <= length - begins, "{label} {character:?} at {length}");
            }
            if label != "iso-2022-jp" {
                assert_eq!(charset.unfinished(&bytes), 0, "{label} {character:?}");
            }
        }
        assert_eq!(charset.unfinished(&encode(charset, "a\r")), charset.unit(), "{label}");
    }
}

#[test]
fn a_change_to_utf_16_goes_on_at_the_next_unit() {
    let file = encode(charset("utf-16le"), "one\ntwo\n");
    let mut reader = Reader::new(charset("utf-16le"), 1000);
    // Where reading it as UTF-8 has found a line's end: between the two bytes of a newline.
    reader.at = 7;
    reader.read(&file, Tail::Wait);
    assert_eq!(reader.texts(), ["two"]);
    assert_eq!((reader.lines[0].offset, reader.lines[0].source_bytes), (8, 9));
}

/// A text in one of the encodings: lines, each with its end.
fn written() -> impl Strategy<Value = (&'static str, Vec<(String, &'static str)>)> {
    select(ENCODINGS.to_vec()).prop_flat_map(|(label, alphabet)| {
        let text = proptest::collection::vec(select(alphabet.to_vec()), 0..12);
        let line = (text.prop_map(|words| words.concat()), select(vec!["\n", "\r\n"]));
        (Just(label), proptest::collection::vec(line, 1..12))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// However a file grows and wherever reading begins anew: lines out are lines in, and every byte is counted once.
    #[test]
    fn lines_out_are_lines_in(
        (label, lines) in written(),
        steps in proptest::collection::vec((1..30_usize, prop_oneof![4 => Just(Tail::Wait), 1 => Just(Tail::Ship)]), 1..20),
        max_line in prop_oneof![Just(1000_usize), 1..20_usize],
    ) {
        let charset = charset(label);
        let parts: Vec<_> = lines.iter().map(|(text, end)| encode(charset, &format!("{text}{end}"))).collect();
        let file = parts.concat();
        let mut reader = Reader::new(charset, max_line);
        let (mut size, mut steps) = (0, steps.into_iter().cycle());
        while size < file.len() {
            let (by, tail) = steps.next().unwrap();
            size = (size + by).min(file.len());
            // The engine waits longer for the rest of a character, and escapes can't be read from their middle.
            let ships = tail == Tail::Ship && max_line == 1000 && label != "iso-2022-jp"
                && !charset.is_unfinished(&file[reader.at..size]);
            reader.read(&file[..size], if ships { tail } else { Tail::Wait });
        }
        prop_assert_eq!(reader.at, file.len());
        prop_assert_eq!(reader.undecodable, 0, "{} {:?}", label, reader.texts());
        let sum: usize = reader.lines.iter().map(|line| line.source_bytes as usize).sum();
        if max_line == 1000 {
            let expected: Vec<_> = lines.iter().map(|(text, _)| text.clone()).collect();
            prop_assert_eq!(reader.whole(), expected);
            prop_assert_eq!(sum + reader.alone, file.len());
            prop_assert!(reader.alone <= lines.len() * 2 * charset.unit());
        } else {
            prop_assert_eq!(reader.lines.len(), lines.len());
            for (line, (text, _)) in reader.lines.iter().zip(&lines) {
                let is_short = encode(charset, text).len() <= max_line;
                prop_assert!(text.starts_with(&line.text), "{:?} of {:?}", line, text);
                prop_assert!(line.marks.truncated || line.text == *text);
                prop_assert!(!is_short || line.text == *text || label == "iso-2022-jp", "{:?} of {:?}", line, text);
            }
        }
        let offsets = reader.lines.iter().map(|line| line.offset);
        prop_assert!(offsets.clone().zip(offsets.skip(1)).all(|(one, next)| one < next));
    }
}
