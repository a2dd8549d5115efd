//! What the README shows is what the repository holds, and every command in it is one that something here runs.

use std::fs;

use serde_json::Value;
use tests::road;

/// The beginnings of the commands that the README may show, and what runs them.
const RUN_BY: [(&str, &str); 6] = [
    (
        "make demo",
        "this program's `road` tests take the same chart, images and files",
    ),
    ("make demo-down", "the cluster's own tests"),
    ("make test", "whoever runs this"),
    ("make images", "the `road` tests"),
    ("helm install logshipping charts/logshipping", "the `road` tests"),
    ("kubectl get logshipping", "the `road` tests"),
];

fn readme() -> String {
    fs::read_to_string(road::file("README.md")).unwrap()
}

/// The contents of fenced blocks of a language.
fn blocks(language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let text = readme();
    text.split(&fence)
        .skip(1)
        .filter_map(|rest| Some(rest.split_once("```")?.0.to_owned()))
        .collect()
}

#[test]
fn the_example_shown_is_the_example_applied() {
    let shown: Value = serde_saphyr::from_str(&blocks("yaml")[0]).unwrap();
    let applied = fs::read_to_string(road::file("examples/server-logs/logshipping.yaml")).unwrap();
    assert_eq!(shown, serde_saphyr::from_str::<Value>(&applied).unwrap());
}

#[test]
fn every_object_shown_is_valid() {
    for block in blocks("yaml") {
        let shown: Value = serde_saphyr::from_str(&block).unwrap();
        let shipping: crds::LogShipping = serde_json::from_value(shown).unwrap();
        assert!(operator::validate::validate(&shipping).is_ok(), "{block}");
    }
}

#[test]
fn every_command_shown_is_run_somewhere() {
    let blocks = blocks("sh");
    let commands = blocks
        .iter()
        .flat_map(|block| block.lines())
        .filter(|line| !line.starts_with(' '));
    for command in commands {
        let is_run = RUN_BY.iter().any(|(begin, _)| command.starts_with(begin));
        assert!(is_run, "the README shows `{command}`, which nothing runs");
    }
}

#[test]
fn links_lead_to_files_that_exist() {
    let text = readme();
    let targets = text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target);
    for target in targets.filter(|target| !target.contains("://")) {
        let (file, heading) = target.split_once('#').unwrap_or((target, ""));
        assert!(road::file(file).exists(), "{target}");
        let headings = || fs::read_to_string(road::file(file)).unwrap();
        assert!(
            heading.is_empty() || anchors(&headings()).any(|anchor| anchor == heading),
            "{target}"
        );
    }
}

/// How headings are linked to.
fn anchors(page: &str) -> impl Iterator<Item = String> {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| {
        line.trim_start_matches('#')
            .trim()
            .to_lowercase()
            .replace(' ', "-")
            .replace(',', "")
    })
}
