//! What holds for any line, whatever the format and the transforms.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::batch::{Clock, Marks};
use crate::destination::{json_lines, samples};

/// A source of this format with these transforms.
fn program(format: &Value, transforms: &Value) -> Program {
    let source = json!({"name": "s", "paths": ["/a/b"], "format": format});
    let source: Source = serde_json::from_value(source).unwrap();
    let transforms: Vec<Transform> = serde_json::from_value(transforms.clone()).unwrap();
    Program::new(&source, &transforms).unwrap().unwrap()
}

fn run(program: &Program, lines: &[Vec<u8>]) -> (Batch, Tally) {
    let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
    let mut batch = samples::batch(&lines);
    let tally = program.run(&mut batch, (0, 0), &mut Memory::default(), &mut Scratch::default());
    (batch, tally)
}

/// Everything that any destination may show of a batch.
fn seen(batch: &Batch) -> Vec<u8> {
    [json_lines(batch), batch.text.clone()].concat()
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(text, part).is_some()
}

fn formats() -> Vec<Value> {
    vec![
        json!({"type": "Text"}),
        json!({"type": "JSON"}),
        json!({"type": "JSON", "body": "m"}),
        json!({"type": "Logfmt"}),
        json!({"type": "CRI"}),
        json!({"type": "Regex", "regex": {"pattern": r"^(?<m>\S*) (?<n>(?<o>\S*)[^=]*)=?(?<b>.*)"}}),
        json!({"type": "Regex", "regex": {"pattern": r#"(?<m>[a-z0-9@.:"-]+)[,}]"#}}),
    ]
}

const SECRETS: [&str; 6] = [
    "4111111111111111",
    "5555 5555 5555 4444",
    "jane.doe@mail.example.com",
    "10.20.30.40",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "eyJhbGciOiJSU0EifQ.a2V5.aXY.dGV4dA.dGFn",
];

/// Lines of all formats with secrets in them, where people and programs put them.
fn line_with_secrets() -> impl Strategy<Value = String> {
    let secret = proptest::sample::select(&SECRETS[..]);
    (secret.clone(), secret, "[a-z ]{0,6}", 0..9).prop_map(|(one, two, words, shape)| match shape {
        0 => format!("{words} {one} {two}"),
        1 => format!("<{one}> ({two}),{words}"),
        2 => {
            json!({"m": format!("{words} {one}"), "b": {"c": [two, {"d": one}]}, "e": {(two): {(one): 1}}}).to_string()
        }
        3 => json!({"m": format!("\n{one}\t\"{two}\""), (format!(" {two}")): words}).to_string(),
        4 => format!(r#"m="{one}" b="{words}\n{two}" c=d"#),
        5 => format!("2026-11-01T00:00:00Z stdout F {words} {one},{two}"),
        6 => format!(
            "{{\"m\":\"{one}\",\"x\":1e999,\"deep\":{}\"{two}\"{}}}",
            "[".repeat(200),
            "]".repeat(200)
        ),
        7 => format!("{{\"m\":\"{one}\" broken {two}"),
        _ => format!("user={one};to={two} {words}"),
    })
}

#[test]
fn no_line_takes_more_than_linear_time() {
    let steps = json!([
        {"redact": {"presets": ["CreditCard", "Email", "IPv4", "JWT"], "patterns": [{"pattern": r"(a|b)+c\S+$", "replacement": "x"}]}},
        {"drop": {"when": {"field": "m", "matches": r"(\w+\s?)+!$"}}},
        {"remove": {"fields": ["b"]}},
    ]);
    let long = |part: &str| part.repeat((64 << 10) / part.len());
    let lines = [
        long("4"),
        long("4 1"),
        long("4111-"),
        long("a@"),
        long("a@b."),
        long("1.1.1."),
        long("eyJ.eyJ."),
        long("eyJhbGciOiJIUzI1NiJ9."),
        long("a=\\\" "),
        long("a="),
        long("\\u"),
        format!("{{\"m\":\"{}\"}}", long("4111111111111111 a@b.org ")),
        format!("{{\"m\":[{}1]}}", long("\"1.1.1.1\",")),
        format!("m=\"{}\"", long("\\n1.1.1.1 ")),
        long("{\"a\":"),
        long("b"),
    ];
    for format in formats() {
        let program = program(&format, &steps);
        for line in &lines {
            let started = Instant::now();
            run(&program, &[line.clone().into_bytes()]);
            let took = started.elapsed();
            // Quadratic time would be a minute.
            assert!(took < Duration::from_secs(10), "{took:?} {format} {}", &line[..20]);
        }
    }
}

#[test]
fn a_rate_passes_no_more_than_it_says_and_all_that_is_below_it() {
    let format = json!({"type": "JSON", "timestamp": {"field": "t", "layout": "UnixMilli"}});
    let steps = json!([{"rateLimit": {"recordsPerSecond": 20, "burst": 5}}]);
    let program = program(&format, &steps);
    // (milliseconds between lines, lines, the most and the least that pass)
    for (step, lines, most, least) in [
        (0, 300, 5, 5),
        (10, 1000, 205, 200),
        (50, 200, 200, 200),
        (3600, 100, 100, 100),
    ] {
        let lines: Vec<Vec<u8>> = (0..lines)
            .map(|n| format!("{{\"t\":{}}}", n * step).into_bytes())
            .collect();
        let (batch, tally) = run(&program, &lines);
        let passed = batch.records.len();
        assert!((least..=most).contains(&passed), "{step}: {passed}");
        assert_eq!(tally.filtered[2].records, (lines.len() - passed) as u64);
    }
}

#[test]
fn a_sample_of_more_holds_a_sample_of_less() {
    let lines: Vec<Vec<u8>> = (0..500)
        .map(|n| format!("{{\"id\":\"{}\",\"n\":{n}}}", n / 3).into_bytes())
        .collect();
    for key in [json!(null), json!("id"), json!("missing")] {
        let kept = |percent: u8| {
            let mut sample = json!({"percent": percent});
            if !key.is_null() {
                sample["key"] = key.clone();
            }
            let program = program(&json!({"type": "JSON"}), &json!([{"sample": sample}]));
            let (batch, _) = run(&program, &lines);
            batch.records.iter().map(|record| record.offset).collect::<Vec<_>>()
        };
        let mut before = kept(0);
        for percent in [5, 20, 50, 99, 100] {
            let more = kept(percent);
            assert!(before.iter().all(|offset| more.contains(offset)), "{percent} {key}");
            before = more;
        }
        assert_eq!(before.len(), lines.len());
    }
}

proptest! {
    // Each case compiles its patterns.
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn nothing_of_a_secret_is_seen_anywhere_and_once_is_enough(lines in proptest::collection::vec(line_with_secrets(), 1..12)) {
        let steps = json!([{"redact": {"presets": ["CreditCard", "Email", "IPv4", "JWT"]}}, {"set": {"fields": {"x": "y"}}}]);
        let lines: Vec<Vec<u8>> = lines.into_iter().map(String::into_bytes).collect();
        for format in formats() {
            let program = program(&format, &steps);
            let (batch, _) = run(&program, &lines);
            let out = seen(&batch);
            for secret in SECRETS {
                prop_assert!(!contains(&out, secret.as_bytes()), "{} {} {}", secret, format, String::from_utf8_lossy(&out));
            }
            let bodies: Vec<Vec<u8>> = batch.records.iter().map(|record| batch.line(record).to_vec()).collect();
            let (again, _) = run(&self::program(&json!({"type": "Text"}), &steps), &bodies);
            let twice: Vec<Vec<u8>> = again.records.iter().map(|record| again.line(record).to_vec()).collect();
            prop_assert_eq!(bodies, twice);
        }
    }

    #[test]
    fn a_removed_or_overwritten_field_is_seen_nowhere(
        before in "[a-z]{0,3}",
        order in Just(vec![
            json!({"remove": {"fields": ["b"]}}),
            json!({"redact": {"presets": ["Email"], "patterns": [{"pattern": "z+", "replacement": "-"}]}}),
            json!({"set": {"fields": {"o": "new"}}}),
            json!({"set": {"fields": {"team": "pay"}}}),
        ]).prop_shuffle(),
    ) {
        let steps = Value::Array(order);
        let regex = json!({"type": "Regex", "regex": {"pattern": r"^(?<m>\S*) (?<o>\S+) (?<b>.*)$"}});
        for (format, line) in [
            (json!({"type": "JSON"}), format!(r#"{{"m":"{before}","b":{{"deep":["Hidden"],"x":"Hidden"}},"o":"Older","b":"Hidden"}}"#)),
            (json!({"type": "JSON", "body": "b"}), format!(r#"{{"m":"{before}","b":"Hidden","o":"Older"}}"#)),
            (json!({"type": "Logfmt"}), format!(r#"m={before} b="Hidden \" Hidden" o=Older"#)),
            (regex, format!("{before} Older Hidden a@b.org Hidden")),
        ] {
            let (batch, tally) = run(&program(&format, &steps), &[line.into_bytes()]);
            prop_assert_eq!(tally.unparsed, 0);
            let out = seen(&batch);
            prop_assert!(!contains(&out, b"Hidden"), "{}", String::from_utf8_lossy(&out));
            prop_assert!(!contains(&out, b"Older"), "{}", String::from_utf8_lossy(&out));
        }
    }

    #[test]
    fn keep_and_drop_part_the_records_and_not_turns_both_round(
        field in proptest::sample::select(vec!["a", "b.c", "body", "severity", "log.file.name", "missing"]),
        test in proptest::sample::select(vec![
            json!({"equals": "x"}), json!({"in": ["x", "1", "INFO"]}), json!({"exists": true}), json!({"exists": false}),
            json!({"matches": "[x1]"}), json!({"equals": ""}), json!({"in": ["access.log"]}),
        ]),
        lines in proptest::collection::vec(r#"\{"a":("x"|"y"|1|null)(,"b":\{"c":("x"|2)\})?(,"level":"(info|warn|odd)")?\}|broken x|"#, 1..10),
    ) {
        let lines: Vec<Vec<u8>> = lines.into_iter().map(String::into_bytes).collect();
        let format = json!({"type": "JSON", "severity": {"field": "level"}});
        let offsets = |verb: &str, not: bool| {
            let mut when = test.clone();
            when["field"] = json!(field);
            when["not"] = json!(not);
            let (batch, _) = run(&program(&format, &json!([{verb: {"when": when}}])), &lines);
            batch.records.iter().map(|record| record.offset).collect::<Vec<u64>>()
        };
        let kept = offsets("keep", false);
        let dropped = offsets("drop", false);
        prop_assert_eq!(&kept, &offsets("drop", true));
        prop_assert_eq!(&dropped, &offsets("keep", true));
        let mut all = [kept, dropped].concat();
        all.sort_unstable();
        let starts = lines.iter().scan(0, |at, line| {
            let start = *at;
            *at += line.len() as u64 + 1;
            Some(start)
        });
        prop_assert_eq!(all, starts.collect::<Vec<u64>>());
    }

    #[test]
    fn any_bytes_are_shipped_and_what_cannot_be_parsed_stays_as_it_is(
        lines in proptest::collection::vec(proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'"'), Just(b'\\'), Just(b'='), Just(b'{'), Just(b':')], 0..40), 1..8),
        zone in proptest::sample::select(vec!["RFC3339", "Unix", "%b %d %H:%M:%S"]),
    ) {
        let lines: Vec<Vec<u8>> = lines.into_iter().map(|line| line.into_iter().filter(|byte| *byte != b'\n').collect()).collect();
        for mut format in formats() {
            if format["type"] != "Text" {
                format["timestamp"] = json!({"field": "m", "layout": zone});
                format["severity"] = json!({"field": "b"});
            }
            let steps = json!([{"sample": {"percent": 100}}]);
            let (batch, tally) = run(&program(&format, &steps), &lines);
            prop_assert_eq!(batch.records.len(), lines.len());
            let unparsed = batch.records.iter().filter(|record| record.marks != Marks::default()).count();
            prop_assert_eq!(tally.unparsed, unparsed as u64);
            for (record, line) in batch.records.iter().zip(&lines) {
                if record.marks.unparsed && record.field_count == 0 {
                    prop_assert_eq!(batch.line(record), line.as_slice());
                    prop_assert_eq!(record.clock, Clock::Reading);
                }
            }
            for text in json_lines(&batch).split(|byte| *byte == b'\n').filter(|text| !text.is_empty()) {
                prop_assert!(serde_json::from_slice::<&serde_json::value::RawValue>(text).is_ok());
            }
        }
    }
}
