//! What is refused, by which path and with which words; and that nothing makes the validator panic.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::config;
use crate::support;

fn errors(yaml: &str) -> Vec<String> {
    let loaded = config::load(&format!("pipelines: [{yaml}]")).unwrap();
    let errors = loaded.refused.iter().flat_map(|refused| &refused.errors);
    let unfinished = |error: &&FieldError| error.message != support::NOT_YET;
    errors.filter(unfinished).map(ToString::to_string).collect()
}

fn assert_begins(found: &[String], begins: &[&str]) {
    assert_eq!(found.len(), begins.len(), "{found:#?}");
    for (found, begin) in found.iter().zip(begins) {
        assert!(found.starts_with(begin), "{found} should begin with {begin}");
    }
}

#[test]
fn every_error_is_found_at_once_with_its_path() {
    let found = errors(
        "{name: a, sources: [{name: s, paths: [var/log, '/var/../x', '/a[']}, {name: s, paths: ['/x/']}], \
         destinations: [{name: d, sources: [t], http: {url: 'ftp://x'}, loki: {url: 'http://y'}}, \
         {name: e, loki: {url: 'http://user:pw@host'}}, {name: f, http: {url: 'http://host:99999/'}}]}",
    );
    assert_begins(
        &found,
        &[
            "sources[1].name: \"s\" is used twice",
            "sources[0].paths[0]: \"var/log\" must be absolute",
            "sources[0].paths[1]: \"/var/../x\" must not contain . or ..",
            "sources[0].paths[2]: \"/a[\" is not a glob: unclosed character class",
            "sources[1].paths[0]: \"/x/\" names a directory",
            "destinations[0].sources[0]: there is no source \"t\"",
            "destinations[0]: exactly one destination type",
            "destinations[1].loki.url: \"http://user:pw@host\" must be a base URL",
            "destinations[2].http.url: \"http://host:99999/\" must be a URL",
        ],
    );
}

#[test]
fn a_part_that_can_not_be_parsed_hides_nothing() {
    let found = errors(
        "{name: a, colour: red, sources: [{name: s, pathz: [/a/b]}, {name: t, paths: [x]}], transforms: [{}, filter], \
         destinations: [{name: d, sources: [s], stdout: {}}, {name: e, stdout: {format: XML}}, {name: f}]}",
    );
    assert_begins(
        &found,
        &[
            "colour: unknown field",
            "sources[0].pathz: unknown field",
            "transforms[1]: invalid type",
            "destinations[1].stdout.format: unknown variant",
            "sources[1].paths[0]: \"x\" must be absolute",
            "transforms[0]: exactly one of keep, drop",
            "destinations[2]: exactly one destination type",
        ],
    );
}

