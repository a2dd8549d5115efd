//! Configurations that nobody means well with: they are refused in a moment, and nothing else happens.

use std::fmt::Write;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

const FULL: &str = r#"{"version":1,"sidecar":{"drainTimeout":"20s","placement":"Native","memoryLimit":"64Mi"},"resource":{"a":"b"},
"pipelines":[{"name":"a","revision":"r","reclaim":"Never","maxHeldBytes":"1Gi","sources":[{"name":"s","paths":["/var/log/{a,b}/**/*.log"],
"exclude":["*.gz"],"startAt":"End","ignoreOlder":"24h","format":{"type":"Regex","regex":{"pattern":"^(?P<ip>\\S+) (?<t>.*)$"},"timestamp":{"field":"t","layout":"%F %T","timeZone":"Europe/Berlin"},
"severity":{"field":"ip"}},"multiline":{"startPattern":"^S","flushAfter":"1s"},"encoding":"utf-8","maxLineBytes":"1Mi"}],
"transforms":[{"keep":{"when":{"field":"severity","atLeast":"Info","not":true}}},{"redact":{"presets":["CreditCard"],"patterns":[{"pattern":"a+","replacement":"b"}]}},
{"sample":{"percent":10,"key":"k"}},{"rateLimit":{"recordsPerSecond":5,"burst":6}},{"set":{"fields":{"x":"y"}}},{"remove":{"fields":["z"]}}],
"destinations":[{"name":"d","sources":["s"],"timeout":"30s","batch":{"maxBytes":"1Mi","maxDelay":"1s","inFlight":2},"compression":"Zstd","http":{"url":"https://h/x","headers":{"a":"b"}}},
{"name":"e","loki":{"url":"http://h","tenant":"t","labels":{"l":"f"},"structuredMetadata":["g"]}},{"name":"f","stdout":{"format":"JSON"}}]}]}"#;

/// Each level names the one below ten times.
fn laughs(levels: usize) -> String {
    let mut text = "a0: &a0 [lol]\n".to_owned();
    for level in 1..levels {
        let below = format!("*a{}, ", level - 1).repeat(10);
        // Writing to a string can't fail.
        _ = writeln!(text, "a{level}: &a{level} [{below}]");
    }
    text + "pipelines: []\n"
}

#[test]
fn the_full_one_is_good() {
    let loaded = load(FULL).unwrap();
    assert_eq!((loaded.pipelines.len(), loaded.refused), (1, Vec::new()));
}

#[test]
fn depth_size_and_aliases_are_bounded() {
    let deep = 100_000;
    for (what, text) in [
        ("arrays", "[".repeat(deep)),
        ("closed arrays", "[".repeat(deep) + &"]".repeat(deep)),
        ("objects", "{\"a\":".repeat(deep)),
        ("sequences", "- ".repeat(deep)),
        (
            "maps",
            (0..2000).fold(String::new(), |text, depth| text + &" ".repeat(depth) + "a:\n"),
        ),
        (
            "pipelines",
            format!("{{\"pipelines\":[{}]}}", "[".repeat(deep) + &"]".repeat(deep)),
        ),
        ("laughs", laughs(12)),
        (
            "quadratic laughs",
            format!("a: &a {}\npipelines: [{}]", "x".repeat(100_000), "*a, ".repeat(20_000)),
        ),
        ("an alias of itself", "&a [*a]".to_owned()),
        ("merges", format!("a: &a {{b: c}}\n{}", "<<: *a\n".repeat(10_000))),
        (
            "many keys",
            format!(
                "{{{}\"pipelines\":[]}}",
                (0..50_000).fold(String::new(), |text, key| text + &format!("\"k{key}\":1,"))
            ),
        ),
        ("an endless string", format!("pipelines: \"{}", "x".repeat(1_000_000))),
        ("comments", "#\n".repeat(500_000)),
        ("documents", "---\n".repeat(50_000)),
        ("anchors", "&a ".repeat(50_000)),
        ("question marks", "? ".repeat(50_000)),
    ] {
        let started = Instant::now();
        assert!(load(&text).is_err(), "{what}");
        // Quadratic time would be minutes.
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "{what}: {:?}",
            started.elapsed()
        );
    }
}

#[test]
fn numbers_and_texts_beyond_all_bounds_are_refused_with_their_place() {
    for (from, to) in [
        ("\"20s\"", "\"99999999999999999999h\""),
        ("\"64Mi\"", "\"99999999999999999999Ei\""),
        ("\"64Mi\"", "1e999"),
        ("\"64Mi\"", "-1"),
        ("\"version\":1", "\"version\":18446744073709551616"),
        ("\"version\":1", "\"version\":1.0"),
        ("\"percent\":10", "\"percent\":256"),
        ("\"percent\":10", "\"percent\":101"),
        ("\"recordsPerSecond\":5", "\"recordsPerSecond\":4294967296"),
        ("\"inFlight\":2", "\"inFlight\":-2"),
        ("\"/var/log/{a,b}/**/*.log\"", "\"/var/\\u0000\""),
        ("\"a+\"", "\"(((a{99}){99}){99}){99}\""),
        ("\"^S\"", "\"((((((((((a\""),
        ("\"%F %T\"", "\"%\""),
        ("Europe/Berlin", "../../etc/passwd"),
        ("https://h/x", "https://h:99999/x"),
        ("\"utf-8\"", "\"utf-9\""),
    ] {
        assert!(FULL.contains(from), "{from}");
        let text = FULL.replacen(from, to, 1);
        let outcome = load(&text);
        assert!(outcome.is_err() || !outcome.unwrap().refused.is_empty(), "{to}");
    }
}

#[test]
fn a_misspelt_or_repeated_member_is_not_overlooked() {
    for text in [
        FULL.replacen("\"transforms\":", "\"Transforms\":", 1),
        FULL.replacen("\"presets\":", "\"preset\":", 1),
        "pipelines: []\nsidecar: {}\nsidecar: {}\n".to_owned(),
    ] {
        let outcome = load(&text);
        assert!(outcome.is_err() || !outcome.unwrap().refused.is_empty(), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_is_judged_and_nothing_panics(text in "[\\[\\]{}:,&*!|>?#%@\"'\\-a \n\t0-9~<=.é\u{0}\u{feff}]{0,80}") {
        _ = load(&text);
    }

    #[test]
    fn a_good_one_with_a_few_changed_bytes_is_judged(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<proptest::sample::Index>(),
    ) {
        let mut bytes = FULL.as_bytes().to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        _ = load(&String::from_utf8_lossy(&bytes));
        bytes.truncate(cut.index(FULL.len()));
        _ = load(&String::from_utf8_lossy(&bytes));
    }
}
