//! kwok: plays nodes and their kubelets. A pod that the scheduler binds to such a node is said to run at once, and no
//! process runs at all, so one machine holds thousands of them.
//!
//! What its pods do is in `kwok/stages.yaml`.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Launch, path_flag};
use crate::layout::Layout;

/// The name of the component, of its program, of its certificate and of its user.
pub(crate) const NAME: &str = "kwok";

/// The file that [`configuration`] goes to.
pub(crate) const CONFIGURATION: &str = "kwok.yaml";

/// How many there are. Each takes any number of pods; a few of them give the scheduler something to choose.
const NODES: u16 = 10;

/// A kubelet renews its lease as often; without one the node would be given up.
const LEASE_SECONDS: u32 = 40;

/// Addresses that its pods are said to have: of the loopback network, so that whoever asks such a pod asks nobody, and
/// nothing leaves the machine.
const PODS: &str = "127.64.0.0/10";

/// Requests at once. Given a configuration of ours it has no defaults.
const PARALLEL: u32 = 16;

/// Several YAML documents, of which JSON is one.
pub(crate) fn configuration() -> String {
    let options = json!({
        "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
        "kind": "KwokConfiguration",
        "options": {
            "cidr": PODS,
            "nodeLeaseParallelism": PARALLEL,
            "nodePlayStageParallelism": PARALLEL,
            "podPlayStageParallelism": PARALLEL,
            "podsOnNodeSyncParallelism": PARALLEL,
        },
    });
    format!("{options}\n---\n{}", include_str!("kwok/stages.yaml"))
}

/// It serves nothing: two clusters on one host would quarrel over the port.
pub(crate) fn launch(program: PathBuf, layout: &Layout) -> Launch {
    let arguments = vec![
        path_flag("kubeconfig", &layout.kubeconfig_of(NAME)),
        path_flag("config", &layout.configuration_of(CONFIGURATION)),
        "--manage-all-nodes=true".to_owned(),
        format!("--node-lease-duration-seconds={LEASE_SECONDS}"),
        "--server-address=".to_owned(),
        "--node-port=0".to_owned(),
    ];
    Launch {
        name: NAME,
        program,
        arguments,
    }
}

/// The nodes, for `kubectl apply`.
pub(crate) fn nodes() -> Value {
    let nodes = (0..NODES).map(|number| {
        let name = format!("simulated-{number}");
        json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}},
        })
    });
    json!({"apiVersion": "v1", "kind": "List", "items": nodes.collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_listens_nowhere_and_plays_nodes_and_pods() {
        let arguments = launch(PathBuf::from("/bin/kwok"), &Layout::at(PathBuf::from("/c"))).arguments;
        assert!(arguments.contains(&"--node-port=0".to_owned()));
        assert!(arguments.contains(&"--config=/c/configuration/kwok.yaml".to_owned()));
        let configuration = configuration();
        for kind in ["kind: Node\n", "kind: Pod\n"] {
            assert!(configuration.contains(kind), "{kind} in {configuration}");
        }
    }
}
