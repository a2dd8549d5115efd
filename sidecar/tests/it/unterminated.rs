//! Lines without an end.

use serde_json::Value;

use crate::harness::{Sidecar, Workspace, lines_out};

#[test]
fn an_unterminated_line_leaves_after_a_while_and_both_parts_are_marked() {
    let mut workspace = Workspace::new();
    let mut pipeline = workspace.pipeline("p", &serde_json::json!({"name": "out", "stdout": {"format": "JSON"}}));
    pipeline["sources"][0]["unterminatedAfter"] = "200ms".into();
    workspace.configure(&[pipeline]);
    workspace.append("a.log", "whole\nhal");
    let _sidecar = Sidecar::start(&workspace);
    lines_out(&workspace, 2);
    workspace.append("a.log", "ves\nnext\n");
    let records: Vec<Value> = lines_out(&workspace, 4)
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let seen: Vec<_> = records
        .iter()
        .map(|record| {
            (
                record["body"].as_str().unwrap(),
                record["log.partial"].as_bool().unwrap_or(false),
            )
        })
        .collect();
    assert_eq!(seen, [("whole", false), ("hal", true), ("ves", true), ("next", false)]);
    let offsets: Vec<_> = records
        .iter()
        .map(|record| record["log.file.offset"].as_u64())
        .collect();
    assert_eq!(offsets, [Some(0), Some(6), Some(9), Some(13)]);
}
