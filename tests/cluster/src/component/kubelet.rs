//! The kubelet: runs pods.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Launch, containerd, path_flag};
use crate::layout::Layout;
use crate::{addresses, pki};

/// The name of the component, of its program, its certificate and its kubeconfig.
pub(crate) const NAME: &str = "kubelet";
/// The file that [`configuration`] goes to.
pub(crate) const CONFIGURATION: &str = "kubelet.json";
/// What pods get as `/etc/resolv.conf`. The host's would send their questions for names out of the namespace.
pub(crate) const RESOLV_CONF: &str = "resolv.conf";

/// Names and addresses that its serving certificate must be valid for.
pub(crate) fn names() -> [String; 3] {
    [
        addresses::NODE_NAME.to_owned(),
        addresses::NODE.to_string(),
        "127.0.0.1".to_owned(),
    ]
}

/// `syncFrequency` stays at Kubernetes' default of a minute: with less, a changed ConfigMap would reach the pods without
/// the operator's nudge, and nobody would notice that the nudge is broken.
///
/// Images are never collected: containerd 1.6 doesn't pin the pause image, and no registry could give it back.
pub(crate) fn configuration(layout: &Layout, cgroup_root: &str) -> Value {
    let pki = layout.pki();
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "failCgroupV1": false,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroup_root,
        "failSwapOn": false,
        "containerRuntimeEndpoint": format!("unix://{}", containerd::SOCKET),
        "address": "0.0.0.0",
        "authentication": {
            "anonymous": { "enabled": false },
            "webhook": { "enabled": true, "cacheTTL": "10s" },
            "x509": { "clientCAFile": pki.certificate(pki::CA) },
        },
        "authorization": { "mode": "Webhook" },
        "tlsCertFile": pki.certificate(NAME),
        "tlsPrivateKeyFile": pki.key(NAME),
        "clusterDomain": "cluster.local",
        // Without an address the kubelet writes a warning event for every pod.
        "clusterDNS": [addresses::DNS],
        "resolvConf": layout.configuration_of(RESOLV_CONF),
        "enforceNodeAllocatable": ["pods"],
        "evictionHard": {
            "memory.available": "50Mi",
            "nodefs.available": "1%",
            "nodefs.inodesFree": "1%",
            "imagefs.available": "1%",
            "imagefs.inodesFree": "1%",
        },
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "containerLogMaxSize": "10Mi",
        "containerLogMaxFiles": 3,
        "maxPods": 110,
        "serializeImagePulls": false,
        // Refuse a host-wide sysctl that differs instead of writing it; the node shows it files of its own.
        "protectKernelDefaults": true,
    })
}

pub(crate) fn launch(program: PathBuf, layout: &Layout) -> Launch {
    let arguments = vec![
        path_flag("config", &layout.configuration_of(CONFIGURATION)),
        path_flag("kubeconfig", &layout.kubeconfig_of(NAME)),
        format!("--hostname-override={}", addresses::NODE_NAME),
        format!("--node-ip={}", addresses::NODE),
    ];
    Launch {
        name: NAME,
        program,
        arguments,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kubelet_keeps_kubernetes_default_of_slow_syncs_and_its_own_cgroup() {
        let configuration = configuration(&Layout::at(PathBuf::from("/c")), "/logshipping-demo");
        assert_eq!(configuration.get("syncFrequency"), None);
        assert_eq!(configuration["clusterDNS"][0], "10.96.0.10");
        assert_eq!(configuration["cgroupRoot"], "/logshipping-demo");
        assert_eq!(configuration["resolvConf"], "/c/configuration/resolv.conf");
    }
}
