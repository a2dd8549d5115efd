//! Kubernetes quantities of CPU and memory, and counts that may be percentages, as users write them.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::schema;

/// A quantity of CPU or memory, kept as it was written. A number is accepted as well as a string.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Quantity(pub String);

/// Requests and limits of the sidecar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = schema::resources()))]
pub struct Resources {
    /// What the scheduler sets aside. Always there in the pod, because a HorizontalPodAutoscaler needs it. Default: 10m
    /// of CPU and 16Mi of memory, or the limit where that is lower. In a pod of class Guaranteed it is raised to the
    /// limits.
    #[serde(default, skip_serializing_if = "Amounts::is_empty")]
    pub requests: Amounts,
    /// What the sidecar may use at most. Half of the memory is for records under way; when it is used up the sidecar
    /// reads slower, it loses nothing.
    #[serde(default = "default_limits")]
    pub limits: Amounts,
}

/// Amounts of CPU and memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Amounts {
    /// CPU in cores or thousandths of one. Example: `10m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Quantity>,
    /// Memory in bytes or as a quantity. Example: `64Mi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Quantity>,
}

impl Amounts {
    pub fn is_empty(&self) -> bool {
        self.cpu.is_none() && self.memory.is_none()
    }
}

impl Default for Resources {
    fn default() -> Self {
        Self {
            requests: Amounts::default(),
            limits: default_limits(),
        }
    }
}

impl Resources {
    /// What is requested where nothing is written, unless the limit is lower.
    pub fn default_requests() -> Amounts {
        Amounts {
            cpu: Some(Quantity("10m".to_owned())),
            memory: Some(Quantity("16Mi".to_owned())),
        }
    }
}

fn default_limits() -> Amounts {
    Amounts {
        cpu: None,
        memory: Some(Quantity("64Mi".to_owned())),
    }
}

/// A number of Deployments, or a percentage of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Share {
    Count(i32),
    Percent(i32),
}

impl Serialize for Share {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Count(count) => serializer.serialize_i32(*count),
            Self::Percent(percent) => serializer.collect_str(&format_args!("{percent}%")),
        }
    }
}

/// A JSON number or string, borrowed by nobody: both types above read either.
enum Scalar {
    Number(String),
    Text(String),
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrText;
        impl de::Visitor<'_> for NumberOrText {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or a string")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Scalar, E> {
                Ok(Scalar::Number(number.to_string()))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Scalar, E> {
                Ok(Scalar::Number(number.to_string()))
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Scalar, E> {
                Ok(Scalar::Number(number.to_string()))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar::Text(text.to_owned()))
            }
        }
        deserializer.deserialize_any(NumberOrText)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Scalar::deserialize(deserializer)? {
            Scalar::Number(text) | Scalar::Text(text) => Ok(Self(text)),
        }
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let parsed = match Scalar::deserialize(deserializer)? {
            Scalar::Number(number) => number.parse().ok().map(Self::Count),
            Scalar::Text(text) => text
                .strip_suffix('%')
                .and_then(|percent| percent.parse().ok())
                .map(Self::Percent),
        };
        parsed.ok_or_else(|| de::Error::custom("expected a whole number or a percentage such as 10%"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_strings_are_read() {
        assert_eq!(serde_json::from_str::<Quantity>("1").unwrap(), Quantity("1".into()));
        assert_eq!(
            serde_json::from_str::<Quantity>("\"10m\"").unwrap(),
            Quantity("10m".into())
        );
        assert_eq!(serde_json::from_str::<Share>("2").unwrap(), Share::Count(2));
        assert_eq!(serde_json::from_str::<Share>("\"10%\"").unwrap(), Share::Percent(10));
        assert!(serde_json::from_str::<Share>("\"ten\"").is_err());
    }
}
