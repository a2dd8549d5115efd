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
    let found = grouping.scan(text.as_bytes(), longest, &mut starts);
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
    let expected: Vec<&str> = marked.split('|').collect();
    let (found, _) = groups(&grouping(multiline), &expected.concat(), 1 << 20);
    assert_eq!(found, expected, "{multiline}");
}

#[test]
fn java_traces_are_one_record() {
    check(
        &json!({"preset": "Java"}),
        "INFO before\n|java.lang.IllegalStateException: no\n\tat a.B.c(B.java:1)\n\tat a.B.d(B.java:2)\n\
         Caused by: java.io.IOException: x\n\tat e.F.g(F.java:3)\n\tSuppressed: h.I: y\n\t\tat j.K.l(K.java)\n\t... 12 more\n\
         |INFO after\n|INFO more\n",
    );
}

#[test]
fn python_traces_with_their_chains_are_one_record() {
    check(
        &json!({"preset": "Python"}),
        "INFO before\n|Traceback (most recent call last):\n  File \"a.py\", line 1, in f\n    g()\nKeyError: 'x'\n\n\
         During handling of the above exception, another exception occurred:\n\n\
         Traceback (most recent call last):\n  File \"a.py\", line 3, in f\n    h()\napp.errors.Bad: y\n\
         |INFO after\n|KeyError: alone\n|  indented alone\n",
    );
}

#[test]
fn go_panics_are_one_record() {
    check(
        &json!({"preset": "Go"}),
        "INFO before\n|panic: runtime error: index out of range [5]\n[signal SIGSEGV: segmentation violation]\n\n\
         goroutine 1 [running]:\nmain.(*T).f(0x1, ...)\n\t/app/main.go:5 +0x1d\nmain.main()\n\t/app/main.go:9\n\
         created by main.start in goroutine 7\n\t/app/main.go:3\n\ngoroutine 2 [select]:\nnet/http.(*S).Serve(...)\n\t/x.go:1\n\
         exit status 2\n|{\"level\":\"info\"}\n",
    );
}

#[test]
fn node_ruby_and_dot_net_traces_are_one_record() {
    check(
        &json!({"preset": "Node"}),
        "before\n|Error: no\n    at f (/app/a.js:1:2)\n    at async g (/app/b.js:3:4) {\n  code: 'E'\n}\n|after\n",
    );
    check(
        &json!({"preset": "Ruby"}),
        "before\n|a.rb:1:in 'f': no (RuntimeError)\n\tfrom a.rb:2:in 'g'\n\t 2: from a.rb:3:in 'h'\n|after\n",
    );
    check(
        &json!({"preset": "DotNet"}),
        "before\n|System.InvalidOperationException: no\n ---> System.Exception: inner\n   at A.B.C() in /a.cs:line 1\n   \
         --- End of inner exception stack trace ---\n   at A.B.D()\n|after\n",
    );
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
        lines in proptest::collection::vec("(S|E|\tat |  |Traceback \\(most recent call last\\):|KeyError: x|panic: |goroutine 1|Caused by: |)[a-c]{0,3}", 1..12),
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
