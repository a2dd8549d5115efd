//! `serde_json` is the judge of what is an object and of what its strings say.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::Value;
use serde_json::value::RawValue;

use super::*;
use crate::processing::draft::Buffers;

type Fields = Vec<(String, String, FieldKind)>;

fn parsed(line: &[u8]) -> Option<Fields> {
    let mut buffers = Buffers::default();
    let mut draft = Draft::new(line, &[], &mut buffers);
    parse(&mut draft).ok()?;
    let text = |text| String::from_utf8(draft.get(text).to_vec()).unwrap();
    let fields = draft.fields().iter();
    Some(
        fields
            .map(|field| (text(field.name), text(field.value), field.kind))
            .collect(),
    )
}

fn is_object(line: &[u8]) -> bool {
    serde_json::from_slice::<&RawValue>(line).is_ok_and(|raw| raw.get().starts_with('{'))
}

/// The same fields, from a tree.
fn expected(value: &Value, prefix: &str, depth: usize, out: &mut Vec<(String, Value)>) {
    for (name, value) in value.as_object().unwrap() {
        let name = format!("{prefix}{name}");
        match value {
            Value::Object(members) if !members.is_empty() && depth < MAX_DEPTH => {
                expected(value, &format!("{name}."), depth + 1, out);
            }
            _ => out.push((name, value.clone())),
        }
    }
}

fn shown(line: &str) -> Vec<String> {
    let show = |(name, value, kind): (String, String, FieldKind)| match kind {
        FieldKind::Text => format!("{name}={value}"),
        FieldKind::Json => format!("{name}:{value}"),
    };
    parsed(line.as_bytes()).unwrap().into_iter().map(show).collect()
}

#[test]
fn members_of_objects_have_joined_names_and_all_else_keeps_its_form() {
    for (line, fields) in [
        ("{}", vec![]),
        (r#" { "a" : "x" , "n" : -1.50e+3 } "#, vec!["a=x", "n:-1.50e+3"]),
        (
            r#"{"http":{"status":200,"req":{"path":"/","h":[{"a":1}]}},"e":{},"t":true}"#,
            vec![
                "http.status:200",
                "http.req.path=/",
                r#"http.req.h:[{"a":1}]"#,
                "e:{}",
                "t:true",
            ],
        ),
        (r#"{"\u00fc":{"a\tb":"\"\\\/"}}"#, vec!["ü.a\tb=\"\\/"]),
        (r#"{"half":"\ud83dx"}"#, vec!["half=\u{fffd}x"]),
        (r#"{"a":1,"a":2}"#, vec!["a:1", "a:2"]),
        (
            r#"{"1":{"2":{"3":{"4":{"5":{"6":{"7":{"8":{"9":1},"x":2}}}}}}}}"#,
            vec![r#"1.2.3.4.5.6.7.8:{"9":1}"#, "1.2.3.4.5.6.7.x:2"],
        ),
    ] {
        assert_eq!(shown(line), fields, "{line}");
    }
}

#[test]
fn what_a_line_costs_is_bounded_by_its_length() {
    let deep = |open: &str, close: &str| format!("{{\"a\":{}1{}}}", open.repeat(200_000), close.repeat(200_000));
    let long_name = format!(
        "{{\"{}\":{{{}\"z\":1}}}}",
        "n".repeat(100_000),
        "\"\":1,".repeat(100_000)
    );
    let many = format!("{{{}\"z\":1}}", "\"a\":{\"b\":{\"c\":{}}},".repeat(30_000));
    for line in [
        deep("[", "]"),
        deep("{\"a\":", "}"),
        long_name,
        many,
        "{\"a\":".repeat(300_000),
    ] {
        let started = Instant::now();
        let mut buffers = Buffers::default();
        let mut draft = Draft::new(line.as_bytes(), &[], &mut buffers);
        _ = parse(&mut draft);
        assert!(
            buffers.bytes() < 32 * line.len(),
            "{} of {}",
            buffers.bytes(),
            line.len()
        );
        // Quadratic time would be minutes, also on a busy machine.
        assert!(started.elapsed() < Duration::from_secs(10));
    }
}

#[test]
fn strings_and_numbers_in_values_are_redacted_and_the_rest_is_left_as_it_is() {
    let mut redact = |text: &[u8]| (text == b"secret" || text == b"42").then(|| b"***".to_vec());
    for (json, expected) in [
        (
            r#"["secret", 1e999, 123456789012345678901234567890]"#,
            Some(r#"["***", 1e999, 123456789012345678901234567890]"#),
        ),
        (
            r#"{"secret":[42,{"a":"s\u0065cret"}],"n":1.50}"#,
            Some(r#"{"***":["***",{"a":"***"}],"n":1.50}"#),
        ),
        ("42", Some("\"***\"")),
        ("421", None),
        (r#"{"a":"secrets"}"#, None),
    ] {
        let new = redacted(json.as_bytes(), &mut redact).map(|new| String::from_utf8(new).unwrap());
        assert_eq!(new.as_deref(), expected, "{json}");
    }
    let deep = format!("{}\"secret\"{}", "[".repeat(500), "]".repeat(500));
    assert!(
        redacted(deep.as_bytes(), &mut redact).is_some(),
        "however deep it stands"
    );
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|number| Value::from(f64::from(number) / 4.0)),
        "\\PC{0,12}|[\"\\\\\u{0}-\u{1f}ü😀]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map("[a-cü\"\n]{0,3}", inner, 0..5)
                .prop_map(|members| members.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

proptest! {
    #[test]
    fn any_object_has_the_fields_that_a_tree_of_it_has(
        members in proptest::collection::btree_map("[a-cü\"]{0,3}", value(), 0..6),
        is_pretty in any::<bool>(),
    ) {
        let object: Value = members.into_iter().collect::<serde_json::Map<_, _>>().into();
        let line = if is_pretty { serde_json::to_string_pretty(&object) } else { serde_json::to_string(&object) };
        let mut wanted = Vec::new();
        expected(&object, "", 1, &mut wanted);
        let found = parsed(line.unwrap().as_bytes()).unwrap();
        let found: Vec<(String, Value)> = found.into_iter().map(|(name, value, kind)| match kind {
            FieldKind::Text => (name, Value::String(value)),
            FieldKind::Json => (name, serde_json::from_str(&value).unwrap()),
        }).collect();
        prop_assert_eq!(found, wanted);
    }

    #[test]
    fn a_line_is_an_object_exactly_where_serde_json_says_so(
        line in "\\{?([\\[\\]{}:, ]|\"[a\\\\nu0\u{1}ü]{0,4}\"|\"a\":|-?[01]{1,2}|1\\.|[.]5|[eE][+-]?1|true|nul|null|\\\\ud83d){0,12}\\}?",
    ) {
        prop_assert_eq!(parsed(line.as_bytes()).is_some(), is_object(line.as_bytes()), "{}", line);
    }

    #[test]
    fn nearly_an_object_is_judged_as_serde_json_judges_it(
        members in proptest::collection::btree_map("[ab\"]{0,2}", value(), 1..4),
        at in any::<proptest::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let object: Value = members.into_iter().collect::<serde_json::Map<_, _>>().into();
        let mut line = serde_json::to_vec(&object).unwrap();
        let index = at.index(line.len());
        line[index] = byte;
        prop_assert_eq!(parsed(&line).is_some(), is_object(&line), "{}", String::from_utf8_lossy(&line));
        line.truncate(index);
        prop_assert_eq!(parsed(&line).is_some(), is_object(&line));
    }
}
