//! The API server, with RBAC and an audit log of every request.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Launch, path_flag};
use crate::layout::Layout;
use crate::protocol::Shape;
use crate::{addresses, pki};

/// The name of the component, of its program and of its certificate.
pub(crate) const NAME: &str = "kube-apiserver";
/// The certificate it shows to kubelets.
pub(crate) const KUBELET_CLIENT: &str = "kube-apiserver-kubelet-client";
/// The certificate it shows to extension API servers.
pub(crate) const FRONT_PROXY_CLIENT: &str = "front-proxy-client";
/// Who signs service-account tokens, as a URL.
const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

/// Where it serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// On the host's loopback only.
    Loopback,
    /// On the node's address, for kubelet and pods.
    Node,
}

/// What differs from one cluster to the next.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) port: u16,
    pub(crate) etcd_url: String,
    pub(crate) reach: Reach,
}

/// DNS names and addresses that its certificate must be valid for.
pub(crate) fn names() -> Vec<String> {
    let kubernetes_service = addresses::KUBERNETES_SERVICE.to_string();
    let node = addresses::NODE.to_string();
    [
        "localhost",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
    ]
    .into_iter()
    .chain([
        "kubernetes.default.svc.cluster.local",
        "127.0.0.1",
        &kubernetes_service,
        &node,
    ])
    .map(str::to_owned)
    .collect()
}

/// Who did what to which object, without the objects themselves: enough to tell which rights are used.
///
/// In a simulation the cluster's own components are left out: with thousands of pods they would be nearly all of it.
pub(crate) fn audit_policy(shape: Shape) -> Value {
    let everyone = json!({"level": "Metadata"});
    let components = [
        json!({"level": "None", "users": COMPONENTS}),
        json!({"level": "None", "userGroups": ["system:serviceaccounts:kube-system"]}),
    ];
    let rules = match shape {
        Shape::ControlPlane | Shape::Node => vec![everyone],
        Shape::Simulation => components.into_iter().chain([everyone]).collect(),
    };
    json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": rules,
    })
}

/// Users behind the components; controllers have service accounts in `kube-system` besides.
const COMPONENTS: [&str; 4] = [
    "system:apiserver",
    "system:kube-controller-manager",
    "system:kube-scheduler",
    super::kwok::NAME,
];

/// Readers follow one file, so it must never be put away and begun anew, as it is by default at 100 MB.
const AUDIT_LOG_MEGABYTES: u32 = 1_000_000;

/// The file that [`audit_policy`] goes to.
pub(crate) const AUDIT_POLICY: &str = "audit-policy.json";

pub(crate) fn launch(program: PathBuf, layout: &Layout, settings: &Settings) -> Launch {
    let mut arguments = vec![
        format!("--etcd-servers={}", settings.etcd_url),
        format!("--secure-port={}", settings.port),
        format!("--service-cluster-ip-range={}", addresses::SERVICES),
        "--authorization-mode=Node,RBAC".to_owned(),
        "--allow-privileged=true".to_owned(),
        "--shutdown-delay-duration=0s".to_owned(),
        "--profiling=false".to_owned(),
        path_flag("audit-policy-file", &layout.configuration_of(AUDIT_POLICY)),
        path_flag("audit-log-path", &layout.audit_log()),
        format!("--audit-log-maxsize={AUDIT_LOG_MEGABYTES}"),
    ];
    arguments.extend(credentials(layout));
    arguments.extend(reach(layout, settings.reach));
    Launch {
        name: NAME,
        program,
        arguments,
    }
}

fn credentials(layout: &Layout) -> Vec<String> {
    let pki = layout.pki();
    vec![
        path_flag("tls-cert-file", &pki.certificate(NAME)),
        path_flag("tls-private-key-file", &pki.key(NAME)),
        path_flag("client-ca-file", &pki.certificate(pki::CA)),
        format!("--service-account-issuer={ISSUER}"),
        path_flag("service-account-key-file", &pki.public_key(pki::SERVICE_ACCOUNTS)),
        path_flag("service-account-signing-key-file", &pki.key(pki::SERVICE_ACCOUNTS)),
        path_flag("requestheader-client-ca-file", &pki.certificate(pki::FRONT_PROXY_CA)),
        format!("--requestheader-allowed-names={FRONT_PROXY_CLIENT}"),
        "--requestheader-username-headers=X-Remote-User".to_owned(),
        "--requestheader-group-headers=X-Remote-Group".to_owned(),
        "--requestheader-extra-headers-prefix=X-Remote-Extra-".to_owned(),
        path_flag("proxy-client-cert-file", &pki.certificate(FRONT_PROXY_CLIENT)),
        path_flag("proxy-client-key-file", &pki.key(FRONT_PROXY_CLIENT)),
    ]
}

fn reach(layout: &Layout, reach: Reach) -> Vec<String> {
    let pki = layout.pki();
    match reach {
        // The reconciler would refuse to publish a loopback address as an endpoint.
        Reach::Loopback => vec![
            format!("--bind-address={}", Ipv4Addr::LOCALHOST),
            format!("--advertise-address={}", Ipv4Addr::LOCALHOST),
            "--endpoint-reconciler-type=none".to_owned(),
        ],
        Reach::Node => vec![
            format!("--bind-address={}", Ipv4Addr::UNSPECIFIED),
            format!("--advertise-address={}", IpAddr::V4(addresses::NODE)),
            "--enable-admission-plugins=NodeRestriction".to_owned(),
            path_flag("kubelet-client-certificate", &pki.certificate(KUBELET_CLIENT)),
            path_flag("kubelet-client-key", &pki.key(KUBELET_CLIENT)),
            path_flag("kubelet-certificate-authority", &pki.certificate(pki::CA)),
            "--kubelet-preferred-address-types=InternalIP".to_owned(),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(reach: Reach) -> Vec<String> {
        let settings = Settings {
            port: 6443,
            etcd_url: "http://127.0.0.1:2379".to_owned(),
            reach,
        };
        launch(
            PathBuf::from("/bin/kube-apiserver"),
            &Layout::at(PathBuf::from("/c")),
            &settings,
        )
        .arguments
    }

    #[test]
    fn without_a_node_the_api_is_served_on_loopback_only() {
        let arguments = arguments(Reach::Loopback);
        assert!(arguments.contains(&"--bind-address=127.0.0.1".to_owned()));
        assert!(!arguments.iter().any(|argument| argument.contains("0.0.0.0")));
    }

    #[test]
    fn with_a_node_it_proves_itself_to_the_kubelet_and_restricts_it() {
        let arguments = arguments(Reach::Node);
        let expected = [
            "--kubelet-client-key=/c/pki/kube-apiserver-kubelet-client.key",
            "--enable-admission-plugins=NodeRestriction",
        ];
        for flag in expected {
            assert!(
                arguments.contains(&flag.to_owned()),
                "{flag} is not among {arguments:?}"
            );
        }
    }

    #[test]
    fn its_certificate_covers_the_address_that_pods_use() {
        assert!(names().contains(&"10.96.0.1".to_owned()));
    }
}