#[test]
fn what_the_schema_can_not_say_is_refused() {
    let source = |more: &str| {
        format!("{{name: a, sources: [{{name: s, paths: [/a/b], {more}}}], destinations: [{{name: d, stdout: {{}}}}]}}")
    };
    let transform = |one: &str| {
        format!(
            "{{name: a, sources: [{{name: s, paths: [/a/b]}}], transforms: [{one}], destinations: [{{name: d, stdout: {{}}}}]}}"
        )
    };
    let table = [
        (source("exclude: ['{a']"), "sources[0].exclude[0]: \"{a\" is not a glob"),
        (
            source("encoding: klingon"),
            "sources[0].encoding: \"klingon\" is not a known encoding",
        ),
        (
            source("encoding: iso-2022-kr"),
            "sources[0].encoding: \"iso-2022-kr\" is not a known encoding",
        ),
        (
            source("format: {type: Regex, regex: {pattern: '(a'}}"),
            "sources[0].format.regex.pattern: \"(a\" is not a regular expression: unclosed group",
        ),
        (
            source("format: {type: Regex, regex: {pattern: '(.*)'}}"),
            "sources[0].format.regex.pattern: has no named group",
        ),
        (
            source("format: {type: Regex, regex: {pattern: '(?P<a>.*)'}, body: b}"),
            "sources[0].format.body: the pattern has no group \"b\"",
        ),
        (
            source("format: {type: JSON, timestamp: {field: t, layout: '%H:%M'}}"),
            "sources[0].format.timestamp.layout: \"%H:%M\" does not say month and day",
        ),
        (
            source("format: {type: JSON, timestamp: {field: t, layout: '%F %T', timeZone: Mars/Base}}"),
            "sources[0].format.timestamp.timeZone: \"Mars/Base\" is not a known time zone",
        ),
        (
            source("multiline: {startPattern: '(?=a)'}"),
            "sources[0].multiline.startPattern: \"(?=a)\" is not a regular expression: look-around",
        ),
        (
            transform(r"{drop: {when: {field: body, matches: '(\w{100}){100}'}}}"),
            r#"transforms[0].drop.when.matches: "(\\w{100}){100}" takes more than 1024 KiB"#,
        ),
        (
            transform("{redact: {patterns: [{pattern: 'a*', replacement: x}]}}"),
            "transforms[0].redact.patterns[0].pattern: matches the empty text",
        ),
    ];
    for (yaml, expected) in table {
        assert_begins(&errors(&yaml), &[expected]);
    }
    assert_begins(
        &errors(&source("").replace("/a/b", "'/var/{log,..}/x'")),
        &["sources[0].paths[0]: \"/var/{log,..}/x\" must not contain . or .."],
    );
}

#[test]
fn a_reference_that_leads_out_of_its_directory_is_refused() {
    let found = errors(
        "{name: a, sources: [{name: s, paths: [/a/b]}], destinations: [{name: d, http: {url: 'https://h'}, \
         tls: {ca: {configMapKeyRef: {name: trust, key: ../x}}}, auth: {basic: {secretRef: {name: ../x}}}}]}",
    );
    assert_begins(
        &found,
        &[
            "destinations[0].auth.basic.secretRef.name: \"../x\" must be the name of an object",
            "destinations[0].tls.ca.configMapKeyRef.key: \"../x\" must be a key",
        ],
    );
}

#[test]
fn a_file_destination_is_for_standalone_use_only() {
    let destination = Destination {
        name: "f".into(),
        file: Some(crate::destination::File::default()),
        ..Default::default()
    };
    let judge = |origin| specification(&[], &[], std::slice::from_ref(&destination), origin);
    let refused = |errors: Vec<FieldError>| {
        errors
            .iter()
            .any(|error| error.message.contains("only allowed in a configuration file"))
    };
    assert!(refused(judge(Origin::Cluster)));
    assert!(!refused(judge(Origin::Standalone)));
}

/// Uses every kind of field that the validator looks into.
const RICH: &str = "
name: a
sources:
- name: s
  container: c
  paths: ['/var/log/{a,b}/*.log']
  exclude: ['*.gz']
  ignoreOlder: 24h
  format: {type: Regex, regex: {pattern: '(?P<t>.*)'}, body: t, timestamp: {field: t, layout: '%F %T', timeZone: UTC}, severity: {field: t}}
  multiline: {startPattern: '^a', endPattern: 'b$', flushAfter: 1s}
  encoding: utf-8
  maxLineBytes: 1Mi
