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

impl SecretKeyRef {
    /// Where the sidecar finds the value, relative to `--refs-dir`.
    pub fn path(&self) -> PathBuf {
        PathBuf::from("secrets").join(&self.name).join(&self.key)
    }
}

impl SecretRef {
    /// Where the sidecar finds the value of `key`, relative to `--refs-dir`.
    pub fn path(&self, key: &str) -> PathBuf {
        PathBuf::from("secrets").join(&self.name).join(key)
    }
}

impl ConfigMapKeyRef {
    /// Where the sidecar finds the value, relative to `--refs-dir`.
    pub fn path(&self) -> PathBuf {
        PathBuf::from("configmaps").join(&self.name).join(&self.key)
    }
}
