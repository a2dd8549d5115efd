use serde_json::{Value, json};

use super::*;
use crate::batch::{FieldKind, Marks};
use crate::destination::samples;

/// What a source of this format, with these transforms, makes of lines.
fn process(format: &Value, transforms: &Value, lines: &[&str]) -> (Batch, Tally) {
    let source = json!({"name": "s", "paths": ["/a/b"], "format": format});
    let source: Source = serde_json::from_value(source).unwrap();
    let transforms: Vec<Transform> = serde_json::from_value(transforms.clone()).unwrap();
    let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
    let mut batch = samples::batch(&lines);
    let program = Program::new(&source, &transforms).unwrap().unwrap();
    let tally = program.run(&mut batch, (0, 0), &mut Memory::default(), &mut Scratch::default());
    (batch, tally)
}

/// Body, severity, fields; `!` stands before a record that couldn't be parsed.
fn shown(batch: &Batch) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let show = |record: &Record| {
        let fields = batch.fields(record).iter().map(|field| {
            let sign = if field.kind == FieldKind::Json { ":" } else { "=" };
            format!(
                " {}{sign}{}",
                text(batch.part(field.name)),
                text(batch.part(field.value))
            )
        });
        let severity = record.severity.map(|severity| format!(" {}", severity_name(severity)));
        let failed = if record.marks.unparsed { "!" } else { "" };
        let fields: String = fields.collect();
        format!(
            "{failed}{}{}{fields}",
            text(batch.line(record)),
            severity.unwrap_or_default()
        )
    };
    batch.records.iter().map(show).collect()
}

fn one(format: &Value, transforms: &Value, line: &str) -> String {
    let (batch, _) = process(format, transforms, &[line]);
    shown(&batch).pop().unwrap_or_default()
}

#[test]
fn plain_text_without_transforms_needs_no_program() {
    let source: Source = serde_json::from_value(json!({"name": "s", "paths": ["/a/b"]})).unwrap();
    assert!(Program::new(&source, &[]).unwrap().is_none());
}

#[test]
fn each_format_finds_its_fields() {
    let regex = json!({"type": "Regex", "regex": {"pattern": r"^(?P<ip>\S+) (?P<status>\d+)(?: (?<extra>x))?"}});
    for (format, line, expected) in [
        (
            json!({"type": "JSON"}),
            r#"{"a":"x","n":1.50,"o":{"k":[1]}}"#,
            r#"{"a":"x","n":1.50,"o":{"k":[1]}} a=x n:1.50 o.k:[1]"#,
        ),
        (
            json!({"type": "JSON", "body": "m"}),
            r#"{"m":"a\nb","":""}"#,
            "a\nb m=a\nb =",
        ),
        (
            json!({"type": "Logfmt"}),
            r#"a=1 b="x \"y\"" flag c="#,
            r#"a=1 b="x \"y\"" flag c= a=1 b=x "y" flag= c="#,
        ),
        (
            json!({"type": "Logfmt", "body": "msg"}),
            r#"msg="tab\tü" n=2"#,
            "tab\tü msg=tab\tü n=2",
        ),
        (regex.clone(), "10.0.0.1 200", "10.0.0.1 200 ip=10.0.0.1 status=200"),
        (regex, "no match", "!no match"),
        (
            json!({"type": "CRI"}),
            "2026-11-01T00:00:00.5Z stderr F hello there",
            "hello there log.iostream=stderr",
        ),
        (
            json!({"type": "CRI"}),
            "2026-11-01T00:00:00.5Z stdout P half\n2026-11-01T00:00:00.6Z stdout F  whole",
            "half whole log.iostream=stdout",
        ),
        (
            json!({"type": "CRI"}),
            "2026-11-01T00:00:00.5Z stdout F",
            " log.iostream=stdout",
        ),
    ] {
        assert_eq!(one(&format, &json!([]), line), expected);
    }
}

