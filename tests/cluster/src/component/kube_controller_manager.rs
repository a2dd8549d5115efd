//! The controllers: Deployments get ReplicaSets, namespaces get service accounts, garbage is collected.

use std::path::PathBuf;

use super::{Launch, path_flag};
use crate::layout::Layout;
use crate::pki;

/// The name of the component, of its program and of its kubeconfig.
pub(crate) const NAME: &str = "kube-controller-manager";

/// With its default of 20 requests a second the first service account appears nine seconds late.
const QUERIES_PER_SECOND: u32 = 500;

/// It serves nothing (`--secure-port=0`): nobody asks it, and two clusters on one host would quarrel over the port.
pub(crate) fn launch(program: PathBuf, layout: &Layout) -> Launch {
    let pki = layout.pki();
    let arguments = vec![
        path_flag("kubeconfig", &layout.kubeconfig_of(NAME)),
        "--leader-elect=false".to_owned(),
        "--secure-port=0".to_owned(),
        format!("--kube-api-qps={QUERIES_PER_SECOND}"),
        format!("--kube-api-burst={}", QUERIES_PER_SECOND * 2),
        "--use-service-account-credentials=true".to_owned(),
        path_flag("service-account-private-key-file", &pki.key(pki::SERVICE_ACCOUNTS)),
        path_flag("root-ca-file", &pki.certificate(pki::CA)),
        path_flag("cluster-signing-cert-file", &pki.certificate(pki::CA)),
        path_flag("cluster-signing-key-file", &pki.key(pki::CA)),
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
    fn controllers_sign_with_the_cluster_s_own_keys_and_listen_nowhere() {
        let arguments = launch(PathBuf::from("/bin/x"), &Layout::at(PathBuf::from("/c"))).arguments;
        assert!(arguments.contains(&"--service-account-private-key-file=/c/pki/sa.key".to_owned()));
        assert!(arguments.contains(&"--secure-port=0".to_owned()));
    }
}
