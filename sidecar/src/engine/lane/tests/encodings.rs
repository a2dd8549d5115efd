//! What arrives of files in all kinds of encodings, whatever they are cut into on the way.

use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// Characters of one to four bytes; in UTF-16 some have the byte of a newline.
const LABELS: [(&str, &[&str]); 6] = [
    ("utf-8", &["plain ", "ж", "中", "𠀊"]),
    ("utf-16le", &["plain ", "ж", "𠀊", "\u{0a0a}", "\u{010a}"]),
    ("utf-16be", &["plain ", "ж", "𠀊", "\u{0a0a}", "\u{010a}"]),
    ("windows-1251", &["plain ", "Ж", "№"]),
    ("shift_jis", &["plain ", "表", "ｱ"]),
    ("gb18030", &["plain ", "ж", "中", "𠀊"]),
];

/// Lines are cut where they would fill a batch.
const LONGEST: usize = 16 << 10;

fn encode(label: &str, text: &str) -> Vec<u8> {
    match label {
        "utf-16le" => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        "utf-16be" => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        _ => {
            let encoding = encoding_rs::Encoding::for_label(label.as_bytes()).unwrap();
            encoding.encode(text).0.into_owned()
        }
    }
}

/// Lines that are empty, short, long, and longer than a quantum.
fn lines() -> impl Strategy<Value = (&'static str, Vec<String>)> {
    select(LABELS.to_vec()).prop_flat_map(|(label, words)| {
        let times = prop_oneof![20 => 0..40_usize, 1 => 2_000..6_000_usize, 1 => Just(60_000_usize)];
        let word = (select(words.to_vec()), times);
        let line = proptest::collection::vec(word, 0..4)
            .prop_map(|words| words.iter().map(|(word, times)| word.repeat(*times)).collect());
        (Just(label), proptest::collection::vec(line, 1..40))
    })
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Grow(usize),
    Step(Step),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => prop_oneof![1..200_usize, 1..200_000_usize].prop_map(Act::Grow),
        6 => Just(Act::Step(Step::Pump)),
        6 => (0..8_usize).prop_map(|place| Act::Step(Step::Settle { place, drop_every: 0 })),
        1 => Just(Act::Step(Step::Restart)),
    ]
}

fn source(label: &str, start_pattern: Option<&str>) -> serde_json::Value {
    let mut config = serde_json::json!({"name": "s", "paths": ["/var/log/a.log"], "encoding": label});
    if let Some(pattern) = start_pattern {
        config["multiline"] = serde_json::json!({"startPattern": pattern});
    }
    config
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn lines_out_are_lines_in_whatever_happens_on_the_way(
        (label, lines) in lines(),
        acts in proptest::collection::vec(act(), 1..40),
        // Every line begins a group, so the last stays open.
        start_pattern in prop_oneof![Just(None), Just(Some("^"))],
    ) {
        let mut bench = Bench::with(source(label, start_pattern));
        let (mut expected, mut file) = (BTreeMap::new(), Vec::new());
        for line in &lines {
            let bytes = encode(label, &format!("{line}\n"));
            expected.insert(file.len() as u64, (line.as_str(), bytes.len()));
            file.extend_from_slice(&bytes);
        }
        let mut grown = 0;
        for act in acts {
            match act {
                Act::Grow(by) => {
                    let end = file.len().min(grown + by);
                    bench.write(&file[grown..end]);
                    grown = end;
                }
                Act::Step(step) => bench.apply(step),
            }
            bench.check();
        }
        bench.write(&file[grown..]);
        bench.flush = true;
        while bench.unsettled() > 0 {
            bench.pump();
            bench.settle(0, 0);
            bench.check();
        }
        for (offset, (text, bytes)) in &bench.arrived {
            let text = std::str::from_utf8(text).unwrap();
            let (line, length) = expected.remove(offset).ok_or_else(|| TestCaseError::fail("no line begins there"))?;
            // What is cut off is counted with the line, or with the next one when that is in another batch.
            prop_assert!(text == line || (line.starts_with(text) && length > LONGEST), "{} at {}", label, offset);
            prop_assert!(length > LONGEST || (*bytes as usize) >= length);
        }
        prop_assert!(expected.is_empty(), "{label}: {:?}", expected.keys());
        let counters = bench.running.lanes[0].flows[&SourceId(1)].account.counters;
        prop_assert_eq!(counters.acknowledged.bytes, file.len() as u64);
    }
}

#[test]
fn a_line_of_a_group_that_is_longer_than_a_quantum_is_cut_and_reading_goes_on() {
    for label in ["utf-8", "utf-16be"] {
        let mut bench = Bench::with(source(label, Some("^S")));
        let long = format!("S{}", "x".repeat(900_000));
        for part in ["S one\n two\n", long.as_str(), "\n", " three\nS last\n"] {
            bench.write(&encode(label, part));
            bench.pump();
            bench.check();
        }
        bench.flush = true;
        while bench.unsettled() > 0 {
            bench.pump();
            bench.settle(0, 0);
        }
        let texts: Vec<_> = bench
            .arrived
            .values()
            .map(|(text, _)| &text[..text.len().min(8)])
            .collect();
        assert_eq!(texts, [&b"S one\n t"[..], b"Sxxxxxxx", b" three", b"S last"], "{label}");
    }
}
