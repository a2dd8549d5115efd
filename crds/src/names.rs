//! Every name that the operator writes into a cluster. Other people's scripts use them: they don't change.

use xxhash_rust::xxh3::xxh3_64;

pub const GROUP: &str = "logshipping.dev";
pub const VERSION: &str = "v1alpha1";

/// Constant for ever: another name would orphan every field that this one owns.
pub const FIELD_MANAGER: &str = "logshipping-operator";
pub const FINALIZER: &str = "logshipping.dev/cleanup";

pub const CONTAINER: &str = "logshipping-sidecar";
pub const PORT: &str = "logshipping";

/// On the pod template and on the Deployment: carries a sidecar of ours.
pub const SIDECAR_LABEL: &str = "logshipping.dev/sidecar";
/// On ConfigMaps of ours.
pub const MANAGED_LABEL: &str = "logshipping.dev/managed";
/// Value of both labels.
pub const TRUE: &str = "true";

/// On the pod template: hash of everything that we put into it. A change of it is a rollout.
pub const POD_SHAPE: &str = "logshipping.dev/pod-shape";
/// On running pods: makes the kubelet refresh the mounted configuration at once (the nudge).
pub const CONFIG_REVISION: &str = "logshipping.dev/config-revision";
/// On a Deployment, set by people: `"false"` keeps the operator away from it.
pub const INJECT: &str = "logshipping.dev/inject";
/// Tells the cluster autoscaler that our volumes don't keep the pod on its node.
pub const SAFE_TO_EVICT: &str = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes";
/// Set by people and tools: the container that `kubectl logs` and `kubectl exec` take by default.
pub const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";

/// On the pod template: the pull secrets that we added to it, separated by commas. Their names are the owner's, so
/// nothing else would tell ours from those that the owner adds.
pub const PULL_SECRETS: &str = "logshipping.dev/pull-secrets";

/// On the ConfigMap: by pod shape and name, what the LogShippings of the pipelines in it asked of the sidecar they share.
/// One that is invalid, paused or in preview keeps its say by it.
pub const ADMITTED: &str = "logshipping.dev/admitted";

/// On the ConfigMap: names, separated by commas, of LogShippings that were deleted with `deletionPolicy: Retain` and whose
/// pipelines therefore stay. Taking a name off makes the operator remove its pipeline.
pub const RETAINED: &str = "logshipping.dev/retained";

pub const CONFIG_VOLUME: &str = "logshipping-config";
pub const STATE_VOLUME: &str = "logshipping-state";
pub const NO_TOKEN_VOLUME: &str = "logshipping-no-token";
const LOGS_VOLUME_PREFIX: &str = "logshipping-logs-";
const REF_VOLUME_PREFIX: &str = "logshipping-ref-";

/// Whether a volume is ours. The owner can't have one of such a name.
pub fn is_volume(name: &str) -> bool {
    [CONFIG_VOLUME, STATE_VOLUME, NO_TOKEN_VOLUME].contains(&name)
        || name.starts_with(LOGS_VOLUME_PREFIX)
        || name.starts_with(REF_VOLUME_PREFIX)
}

/// Where the sidecar finds its things; together with the environment this is the contract of the two binaries.
pub mod paths {
    pub const CONFIG: &str = "/logshipping/config";
    pub const CONFIG_FILE: &str = "config.json";
    pub const STATE: &str = "/logshipping/state";
    pub const REFS: &str = "/logshipping/refs";
    /// Log volumes are mounted below it, by the hash of their directory.
    pub const LOGS: &str = "/logshipping/logs";
    pub const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
}

/// Environment of the sidecar, filled from the downward API.
pub mod environment {
    pub const POD_NAME: &str = "LOGSHIPPING_POD_NAME";
    pub const POD_UID: &str = "LOGSHIPPING_POD_UID";
    pub const NODE_NAME: &str = "LOGSHIPPING_NODE_NAME";

