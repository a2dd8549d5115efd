//! JSON schemas of what the derive can't know: types with a text form, and maps whose keys have one.

pub mod rules;

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use crate::form;
use crate::{ByteSize, Duration, duration, quantity};

impl JsonSchema for Duration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "maxLength": 32, "pattern": duration::PATTERN})
    }
}

impl JsonSchema for ByteSize {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ByteSize".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"x-kubernetes-int-or-string": true, "maxLength": 24, "pattern": quantity::PATTERN})
    }
}

/// Request headers.
pub(crate) fn headers(_: &mut SchemaGenerator) -> Schema {
    map(&rules::headers(), form::HEADER_VALUE.pattern(), 0, 32)
}

/// Labels and the fields that they come from.
pub(crate) fn labels(_: &mut SchemaGenerator) -> Schema {
    map(&rules::each(&form::LABEL), form::FIELD.pattern(), 0, 15)
}

/// Fields and their values.
pub(crate) fn set_fields(_: &mut SchemaGenerator) -> Schema {
    map(&rules::each(&form::FIELD), form::TEXT.pattern(), 1, 32)
}

fn map(rules: &Value, values: &str, min: u32, max: u32) -> Schema {
    json_schema!({
        "type": "object",
        "minProperties": min,
        "maxProperties": max,
        "additionalProperties": {"type": "string", "maxLength": 256, "pattern": values},
        "x-kubernetes-validations": rules,
    })
}