transforms:
- drop: {when: {field: body, matches: x, not: true}}
- keep: {when: {field: severity, atLeast: Info}}
- redact: {presets: [Email], patterns: [{pattern: a, replacement: b}]}
- sample: {percent: 10, key: k}
- rateLimit: {recordsPerSecond: 1, burst: 2, onExceed: Wait}
- set: {fields: {a: b}}
- remove: {fields: [a]}
destinations:
- {name: h, sources: [s], http: {url: 'https://h', headers: {A: b}}, auth: {oauth2: {tokenURL: 'https://t', scopes: [x], secretRef: {name: a}}}, tls: {ca: {configMapKeyRef: {name: a, key: b}}, serverName: x}, proxy: 'http://p', timeout: 1s, batch: {maxBytes: 1Mi, maxDelay: 1s, inFlight: 1}, retry: {initialBackoff: 1s, maxBackoff: 2s, giveUpAfter: 1h}}
- {name: l, loki: {url: 'http://l', tenant: t, labels: {a: b}, structuredMetadata: [a]}, compression: Snappy}
- {name: e, elasticsearch: {url: 'http://e', index: 'a-{yyyy.MM.dd}'}}
- {name: k, kafka: {brokers: ['k:1'], topic: t, sasl: {mechanism: PLAIN, secretRef: {name: a}}}}
- {name: b, s3: {bucket: abc, region: r, keyPrefix: a, credentials: {webIdentityTokenFile: /a}}}
- {name: log, syslog: {address: 'l:1', appName: a}}
";

fn rich() -> Value {
    serde_saphyr::from_str(RICH).unwrap()
}

fn judge(pipeline: &Value) -> Vec<FieldError> {
    let document = serde_json::json!({"pipelines": [pipeline]});
    let loaded = config::load(&document.to_string()).unwrap();
    loaded.refused.into_iter().flat_map(|refused| refused.errors).collect()
}

#[test]
fn what_uses_every_field_is_fine() {
    let errors = judge(&rich());
    let unfinished = errors.iter().all(|error| error.message == support::NOT_YET);
    assert!(unfinished, "{errors:?}");
}

/// JSON pointers to every value of a document.
fn pointers(value: &Value, path: &str, found: &mut Vec<String>) {
    let mut descend = |key: &str, value: &Value| {
        let path = format!("{path}/{key}");
        found.push(path.clone());
        pointers(value, &path, found);
    };
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| descend(key, value)),
        Value::Array(list) => list
            .iter()
            .enumerate()
            .for_each(|(index, value)| descend(&index.to_string(), value)),
        _ => {}
    }
}

/// Texts that are likely to go wrong somewhere: arbitrary ones, and crumbs of patterns, globs, layouts and addresses.
fn text() -> impl Strategy<Value = String> {
    let crumbs = prop::sample::select(vec![
        "(", ")", "[", "]", "{", "}", ",", "*", "**", "?", "+", "\\", "/", "..", ".", "|", "^", "$", "(?P<a>", "\\w",
        "\\pL", "{100}", "%", "%Y", "%d", "%H", "%s", "%z", "%:", "%Q", "http://", "https://", "@", ":", "[::1]",
        "65536", "é", "\u{0}", "\n", "1Mi", "10s", "a", "0", "-",
    ]);
    prop_oneof![
        any::<String>(),
        prop::collection::vec(crumbs, 0..12).prop_map(|crumbs| crumbs.concat()),
    ]
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => text().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
        1 => Just(serde_json::json!([])),
        1 => Just(serde_json::json!({})),
    ]
}

proptest! {
    #[test]
    fn nothing_that_is_written_makes_the_validator_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), leaf()), 1..4)
    ) {
        let mut pipeline = rich();
        for (index, value) in changes {
            let mut all = Vec::new();
            pointers(&pipeline, "", &mut all);
            if let Some(place) = pipeline.pointer_mut(index.get::<String>(&all)) {
                *place = value;
            }
        }
        for error in judge(&pipeline) {
            prop_assert!(!error.path.is_empty() && !error.message.is_empty());
        }
    }

    #[test]
    fn no_text_makes_a_judgement_panic(text in text()) {
        let _ = crate::pattern::compile(&text);
        let _ = crate::glob::Patterns::new(std::slice::from_ref(&text), std::slice::from_ref(&text));
        let _ = time::layout(&text);
        let _ = time::zone(&text, "%F");
        let _ = config::load(&text);
    }
}
