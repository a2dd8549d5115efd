//! One JSON object a line. Its members are the fields; nested values stay JSON. `serde_json` reads, so a line is an
//! object exactly where every other reader says so.

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer;
use serde::de::{Deserialize, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Draft, FieldKind, NotOfFormat};
use crate::destination::write_json_string;

pub(super) fn parse(draft: &mut Draft<'_>) -> Result<(), NotOfFormat> {
    let line = draft.line;
    let mut reader = serde_json::Deserializer::from_slice(line);
    reader.deserialize_map(Members(draft)).map_err(|_| NotOfFormat)?;
    reader.end().map_err(|_| NotOfFormat)
}

/// Puts the members of an object into a draft.
struct Members<'d, 'a>(&'d mut Draft<'a>);

impl<'de> Visitor<'de> for Members<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        let draft = self.0;
        while let Some(Key(name)) = map.next_key()? {
            let value: &'de RawValue = map.next_value()?;
            let name = match name {
                Cow::Borrowed(name) => draft.in_line(name.as_bytes()),
                Cow::Owned(name) => draft.keep(name.as_bytes()),
            };
            let (value, kind) = match string(value.get()) {
                None => (draft.in_line(value.get().as_bytes()), FieldKind::Json),
                Some(Cow::Borrowed(text)) => (draft.in_line(text.as_bytes()), FieldKind::Text),
                Some(Cow::Owned(text)) => (draft.keep(text.as_bytes()), FieldKind::Text),
            };
            draft.push(name, value, kind);
        }
        Ok(())
    }
}

/// A member's name, borrowed unless it has escapes.
struct Key<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(KeyVisitor)
    }
}

struct KeyVisitor;

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = Key<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Borrowed(name)))
    }

    fn visit_str<E>(self, name: &str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Owned(name.to_owned())))
    }
}

/// The text of a JSON string; none of any other value.
fn string(json: &str) -> Option<Cow<'_, str>> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return Some(Cow::Borrowed(inner));
    }
    serde_json::from_str(json).ok().map(Cow::Owned)
}

/// The fields as an object, in their order.
pub(super) fn write(out: &mut Vec<u8>, draft: &Draft<'_>) {
    out.push(b'{');
    for (index, field) in draft.fields().iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_json_string(out, &String::from_utf8_lossy(draft.get(field.name)));
        out.push(b':');
        match field.kind {
            FieldKind::Text => write_json_string(out, &String::from_utf8_lossy(draft.get(field.value))),
            FieldKind::Json => out.extend_from_slice(draft.get(field.value)),
        }
    }
    out.push(b'}');
}

/// A JSON value with every string in it, and a number as a whole, given to `redact`; none when nothing was changed.
pub(in crate::processing) fn redacted(
    json: &[u8],
    redact: &mut impl FnMut(&[u8]) -> Option<Vec<u8>>,
) -> Option<Vec<u8>> {
    let mut value = serde_json::from_slice(json).ok()?;
    let mut changed = false;
    redact_value(&mut value, redact, &mut changed);
    changed.then(|| value.to_string().into_bytes())
}

fn redact_value(value: &mut serde_json::Value, redact: &mut impl FnMut(&[u8]) -> Option<Vec<u8>>, changed: &mut bool) {
    use serde_json::Value;
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Array(items) => return items.iter_mut().for_each(|item| redact_value(item, redact, changed)),
        Value::Object(members) => {
            return members
                .values_mut()
                .for_each(|member| redact_value(member, redact, changed));
        }
        Value::Null | Value::Bool(_) => return,
    };
    if let Some(new) = redact(text.as_bytes()) {
        *value = Value::String(String::from_utf8_lossy(&new).into_owned());
        *changed = true;
    }
}
