//! JSON schemas and rules of what the derive can't know.

use std::borrow::Cow;

use pipeline::limits::{self, Durations, Sizes};
use pipeline::schema::rules;
use pipeline::{ByteSize, Duration};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use crate::quantity::{Quantity, Share};

impl JsonSchema for Quantity {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-kubernetes-int-or-string": true,
            "maxLength": 24,
            "pattern": "^[0-9]{1,15}(\\.[0-9]{1,3})?(m|Ki|Mi|Gi|Ti|k|M|G|T)?$",
        })
    }
}

impl JsonSchema for Share {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Share".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-kubernetes-int-or-string": true,
            "maxLength": 4,
            "x-kubernetes-validations": rules::rules(&[(
                "type(self) == int ? self >= 1 && self <= 10000 : self.matches('^(100|[1-9][0-9]?)%$')",
                "must be a number from 1 to 10000, or a percentage from 1% to 100%; to change nothing set paused",
            )]),
        })
    }
}

/// Rules between members of the specification.
pub(crate) fn specification() -> Value {
    rules::rules(&[
        (
            "self.destinations.all(d, !has(d.sources) || d.sources.all(s, self.sources.exists(x, x.name == s)))",
            "a destination names a source that is not in sources",
        ),
        (
            "self.rollout.onFailure != 'Revert' || self.revisionHistoryLimit > 0",
            "rollout.onFailure Revert needs old revisions to go back to: revisionHistoryLimit must be at least 1",
        ),
    ])
}

pub(crate) fn volume_size() -> Value {
    rules::size(Sizes::new(ByteSize::from_mib(1), limits::MAX_HELD_BYTES.max))
}

pub(crate) fn held_bytes() -> Value {
    rules::size(limits::MAX_HELD_BYTES)
}

pub(crate) fn drain_timeout() -> Value {
    rules::duration(Durations::new(Duration::from_secs(1), Duration::from_secs(3600)))
}

pub(crate) fn image() -> Value {
    rules::rules(&[(
        "self.matches('^[a-zA-Z0-9][a-zA-Z0-9._:/@+-]*$')",
        "must be the name of an image, such as registry.example/logshipping-sidecar:0.1.0",
    )])
}

/// A sidecar that can't live within its limit would be killed again and again, and a request above its limit makes the
/// API server refuse the whole Deployment.
pub(crate) fn resources() -> Value {
    let lower = |resource: &str| {
        format!(
            "!(has(self.requests) && has(self.requests.{resource}) && has(self.limits.{resource})) || \
             !quantity(string(self.requests.{resource})).isGreaterThan(quantity(string(self.limits.{resource})))"
        )
    };
    rules::rules(&[
        (&lower("cpu"), "requests.cpu must not be more than limits.cpu"),
        (&lower("memory"), "requests.memory must not be more than limits.memory"),
        (
            "!has(self.limits.cpu) || !quantity(string(self.limits.cpu)).isLessThan(quantity('5m'))",
            "limits.cpu must be at least 5m: with less the sidecar falls behind",
        ),
        (
            "!has(self.limits.memory) || !quantity(string(self.limits.memory)).isLessThan(quantity('16Mi'))",
            "limits.memory must be at least 16Mi: with less the sidecar is killed",
        ),
    ])
}

/// A label selector that selects something particular. Kubernetes' own schema of it has no bounds, no form and three
/// times the text.
pub(crate) fn selector(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "x-kubernetes-map-type": "atomic",
        "properties": {
            "matchLabels": {
                "description": "Labels that must be there with these values, at most 32.",
                "type": "object",
                "maxProperties": 32,
                "additionalProperties": {"type": "string", "maxLength": 63},
                "x-kubernetes-validations": rules::rules(&[
                    (&format!("self.all(k, k.matches('{LABEL_KEY}'))"), LABEL_KEY_SENTENCE),
                    (&format!("self.all(k, self[k].matches('{LABEL_VALUE}'))"), LABEL_VALUE_SENTENCE),
                ]),
            },
            "matchExpressions": {
                "description": "Requirements of labels, all of which must hold, at most 32.",
                "type": "array",
                "maxItems": 32,
                "x-kubernetes-list-type": "atomic",
                "items": requirement(),
            },
        },
        "x-kubernetes-validations": rules::rules(&[(
            "(has(self.matchLabels) && size(self.matchLabels) > 0) || (has(self.matchExpressions) && size(self.matchExpressions) > 0)",
            "an empty selector would match every Deployment of the namespace: name labels",
        )]),
    })
}

const LABEL_KEY: &str = "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$";
const LABEL_KEY_SENTENCE: &str = "each key must be the key of a label, such as app or app.kubernetes.io/name";
const LABEL_VALUE: &str = "^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$";
const LABEL_VALUE_SENTENCE: &str = "each value must be the value of a label: letters, digits, '-', '_' and '.', beginning and ending with a letter or digit";

fn requirement() -> Value {
    json!({
        "type": "object",
        "required": ["key", "operator"],
        "properties": {
            "key": {
                "description": "Key of the label.",
                "type": "string",
                "maxLength": 317,
                "x-kubernetes-validations": rules::rules(&[(
                    &format!("self.matches('{LABEL_KEY}')"),
                    LABEL_KEY_SENTENCE,
                )]),
            },
            "operator": {
                "description": "`In` and `NotIn` need `values`; `Exists` and `DoesNotExist` take none.",
                "type": "string",
                "enum": ["In", "NotIn", "Exists", "DoesNotExist"],
            },
            "values": {
                "description": "Values of the label, at most 32.",
                "type": "array",
                "maxItems": 32,
                "x-kubernetes-list-type": "atomic",
                "items": {"type": "string", "maxLength": 63, "pattern": LABEL_VALUE},
            },
        },
        "x-kubernetes-validations": rules::rules(&[(
            "(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)",
            "operators In and NotIn need values, Exists and DoesNotExist take none",
        )]),
    })
}