    /// The variable for a field of the pod.
    pub fn of_field(path: &str) -> String {
        match path {
            "metadata.name" => POD_NAME.to_owned(),
            "metadata.uid" => POD_UID.to_owned(),
            "spec.nodeName" => NODE_NAME.to_owned(),
            other => format!("LOGSHIPPING_FIELD_{}", super::short_hash(other).to_uppercase()),
        }
    }
}

/// Name of the volume that we add for a directory of logs.
pub fn logs_volume(directory: &str) -> String {
    format!("{LOGS_VOLUME_PREFIX}{}", short_hash(directory))
}

/// Name of that volume where another container has one for a directory of the same name already.
pub fn logs_volume_of(directory: &str, container: &str) -> String {
    format!("{}-{}", logs_volume(directory), short_hash(container))
}

/// Where a directory of logs is mounted in the sidecar; `distinguisher` tells apart equal paths on different volumes.
pub fn logs_mount(distinguisher: &str) -> String {
    format!("{}/{}", paths::LOGS, short_hash(distinguisher))
}

/// Name of the volume for a Secret or ConfigMap that destinations refer to; `directory` is the one of its kind.
pub fn ref_volume(directory: &str, object: &str) -> String {
    format!("{REF_VOLUME_PREFIX}{}", short_hash(&format!("{directory}/{object}")))
}

/// Where a Secret or ConfigMap is mounted in the sidecar.
pub fn ref_mount(directory: &str, object: &str) -> String {
    format!("{}/{directory}/{object}", paths::REFS)
}

/// What the names of all our ConfigMaps begin with.
pub const CONFIG_MAP_PREFIX: &str = "logshipping-deployment-";

/// Name of the ConfigMap of a Deployment; a long name is cut and hashed, since both may have 253 characters.
pub fn config_map(deployment: &str) -> String {
    const LIMIT: usize = 253;
    if CONFIG_MAP_PREFIX.len() + deployment.len() <= LIMIT {
        return format!("{CONFIG_MAP_PREFIX}{deployment}");
    }
    let hash = short_hash(deployment);
    let kept = &deployment[..LIMIT - CONFIG_MAP_PREFIX.len() - hash.len() - 1];
    format!("{CONFIG_MAP_PREFIX}{}-{hash}", kept.trim_end_matches(['-', '.']))
}

/// Key of the ConfigMap for pods of a shape.
pub fn config_key(pod_shape: &str) -> String {
    format!("{pod_shape}.json")
}

/// Eight hexadecimal digits, enough to tell names of one object apart.
pub fn short_hash(text: &str) -> String {
    hash_bytes(text.as_bytes())
}

/// Like [`short_hash`], of anything serialised.
pub fn hash_bytes(bytes: &[u8]) -> String {
    format!("{:08x}", xxh3_64(bytes) >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_deployment_name_still_gives_a_valid_and_distinct_name() {
        let (a, b) = ("a".repeat(252) + "x", "a".repeat(252) + "y");
        assert_eq!(config_map("server"), "logshipping-deployment-server");
        assert!(config_map(&a).len() <= 253);
        assert_ne!(config_map(&a), config_map(&b));
    }

    #[test]
    fn names_of_volumes_are_stable() {
        assert_eq!(logs_volume("/var/log"), logs_volume("/var/log"));
        assert_ne!(logs_volume("/var/log"), logs_volume("/var/log/app"));
        assert!(logs_volume(&"/x".repeat(600)).len() <= 63);
        assert_ne!(ref_volume("secrets", "loki"), ref_volume("configmaps", "loki"));
        assert!(ref_volume("secrets", &"x".repeat(253)).len() <= 63);
        assert_ne!(logs_volume_of("/logs", "a"), logs_volume_of("/logs", "b"));
        assert!(logs_volume_of("/logs", &"x".repeat(63)).len() <= 63 && is_volume(&logs_volume_of("/logs", "a")));
    }
}
