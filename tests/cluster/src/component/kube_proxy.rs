//! kube-proxy: makes service addresses lead to pods, by iptables rules of the node's own network namespace.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Launch, path_flag};
use crate::addresses;
use crate::layout::Layout;

/// The name of the component, of its program and of its kubeconfig.
pub(crate) const NAME: &str = "kube-proxy";
/// The file that [`configuration`] goes to.
pub(crate) const CONFIGURATION: &str = "kube-proxy.json";

/// Connection tracking is left alone: its limits belong to the whole host.
pub(crate) fn configuration(layout: &Layout) -> Value {
    json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clientConnection": { "kubeconfig": layout.kubeconfig_of(NAME) },
        "hostnameOverride": addresses::NODE_NAME,
        "clusterCIDR": addresses::PODS.to_string(),
        "oomScoreAdj": 0,
        "conntrack": { "maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s" },
        "iptables": { "minSyncPeriod": "0s", "syncPeriod": "30s" },
    })
}

pub(crate) fn launch(program: PathBuf, layout: &Layout) -> Launch {
    let arguments = vec![path_flag("config", &layout.configuration_of(CONFIGURATION))];
    Launch {
        name: NAME,
        program,
        arguments,
    }
}
