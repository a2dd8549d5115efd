//! References to Secrets and ConfigMaps. The operator only mounts them; the sidecar reads them as files below its
//! `--refs-dir`. No secret value ever passes through the operator or the configuration.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One key of a Secret in the namespace of the workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretKeyRef {
    /// Name of the Secret.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 253)))]
    pub name: String,
    /// Key in the Secret.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 253)))]
    pub key: String,
}

/// A Secret in the namespace of the workload with the keys that the field asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretRef {
    /// Name of the Secret.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 253)))]
    pub name: String,
}

/// One key of a ConfigMap in the namespace of the workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfigMapKeyRef {
    /// Name of the ConfigMap.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 253)))]
    pub name: String,
    /// Key in the ConfigMap.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 253)))]
    pub key: String,
}

/// The keys that a `secretRef` stands for, by use.
pub mod keys {
    pub const USERNAME: &str = "username";
    pub const PASSWORD: &str = "password";
    pub const BASIC: [&str; 2] = [USERNAME, PASSWORD];

    pub const TLS_CERTIFICATE: &str = "tls.crt";
    pub const TLS_KEY: &str = "tls.key";
    pub const CERTIFICATE: [&str; 2] = [TLS_CERTIFICATE, TLS_KEY];

    pub const CLIENT_ID: &str = "client_id";
    pub const CLIENT_SECRET: &str = "client_secret";
    pub const OAUTH2: [&str; 2] = [CLIENT_ID, CLIENT_SECRET];

    pub const AWS_ACCESS_KEY_ID: &str = "aws_access_key_id";
    pub const AWS_SECRET_ACCESS_KEY: &str = "aws_secret_access_key";
    /// May be missing.
    pub const AWS_SESSION_TOKEN: &str = "aws_session_token";
    pub const AWS: [&str; 3] = [AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN];
}

/// The two kinds of object that can be referred to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Object {
    Secret,
    ConfigMap,
}

/// One key of an object that the sidecar needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference<'a> {
    /// The field of the destination that says so, such as `auth.basic.secretRef`.
    pub field: &'static str,
    pub object: Object,
    pub name: &'a str,
    pub key: &'a str,
}

impl Object {
    /// Its kind, as Kubernetes calls it.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Secret => "Secret",
            Self::ConfigMap => "ConfigMap",
        }
    }

    /// Where objects of this kind are, relative to `--refs-dir`.
    pub const fn directory(self) -> &'static str {
        match self {
            Self::Secret => "secrets",
            Self::ConfigMap => "configmaps",
        }
    }

    fn path(self, name: &str, key: &str) -> PathBuf {
        PathBuf::from(self.directory()).join(name).join(key)
    }
}

impl Reference<'_> {
    /// Where the sidecar finds the value, relative to `--refs-dir`.
    pub fn path(&self) -> PathBuf {
        self.object.path(self.name, self.key)
    }

    /// What is wrong with the name or the key; both become parts of paths.
    pub(crate) fn problems(&self) -> impl Iterator<Item = (&'static str, String)> {
        let name = (!is_object_name(self.name)).then(|| {
            let words = "is not the name of an object: lower-case letters, digits, - and ., beginning and ending with a letter or a digit";
            ("name", format!("{:?} {words}", self.name))
        });
        let key = (!is_key(self.key)).then(|| {
            let words = "is not a key of a Secret or ConfigMap: letters, digits, -, _ and .";
            ("key", format!("{:?} {words}", self.key))
        });
        name.into_iter().chain(key)
    }
}

/// A DNS subdomain, RFC 1123, as the API server wants it.
fn is_object_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        let ends = [bytes.first(), bytes.last()];
        ends.into_iter()
            .all(|end| end.is_some_and(|byte| is_alphanumeric(*byte)))
            && bytes.iter().all(|byte| is_alphanumeric(*byte) || *byte == b'-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

const fn is_alphanumeric(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

/// `k8s.io/apimachinery/pkg/util/validation`, `IsConfigMapKey`.
fn is_key(key: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=253).contains(&key.len()) && key.bytes().all(allowed) && key != "." && !key.starts_with("..")
}

impl SecretKeyRef {
    /// Where the sidecar finds the value, relative to `--refs-dir`.
    pub fn path(&self) -> PathBuf {
        Object::Secret.path(&self.name, &self.key)
    }
}

impl SecretRef {
    /// Where the sidecar finds the value of `key`, relative to `--refs-dir`.
    pub fn path(&self, key: &str) -> PathBuf {
        Object::Secret.path(&self.name, key)
    }
}

impl ConfigMapKeyRef {
    /// Where the sidecar finds the value, relative to `--refs-dir`.
    pub fn path(&self) -> PathBuf {
        Object::ConfigMap.path(&self.name, &self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_keys_that_could_leave_their_directory_are_wrong() {
        let wrong = |name: &str, key: &str| -> Vec<_> {
            let reference = Reference {
                field: "f",
                object: Object::Secret,
                name,
                key,
            };
            reference.problems().map(|(part, _)| part).collect()
        };
        for name in ["loki-auth", "a.b-c.d", "0"] {
            assert!(wrong(name, "tls.crt").is_empty(), "{name}");
        }
        for name in [
            "",
            "..",
            "../x",
            "a/b",
            "A",
            "-a",
            "a-",
            "a..b",
            "a_b",
            &"a".repeat(254),
        ] {
            assert_eq!(wrong(name, "A_b-c.d"), ["name"], "{name}");
        }
        for key in ["", ".", "..", "..data", "a/b", "a b", &"a".repeat(254)] {
            assert_eq!(wrong("a", key), ["key"], "{key}");
        }
    }
}
