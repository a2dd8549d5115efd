//! Examples of the documentation are configurations that can run.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::harness::PROGRAM;

/// The YAML blocks of a page.
fn examples(page: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(page);
    let text = fs::read_to_string(path).unwrap();
    let blocks = text.split("```yaml\n").skip(1);
    blocks
        .map(|rest| rest.split("```").next().unwrap().to_owned())
        .collect()
}

#[test]
fn every_example_of_a_destination_can_run() {
    let examples = examples("destinations.md");
    assert!(examples.len() >= 3, "{examples:?}");
    let dir = tempfile::tempdir().unwrap();
    for example in examples {
        let config = dir.path().join("config.yaml");
        let frame = "pipelines:\n- name: p\n  sources: [{name: s, paths: [/var/log/a.log]}]\n  destinations:\n";
        let indented = example.lines().map(|line| format!("  {line}\n"));
        fs::write(&config, frame.to_owned() + &indented.collect::<String>()).unwrap();
        let output = Command::new(PROGRAM)
            .args(["check", "--config"])
            .arg(&config)
            .output()
            .unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{example}{words}");
    }
}