#[test]
fn a_line_that_is_not_of_its_format_is_shipped_as_it_is_marked_and_counted() {
    for (kind, lines) in [
        (
            "JSON",
            ["", "[1]", r#"{"a":1"#, r#"{"a":1} x"#, "{'a':1}", "{\"a\":\"\u{1}\"}"],
        ),
        (
            "Logfmt",
            ["", "plain words", r#"a="open"#, "=1", r#"a="x"y"#, r#"a="\u12""#],
        ),
        (
            "CRI",
            [
                "",
                "2026-11-01T00:00:00Z",
                "x stdout F y",
                "2026-11-01T00:00:00Z stdin F y",
                "2026-11-01T00:00:00Z stdout X y",
                " stdout F y",
            ],
        ),
    ] {
        let (batch, tally) = process(&json!({"type": kind}), &json!([]), &lines);
        let expected: Vec<String> = lines.iter().map(|line| format!("!{line}")).collect();
        assert_eq!(shown(&batch), expected, "{kind}");
        assert_eq!(tally.unparsed, 6);
    }
}

#[test]
fn time_and_severity_are_taken_from_their_fields() {
    let format = json!({"type": "JSON", "timestamp": {"field": "t"}, "severity": {"field": "level"}});
    let lines = [
        r#"{"t":"2026-11-01T00:00:00.25Z","level":"warn"}"#,
        r#"{"t":"long ago","level":30}"#,
        r#"{"level":"loud"}"#,
    ];
    let (batch, tally) = process(&format, &json!([]), &lines);
    let clocks: Vec<Clock> = batch.records.iter().map(|record| record.clock).collect();
    assert_eq!(clocks, [Clock::Line, Clock::Reading, Clock::Reading]);
    assert_eq!(batch.records[0].time, 1_793_491_200_250_000_000);
    let severities: Vec<_> = batch.records.iter().map(|record| record.severity).collect();
    assert_eq!(severities, [Some(Severity::Warn), Some(Severity::Info), None]);
    assert_eq!(tally.unparsed, 2, "a time that can't be read is counted");
    assert_eq!(batch.fields(&batch.records[1]).len(), 2, "but the fields stay");
}

#[test]
fn conditions_choose_records() {
    let format = json!({"type": "JSON", "severity": {"field": "level"}});
    let lines = [
        r#"{"level":"error","a":"x"}"#,
        r#"{"level":"debug","a":"y","n":5}"#,
        "broken",
    ];
    for (when, kept) in [
        (json!({"field": "severity", "atLeast": "Info"}), vec![0]),
        (json!({"field": "level", "atLeast": "Debug"}), vec![0, 1]),
        (json!({"field": "severity", "equals": "error"}), vec![0]),
        (json!({"field": "a", "equals": "y"}), vec![1]),
        (json!({"field": "a", "equals": "y", "not": true}), vec![0, 2]),
        (json!({"field": "a", "in": ["x", "y"]}), vec![0, 1]),
        (json!({"field": "n", "equals": "5"}), vec![1]),
        (json!({"field": "n", "exists": true}), vec![1]),
        (json!({"field": "n", "exists": false}), vec![0, 2]),
        (json!({"field": "n", "exists": false, "not": true}), vec![1]),
        (json!({"field": "body", "matches": "^bro"}), vec![2]),
        (json!({"field": "k8s.pod.name", "equals": "server-0"}), vec![0, 1, 2]),
        (json!({"field": "log.file.name", "equals": "other"}), vec![]),
    ] {
        let (batch, tally) = process(&format, &json!([{"keep": {"when": when}}]), &lines);
        let expected: Vec<&str> = kept.iter().map(|index: &usize| lines[*index]).collect();
        let bodies: Vec<&str> = batch
            .records
            .iter()
            .map(|record| std::str::from_utf8(batch.line(record)).unwrap())
            .collect();
        assert_eq!(bodies, expected, "{when}");
        let (dropped, others) = process(&format, &json!([{"drop": {"when": when}}]), &lines);
        assert_eq!(
            dropped.records.len() + kept.len(),
            3,
            "drop is the opposite of keep: {when}"
        );
        assert_eq!(tally.filtered[0].records + others.filtered[0].records, 3);
        let all: usize = lines.iter().map(|line| line.len() + 1).sum();
        assert_eq!(tally.filtered[0].bytes + others.filtered[0].bytes, all as u64);
    }
}

#[test]
fn what_is_known_of_the_pod_cannot_be_claimed_by_a_line() {
    let when = json!([{"keep": {"when": {"field": "k8s.pod.name", "equals": "forged"}}}]);
    assert_eq!(one(&json!({"type": "JSON"}), &when, r#"{"k8s.pod.name":"forged"}"#), "");
}

#[test]
fn a_body_made_of_fields_is_written_anew_once_one_was_touched() {
    let steps = json!([{"remove": {"fields": ["password"]}}, {"set": {"fields": {"team": "pay", "n": "2"}}}]);
    for (format, line, expected) in [
        (
            json!({"type": "JSON"}),
            r#"{"u":"\u00fc","password":"p","n":1}"#,
            r#"{"u":"ü","n":"2","team":"pay"} u=ü n=2 team=pay"#,
        ),
        (
            json!({"type": "Logfmt"}),
            r#"u="a b" password=p n=1"#,
            r#"u="a b" n=2 team=pay u=a b n=2 team=pay"#,
        ),
        (
            json!({"type": "Regex", "regex": {"pattern": r"user=(?<u>\S+) pw=(?<password>\S+)"}}),
            "x user=me pw=secret y",
            "x user=me pw= y u=me n=2 team=pay",
        ),
        (json!({"type": "Text"}), "password=p", "password=p n=2 team=pay"),
        (
            json!({"type": "JSON", "body": "m"}),
            r#"{"m":"hi","password":"p"}"#,
            "hi m=hi n=2 team=pay",
        ),
        (json!({"type": "JSON"}), "not json", "!not json n=2 team=pay"),
    ] {
        assert_eq!(one(&format, &steps, line), expected);
    }
}

#[test]
fn redaction_leaves_nothing_behind_in_body_fields_or_nested_values() {
    let steps = json!([{"redact": {"presets": ["Email", "CreditCard"], "patterns": [{"pattern": r"token=\S+", "replacement": "token=***"}]}}]);
    for (format, line, expected) in [
        (json!({"type": "Text"}), "a@b.org token=x", "[Email] token=***"),
        (
            json!({"type": "JSON"}),
            r#"{"m":"token=a\u0062 \"q\"","o":{"mail":["a@b.org"]},"card":4111111111111111,"n":1}"#,
            r#"{"m":"token=*** \"q\"","o.mail":["[Email]"],"card":"[CreditCard]","n":1} m=token=*** "q" o.mail:["[Email]"] card:"[CreditCard]" n:1"#,
        ),
        (
            json!({"type": "JSON", "body": "m"}),
            r#"{"m":"to a@b.org"}"#,
            "to [Email] m=to [Email]",
        ),
        (json!({"type": "JSON"}), "broken a@b.org", "!broken [Email]"),
        (
            json!({"type": "JSON"}),
            r#"{"a@b.org":{"x":[1e999,"a@b.org"]}}"#,
            r#"{"[Email].x":[1e999,"[Email]"]} [Email].x:[1e999,"[Email]"]"#,
        ),
        (
            json!({"type": "Logfmt"}),
            r#"token=abc user="a@b.org" n=1"#,
            "token=*** user=[Email] n=1 token=*** user=[Email] n=1",
        ),
        (
            json!({"type": "Regex", "regex": {"pattern": r"to=(?<to>\S+) (?<rest>.*)"}}),
            "to=a@b.org token=x y",
            "to=[Email] token=*** y to=[Email] rest=token=*** y",
        ),
        (json!({"type": "JSON"}), r#"{"m":"fine"}"#, r#"{"m":"fine"} m=fine"#),
    ] {
        assert_eq!(one(&format, &steps, line), expected);
    }
}

#[test]
fn a_pattern_for_the_line_finds_the_field_that_it_means() {
    let steps = json!([{"redact": {"patterns": [
        {"pattern": r#""pw":"[^"]*""#, "replacement": r#""pw":"-""#},
        {"pattern": "^[0-9]{9}$", "replacement": "#"},
        {"pattern": "key", "replacement": "***"},
    ]}}]);
    for (format, line, expected) in [
        (
            json!({"type": "JSON"}),
            r#"{"pw":"hunter2","id":"123456789","m":"a key"}"#,
            r##"{"pw":"-","id":"#","m":"a ***"} pw=- id=# m=a ***"##,
        ),
        (
            json!({"type": "Regex", "regex": {"pattern": r"id=(?<id>\d+) (?<m>.*)"}}),
            "id=123456789 a key",
            "id=# a *** id=# m=a ***",
        ),
        (
            json!({"type": "Regex", "regex": {"pattern": r"(?<m>.*)"}}),
            "a key",
            "a *** m=a ***",
        ),
    ] {
        assert_eq!(one(&format, &steps, line), expected);
    }
}

#[test]
fn what_was_removed_or_set_does_not_survive_in_the_body() {
    let redact = json!({"redact": {"presets": ["Email"]}});
    let two = json!({"type": "Regex", "regex": {"pattern": r"^(?<a>\S+) (?<b>\S+) (?<c>\S+)"}});
    for (format, steps, line, expected) in [
        (
            two.clone(),
            json!([{"remove": {"fields": ["a", "c"]}}]),
            "one two three four",
            " two  four b=two",
        ),
        (
            two.clone(),
            json!([redact, {"remove": {"fields": ["a"]}}, {"set": {"fields": {"c": "C"}}}]),
            "one a@b.org three c@d.org",
            " [Email] C [Email] b=[Email] c=C",
        ),
        (
            json!({"type": "JSON"}),
            json!([{"remove": {"fields": ["user"]}}]),
            r#"{"user":{"name":"n","mail":{"work":"w"}},"user.x":1,"users":2}"#,
            r#"{"users":2} users:2"#,
        ),
        (
            json!({"type": "JSON"}),
            json!([{"set": {"fields": {"a": "new"}}}]),
            r#"{"a":"old","b":1,"a":"older"}"#,
            r#"{"b":1,"a":"new"} b:1 a=new"#,
        ),
        (
            json!({"type": "JSON", "body": "m"}),
            json!([{"set": {"fields": {"m": "new"}}}]),
            r#"{"m":"old"}"#,
            "new m=new",
        ),
        (
            json!({"type": "JSON", "body": "m"}),
            json!([{"remove": {"fields": ["m"]}}]),
            r#"{"m":"old","n":1}"#,
            " n:1",
        ),
    ] {
        assert_eq!(one(&format, &steps, line), expected, "{line}");
    }
}

#[test]
fn samples_are_consistent_by_key_and_by_place() {
    let lines: Vec<String> = (0..1000)
        .map(|number| format!(r#"{{"id":"{}","n":{number}}}"#, number / 4))
        .collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let steps = json!([{"sample": {"percent": 25, "key": "id"}}]);
    let (batch, tally) = process(&json!({"type": "JSON"}), &steps, &lines);
    assert_eq!(batch.records.len() % 4, 0, "records with one key share their fate");
    assert!((150..350).contains(&batch.records.len()), "{}", batch.records.len());
    assert_eq!(tally.filtered[1].records, 1000 - batch.records.len() as u64);
    let by_place = json!([{"sample": {"percent": 25}}]);
    let (first, _) = process(&json!({"type": "Text"}), &by_place, &lines);
    let (again, _) = process(&json!({"type": "Text"}), &by_place, &lines);
    assert_eq!(first.records, again.records);
    assert!((150..350).contains(&first.records.len()), "{}", first.records.len());
    for (percent, kept) in [(0, 0), (100, 1000)] {
        let (batch, _) = process(
            &json!({"type": "Text"}),
            &json!([{"sample": {"percent": percent}}]),
            &lines,
        );
        assert_eq!(batch.records.len(), kept);
    }
}

#[test]
fn a_rate_is_kept_by_the_time_of_records() {
    let format = json!({"type": "JSON", "timestamp": {"field": "t", "layout": "Unix"}});
    let lines: Vec<String> = (0..100).map(|number| format!(r#"{{"t":{}}}"#, number / 10)).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let steps = json!([{"rateLimit": {"recordsPerSecond": 3}}]);
    let (batch, tally) = process(&format, &steps, &lines);
    assert_eq!(batch.records.len(), 30);
    assert_eq!(tally.filtered[2].records, 70);
}

#[test]
fn marks_of_reading_stay() {
    let source: Source =
        serde_json::from_value(json!({"name": "s", "paths": ["/a/b"], "format": {"type": "JSON"}})).unwrap();
    let mut batch = samples::batch(&[b"cut"]);
    batch.records[0].marks.truncated = true;
    let program = Program::new(&source, &[]).unwrap().unwrap();
    program.run(&mut batch, (0, 0), &mut Memory::default(), &mut Scratch::default());
    let expected = Marks {
        truncated: true,
        unparsed: true,
        partial: false,
    };
    assert_eq!(batch.records[0].marks, expected);
}

proptest::proptest! {
    // Each case compiles its patterns.
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(48))]

    /// Whatever stands in a line: what is kept and what is left out together make up the source, and nothing panics.
    #[test]
    fn every_byte_is_accounted_for(
        lines in proptest::collection::vec("(\\{\"[ab]\":(\"[^\n]{0,8}\"|1|null|\\{\\})(,\"level\":\"info\")?\\})|[ab=\" \\\\{}:,0-9é\u{0}]{0,30}", 0..20),
        kind in proptest::sample::select(vec!["Text", "JSON", "Logfmt", "CRI"]),
    ) {
        let steps = json!([
            {"set": {"fields": {"x": "y"}}},
            {"redact": {"presets": ["CreditCard", "Email", "IPv4", "JWT"]}},
            {"remove": {"fields": ["b"]}},
            {"drop": {"when": {"field": "a", "matches": "1"}}},
            {"sample": {"percent": 80}},
        ]);
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let (batch, tally) = process(&json!({"type": kind}), &steps, &lines);
        let kept: u64 = batch.records.iter().map(|record| u64::from(record.source_bytes)).sum();
        let filtered: u64 = tally.filtered.iter().map(|amount| amount.bytes).sum();
        proptest::prop_assert_eq!(kept + filtered, batch.source_bytes());
        for record in &batch.records {
            proptest::prop_assert_eq!(batch.field(record, "x").map(|field| batch.part(field.value)), Some(&b"y"[..]));
        }
        shown(&batch);
    }
}
