use proptest::prelude::*;
use serde_json::json;

use super::*;

fn grouping(multiline: &serde_json::Value) -> Grouping {
    let source = json!({"name": "s", "paths": ["/a/b"], "multiline": multiline});
    Grouping::new(&serde_json::from_value(source).unwrap())
        .unwrap()
        .unwrap()
}

fn groups(grouping: &Grouping, text: &str, longest: usize) -> (Vec<String>, GroupState) {
    let mut starts = Vec::new();
    let found = grouping.scan(lines_of(text.as_bytes(), 0), longest, &mut starts);
    let ends = starts.iter().copied().skip(1).chain([text.len()]);
    let groups: Vec<String> = starts
        .iter()
        .zip(ends)
        .map(|(start, end)| text[*start..end].to_owned())
        .collect();
    if !text.is_empty() {
        assert_eq!(starts.last(), Some(&found.last));
    }
    (groups, found.state)
}

/// `|` stands where a record begins.
fn check(multiline: &serde_json::Value, marked: &str) {
    check_records(multiline, &marked.split('|').collect::<Vec<_>>());
}

pub(super) fn check_records(multiline: &serde_json::Value, expected: &[&str]) {
    let (found, _) = groups(&grouping(multiline), &expected.concat(), 1 << 20);
    assert_eq!(found, expected, "{multiline}");
}

#[test]
fn patterns_begin_and_end_records() {
    check(
        &json!({"startPattern": r"^\d{4}-"}),
        "2026-1 a\n b\n\nc\n|2026-2 d\n|2026-3\ne\n",
    );
    check(&json!({"endPattern": ";$"}), "a\nb;\n|c;\r\n|d\n");
    check(
        &json!({"startPattern": "^BEGIN", "endPattern": "^END"}),
        "x\n|BEGIN\na\nEND\n|y\n|z\n|BEGIN\nb\n|BEGIN\nc\nEND\n",
    );
}

#[test]
fn a_group_is_open_until_its_end_is_certain() {
    for (multiline, text, expected) in [
        (json!({"startPattern": "^S"}), "S\na\n", GroupState::Open),
        (json!({"endPattern": "E$"}), "a\nE\n", GroupState::Complete),
        (json!({"endPattern": "E$"}), "a\n", GroupState::Open),
        (json!({"preset": "Java"}), "x\n", GroupState::Open),
        (
            json!({"startPattern": "^S", "endPattern": "^E"}),
            "x\n",
            GroupState::Complete,
        ),
        (
            json!({"startPattern": "^S", "endPattern": "^E"}),
            "S\n",
            GroupState::Open,
        ),
    ] {
        assert_eq!(
            groups(&grouping(&multiline), text, 100).1,
            expected,
            "{multiline} {text:?}"
        );
    }
}

#[test]
fn no_group_grows_beyond_the_longest_line() {
    let (found, _) = groups(
        &grouping(&json!({"startPattern": "^S"})),
        "S\naaa\nbbb\nccccccccccc\nd\n",
        8,
    );
    assert_eq!(found, ["S\naaa\n", "bbb\n", "ccccccccccc\n", "d\n"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What was read before doesn't change how the rest is divided, if it is read from the beginning of a group on.
    #[test]
    fn reading_on_from_any_beginning_divides_the_same(
        lines in proptest::collection::vec("(S|E|\tat |  |Traceback \\(most recent call last\\):|KeyError: x|panic: |goroutine 1|Caused by: |a.rb:1:in 'f': |a.rb:1:in 'f'|\tfrom |   \\^|/a.js:1|TypeError: x|Node.js v|\\}|   at |   at A<---|      |  \\+ Exception Group Traceback \\(most recent call last\\):|)[a-c]{0,3}", 1..12),
        preset in proptest::sample::select(vec!["Java", "Python", "Go", "Node", "Ruby", "DotNet"]),
    ) {
        let text = lines.join("\n") + "\n";
        for multiline in [json!({"preset": preset}), json!({"startPattern": "^S"}), json!({"endPattern": "^E"}), json!({"startPattern": "^S", "endPattern": "^E"})] {
            let grouping = grouping(&multiline);
            let (all, _) = groups(&grouping, &text, 1 << 20);
            prop_assert_eq!(all.concat(), text.clone());
            let mut from = 0;
            for (index, group) in all.iter().enumerate() {
                let (rest, _) = groups(&grouping, &text[from..], 1 << 20);
                prop_assert_eq!(&rest[..], &all[index..], "{} {:?}", multiline, &text);
                from += group.len();
            }
        }
    }
}
