//! Formats, transforms and multi-line records, with the real program.

use serde_json::{Value, json};

use crate::harness::{Sidecar, Workspace, assert_balanced, destination, until};

fn json_out() -> Value {
    json!({"name": "out", "stdout": {"format": "JSON"}})
}

/// A pipeline whose source has these members besides its paths.
fn pipeline(workspace: &Workspace, source: &Value, transforms: &Value) -> Value {
    let mut pipeline = workspace.pipeline("p", &json_out());
    let members = source.as_object().unwrap().clone();
    pipeline["sources"][0].as_object_mut().unwrap().extend(members);
    pipeline["transforms"] = transforms.clone();
    pipeline
}

fn records(workspace: &Workspace, count: usize) -> Vec<Value> {
    let lines = crate::harness::lines_out(workspace, count);
    lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn bodies(records: &[Value]) -> Vec<&str> {
    records.iter().map(|record| record["body"].as_str().unwrap()).collect()
}

#[test]
fn parsed_records_carry_their_own_time_severity_and_fields() {
    let mut workspace = Workspace::new();
    let source = json!({"format": {"type": "JSON", "body": "msg", "timestamp": {"field": "ts"}, "severity": {"field": "level"}}});
    let transforms = json!([
        {"keep": {"when": {"field": "severity", "atLeast": "Info"}}},
        {"redact": {"presets": ["Email"]}},
        {"set": {"fields": {"team": "shop"}}},
    ]);
    workspace.configure(&[pipeline(&workspace, &source, &transforms)]);
    workspace.append(
        "a.log",
        "{\"ts\":\"2026-11-01T00:00:00.5Z\",\"level\":\"warn\",\"msg\":\"to a@b.org\",\"n\":1}\n\
         {\"ts\":\"2026-11-01T00:00:01Z\",\"level\":\"debug\",\"msg\":\"left out\"}\nnot json, level unknown\n",
    );
    let sidecar = Sidecar::start(&workspace);
    let report = sidecar.report_until("everything settled", |report| {
        let out = destination(report, "out");
        out["discoveredBytes"].as_u64() > Some(0) && out["pendingBytes"] == 0
    });
    let record = &records(&workspace, 1)[0];
    assert_eq!(record["timestamp"], "2026-11-01T00:00:00.500000000Z");
    for (key, value) in [
        ("severity", json!("WARN")),
        ("body", json!("to [Email]")),
        ("n", json!(1)),
        ("team", json!("shop")),
    ] {
        assert_eq!(record[key], value, "{record}");
    }
    // The line that can't be parsed has no severity, so `keep` leaves it out, too.
    assert_eq!(destination(&report, "out")["filteredRecords"]["filtered"], 2);
    assert_eq!(destination(&report, "out")["acknowledgedRecords"], 1);
    assert_balanced(&report);
    let (_, metrics) = sidecar.get("/metrics").unwrap();
    assert!(metrics.contains(r#"reason="unparsed""#), "{metrics}");
}

#[test]
fn a_source_that_is_left_out_as_a_whole_is_settled_without_a_record() {
    let mut workspace = Workspace::new();
    let transforms = json!([{"drop": {"when": {"field": "body", "exists": true}}}]);
    workspace.configure(&[pipeline(&workspace, &json!({}), &transforms)]);
    // More than is read in one turn.
    workspace.append("a.log", &"some line that nobody wants to see\n".repeat(1_200_000));
    let sidecar = Sidecar::start(&workspace);
    let report = sidecar.report_until("everything settled", |report| {
        destination(report, "out")["filteredRecords"]["filtered"] == 1_200_000
    });
    assert_eq!(destination(&report, "out")["pendingBytes"], 0);
    assert_balanced(&report);
    assert_eq!(workspace.output(), "");
}

#[test]
fn a_stack_trace_is_one_record_however_it_arrives() {
    let mut workspace = Workspace::new();
    let source = json!({"multiline": {"preset": "Java", "flushAfter": "2s"}});
    workspace.configure(&[pipeline(&workspace, &source, &json!([]))]);
    let sidecar = Sidecar::start(&workspace);
    workspace.append("a.log", "first\njava.lang.Error: x\n\tat a.B.c(B.java:1)\n");
    // It is known by now, and its trace is open: a killed process must not have shipped a part of it.
    sidecar.report_until("the first line", |report| {
        destination(report, "out")["acknowledgedRecords"] == 1
    });
    sidecar.kill();
    workspace.append("a.log", "\tat a.B.d(B.java:2)\nlast");
    let sidecar = Sidecar::start(&workspace);
    workspace.append("a.log", " line\n");
    let records = records(&workspace, 3);
    let trace = "java.lang.Error: x\n\tat a.B.c(B.java:1)\n\tat a.B.d(B.java:2)";
    assert_eq!(bodies(&records), ["first", trace, "last line"]);
    let report = sidecar.report_until("everything settled", |report| {
        destination(report, "out")["pendingBytes"] == 0
    });
    assert_eq!(destination(&report, "out")["acknowledgedRecords"], 3, "{report}");
    assert_balanced(&report);
}

#[test]
fn an_open_group_leaves_with_a_renamed_file_and_at_the_end() {
    let mut workspace = Workspace::new();
    let source = json!({"paths": ["/var/log/a.log"], "multiline": {"startPattern": "^S", "flushAfter": "200ms"}});
    workspace.configure(&[pipeline(&workspace, &source, &json!([]))]);
    let sidecar = Sidecar::start(&workspace);
    workspace.append("a.log", "S1\n a\n");
    until("the file is known", || {
        let report = sidecar.report()?;
        (destination(&report, "out")["discoveredBytes"] == 6).then_some(())
    });
    std::fs::rename(workspace.log("a.log"), workspace.log("a.log.1")).unwrap();
    workspace.append("a.log", "S2\n b\nS3\n c\n");
    assert!(sidecar.terminate().success());
    let records = records(&workspace, 3);
    let mut bodies = bodies(&records);
    bodies.sort_unstable();
    assert_eq!(bodies, ["S1\n a", "S2\n b", "S3\n c"]);
}

#[test]
fn parts_of_a_long_line_of_a_container_runtime_are_put_together() {
    let mut workspace = Workspace::new();
    workspace.configure(&[pipeline(&workspace, &json!({"format": {"type": "CRI"}}), &json!([]))]);
    workspace.append(
        "a.log",
        "2026-11-01T00:00:00Z stdout P one \n2026-11-01T00:00:01Z stdout F line\n2026-11-01T00:00:02Z stderr F two\n",
    );
    let _sidecar = Sidecar::start(&workspace);
    let records = records(&workspace, 2);
    assert_eq!(bodies(&records), ["one line", "two"]);
    assert_eq!(records[1]["log.iostream"], "stderr");
}

#[test]
fn raw_output_of_parsed_records_is_their_bodies_and_nothing_else() {
    let mut workspace = Workspace::new();
    let mut raw = pipeline(
        &workspace,
        &json!({"format": {"type": "JSON", "body": "msg"}}),
        &json!([{"set": {"fields": {"team": "shop"}}}]),
    );
    raw["destinations"][0]["stdout"]["format"] = json!("Raw");
    workspace.configure(&[raw]);
    workspace.append("a.log", "{\"msg\":\"one \\u00fc\",\"n\":1}\n{\"msg\":\"two\"}\n");
    let _sidecar = Sidecar::start(&workspace);
    assert_eq!(crate::harness::lines_out(&workspace, 2), ["one ü", "two"]);
}

#[test]
fn a_configuration_can_be_tried_on_a_file() {
    let workspace = Workspace::new();
    let config = workspace.path("config.yaml");
    let text = "pipelines: [{name: p, sources: [{name: s, paths: [/a/b], format: {type: Logfmt}}], \
                transforms: [{keep: {when: {field: level, equals: warn}}}], destinations: [{name: out, stdout: {}}]}]";
    std::fs::write(&config, text).unwrap();
    workspace.append("a.log", "level=warn msg=one\nlevel=info msg=two\n");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_logshipping-sidecar"))
        .args(["test", "--config"])
        .arg(&config)
        .arg("--input")
        .arg(workspace.log("a.log"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let record: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&record["body"], &record["msg"]),
        (&json!("level=warn msg=one"), &json!("one"))
    );
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(told, "p/s: 1 records, 1 left out, 0 not of the source's format\n");
}

#[test]
fn a_local_file_is_a_destination() {
    let mut workspace = Workspace::new();
    let out = workspace.path("shipped.log");
    let destination = json!({"name": "out", "file": {"path": out}, "retry": {"initialBackoff": "20ms"}});
    workspace.configure(&[workspace.pipeline("p", &destination)]);
    // What stands in its way is told, and when it is gone everything is delivered once.
    std::fs::create_dir(&out).unwrap();
    workspace.append("a.log", "one\n");
    let sidecar = Sidecar::start(&workspace);
    let report = sidecar.report_until("a failure", |report| destination_state(report) == "retrying");
    let message = self::destination(&report, "out")["lastError"]["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        message.contains("shipped.log can't be written: Is a directory"),
        "{message}"
    );
    std::fs::remove_dir(&out).unwrap();
    workspace.append("a.log", "two\n");
    until("both lines", || {
        (std::fs::read_to_string(&out).ok()? == "one\ntwo\n").then_some(())
    });
}

fn destination_state(report: &Value) -> &str {
    destination(report, "out")["state"].as_str().unwrap_or_default()
}
