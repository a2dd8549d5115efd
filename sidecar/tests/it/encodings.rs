//! Files that aren't in UTF-8, with the real program.

use std::fs::OpenOptions;
use std::io::Write;

use serde_json::{Value, json};

use crate::harness::{Sidecar, Workspace, assert_balanced, destination, lines_out, until};

fn append(workspace: &Workspace, name: &str, bytes: &[u8]) {
    let path = workspace.log(name);
    let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(bytes).unwrap();
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn pipeline(workspace: &Workspace, source: &Value) -> Value {
    let out = json!({"name": "out", "stdout": {"format": "JSON"}});
    let mut pipeline = workspace.pipeline("p", &out);
    let members = source.as_object().unwrap().clone();
    pipeline["sources"][0].as_object_mut().unwrap().extend(members);
    pipeline
}

fn records(workspace: &Workspace, count: usize) -> Vec<Value> {
    let lines = lines_out(workspace, count);
    lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn formats_and_groups_see_text_and_a_kill_in_the_middle_repeats_nothing() {
    let mut workspace = Workspace::new();
    let source = json!({
        "encoding": "utf-16le",
        "format": {"type": "Regex", "regex": {"pattern": "^(?P<level>\\p{L}+) (?P<text>(?s:.*))$"}, "body": "text"},
        "multiline": {"startPattern": "^\\p{Lu}+ ", "flushAfter": "10m"},
    });
    workspace.configure(&[pipeline(&workspace, &source)]);
    let sidecar = Sidecar::start(&workspace);
    append(&workspace, "a.log", &[0xff, 0xfe]);
    let (first, second) = ("ОШИБКА первая\r\n", "ОШИБКА вторая ਊ\n  строка\n");
    append(&workspace, "a.log", &utf16(&format!("{first}{second}")));
    sidecar.report_until("the first record", |report| {
        destination(report, "out")["acknowledgedRecords"] == 1
    });
    sidecar.kill();
    // The newline of what comes next is written in two halves.
    let third = utf16("  и ещё\n");
    append(&workspace, "a.log", &third[..third.len() - 1]);
    let sidecar = Sidecar::start(&workspace);
    append(&workspace, "a.log", &third[third.len() - 1..]);
    append(&workspace, "a.log", &utf16("КОНЕЦ всё\n"));
    let records_before = records(&workspace, 2);
    assert!(sidecar.terminate().success());
    let records = records(&workspace, 3);
    assert_eq!(records[..2], records_before);
    let seen: Vec<_> = records
        .iter()
        .map(|record| (record["level"].as_str().unwrap(), record["body"].as_str().unwrap()))
        .collect();
    let expected = [
        ("ОШИБКА", "первая"),
        ("ОШИБКА", "вторая ਊ\n  строка\n  и ещё"),
        ("КОНЕЦ", "всё"),
    ];
    assert_eq!(seen, expected);
    let offsets: Vec<_> = records
        .iter()
        .map(|record| record["log.file.offset"].as_u64().unwrap())
        .collect();
    let (first, second) = (utf16(first).len() as u64, utf16(second).len() as u64);
    assert_eq!(offsets, [2, 2 + first, 2 + first + second + third.len() as u64]);
}

#[test]
fn bytes_that_mean_nothing_are_replaced_and_their_lines_counted() {
    for (encoding, bytes, bodies, undecodable) in [
        ("utf-8", &b"fine\na\xffb\nlast\n"[..], ["fine", "a\u{fffd}b", "last"], 1),
        ("Shift_JIS", b"\x93\xfa\n\x93\n\x95\x5c\n", ["日", "\u{fffd}", "表"], 1),
        ("latin1", b"\xe9\n\x80\n\xff\n", ["é", "€", "ÿ"], 0),
    ] {
        let mut workspace = Workspace::new();
        workspace.configure(&[pipeline(&workspace, &json!({"encoding": encoding}))]);
        append(&workspace, "a.log", bytes);
        let sidecar = Sidecar::start(&workspace);
        let records = records(&workspace, 3);
        let seen: Vec<_> = records.iter().map(|record| record["body"].as_str().unwrap()).collect();
        assert_eq!(seen, bodies, "{encoding}");
        let report = sidecar.report_until("all of it", |report| {
            destination(report, "out")["acknowledgedBytes"] == bytes.len()
        });
        assert_balanced(&report);
        let counted =
            format!("source_errors_total{{pipeline=\"p\",source=\"s\",reason=\"undecodable\"}} {undecodable}\n");
        until("the metrics", || {
            let (_, metrics) = sidecar.get("/metrics")?;
            let is_right = metrics.contains(&counted) || (undecodable == 0 && !metrics.contains("undecodable"));
            is_right.then_some(())
        });
    }
}

#[test]
fn half_a_character_waits_for_its_other_half() {
    let mut workspace = Workspace::new();
    workspace.configure(&[pipeline(&workspace, &json!({"unterminatedAfter": "3s"}))]);
    append(&workspace, "a.log", b"caf\xc3");
    let sidecar = Sidecar::start(&workspace);
    let report = sidecar.report_until("what is whole of it", |report| {
        destination(report, "out")["acknowledgedBytes"] == 3
    });
    assert_eq!(destination(&report, "out")["pendingBytes"], 1);
    append(&workspace, "a.log", b"\xa9\n");
    let records = records(&workspace, 2);
    let seen: Vec<_> = records.iter().map(|record| record["body"].as_str().unwrap()).collect();
    assert_eq!(seen, ["caf", "é"]);
    // One that never comes leaves at the end.
    append(&workspace, "a.log", b"\xc3");
    assert!(sidecar.terminate().success());
    assert_eq!(self::records(&workspace, 3)[2]["body"], "\u{fffd}");
}

#[test]
fn starting_at_the_end_of_a_file_in_utf_16_marks_no_line_as_partial() {
    let mut workspace = Workspace::new();
    let source = json!({"encoding": "utf-16le", "startAt": "End"});
    workspace.configure(&[pipeline(&workspace, &source)]);
    append(&workspace, "a.log", &utf16("old\n"));
    let sidecar = Sidecar::start(&workspace);
    sidecar.report_until("the file", |report| report["pipelines"][0]["sources"][0]["files"] == 1);
    append(&workspace, "a.log", &utf16("new\n"));
    let records = records(&workspace, 1);
    assert_eq!(
        (&records[0]["body"], &records[0]["log.partial"]),
        (&json!("new"), &Value::Null)
    );
}
