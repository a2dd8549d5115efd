//! References to Secrets and ConfigMaps. The operator only mounts them; the sidecar reads them as files below its
//! `--refs-dir`. No secret value ever passes through the operator or the configuration.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::form::{self, Form};
#[cfg(feature = "schema")]
use crate::schema::rules;

/// One key of a Secret in the namespace of the workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretKeyRef {
    /// Name of the Secret.
    #[cfg_attr(feature = "schema", schemars(length(max = 253), extend("x-kubernetes-validations" = rules::text(&form::OBJECT_NAME))))]
    pub name: String,
    /// Key in the Secret.
    #[cfg_attr(feature = "schema", schemars(length(max = 253), extend("x-kubernetes-validations" = rules::text(&form::DATA_KEY))))]
    pub key: String,
}

/// A Secret in the namespace of the workload with the keys that the field asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretRef {
    /// Name of the Secret.
    #[cfg_attr(feature = "schema", schemars(length(max = 253), extend("x-kubernetes-validations" = rules::text(&form::OBJECT_NAME))))]
    pub name: String,
}

/// One key of a ConfigMap in the namespace of the workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfigMapKeyRef {
    /// Name of the ConfigMap.
    #[cfg_attr(feature = "schema", schemars(length(max = 253), extend("x-kubernetes-validations" = rules::text(&form::OBJECT_NAME))))]
    pub name: String,
    /// Key in the ConfigMap.
    #[cfg_attr(feature = "schema", schemars(length(max = 253), extend("x-kubernetes-validations" = rules::text(&form::DATA_KEY))))]
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
        let name = problem(&form::OBJECT_NAME, self.name).map(|message| ("name", message));
        let key = problem(&form::DATA_KEY, self.key).map(|message| ("key", message));
        name.into_iter().chain(key)
    }
}

/// Longest name of an object and longest key of one, in Kubernetes.
const MAX_LENGTH: usize = 253;

fn problem(form: &Form, text: &str) -> Option<String> {
    if text.len() > MAX_LENGTH {
        return Some(format!("must be at most {MAX_LENGTH} characters"));
    }
    form.check(text).err()
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
