//! Who is who in a cluster: one certificate and one kubeconfig for each component, and for people.

use crate::addresses;
use crate::component::{kube_apiserver, kube_controller_manager, kube_proxy, kube_scheduler, kubelet, kwok};
use crate::kubeconfig::{self, Identity, KubeconfigError};
use crate::layout::Layout;
use crate::pki::{self, Leaf, PkiError, Usage};

/// Why credentials could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// A certificate.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// A kubeconfig.
    #[error(transparent)]
    Kubeconfig(#[from] KubeconfigError),
}

/// The administrator's user name.
pub(crate) const ADMINISTRATOR: &str = "admin";
/// Members may do anything; RBAC is not even asked.
const MASTERS: &str = "system:masters";

/// A client of the API server.
#[derive(Debug)]
struct Client {
    /// The name of its certificate and kubeconfig.
    name: &'static str,
    user: &'static str,
    group: Option<&'static str>,
}

const OF_CONTROL_PLANE: [Client; 2] = [
    Client {
        name: ADMINISTRATOR,
        user: ADMINISTRATOR,
        group: Some(MASTERS),
    },
    Client {
        name: kube_controller_manager::NAME,
        user: "system:kube-controller-manager",
        group: None,
    },
];
const SCHEDULER: Client = Client {
    name: kube_scheduler::NAME,
    user: "system:kube-scheduler",
    group: None,
};
const OF_SIMULATION: [Client; 2] = [
    SCHEDULER,
    Client {
        name: kwok::NAME,
        user: kwok::NAME,
        group: Some(MASTERS),
    },
];
const OF_NODE: [Client; 2] = [
    SCHEDULER,
    Client {
        name: kube_proxy::NAME,
        user: "system:kube-proxy",
        group: None,
    },
];

/// Makes what the control plane needs. `server` is the API server's address as its components see it.
pub(crate) fn make(layout: &Layout, server: &str) -> Result<(), CredentialsError> {
    let pki = layout.pki();
    pki.make_authority(pki::CA)?;
    pki.make_authority(pki::FRONT_PROXY_CA)?;
    pki.make_key_pair(pki::SERVICE_ACCOUNTS)?;
    let names = kube_apiserver::names();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let serving = Usage::Server(&names);
    let server_leaf = Leaf {
        name: kube_apiserver::NAME,
        common_name: kube_apiserver::NAME,
        organisation: None,
        usage: serving,
    };
    pki.make_leaf(pki::CA, &server_leaf)?;
    let front_proxy = client_leaf(
        kube_apiserver::FRONT_PROXY_CLIENT,
        kube_apiserver::FRONT_PROXY_CLIENT,
        None,
    );
    pki.make_leaf(pki::FRONT_PROXY_CA, &front_proxy)?;
    make_clients(layout, server, &OF_CONTROL_PLANE)
}

/// Makes what a simulation of nodes needs besides.
pub(crate) fn make_for_simulation(layout: &Layout, server: &str) -> Result<(), CredentialsError> {
    make_clients(layout, server, &OF_SIMULATION)
}

/// Makes what a node needs besides.
pub(crate) fn make_for_node(layout: &Layout, server: &str) -> Result<(), CredentialsError> {
    let pki = layout.pki();
    let to_kubelet = client_leaf(
        kube_apiserver::KUBELET_CLIENT,
        kube_apiserver::KUBELET_CLIENT,
        Some(MASTERS),
    );
    pki.make_leaf(pki::CA, &to_kubelet)?;
    let names = kubelet::names();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let user = format!("system:node:{}", addresses::NODE_NAME);
    let kubelet_leaf = Leaf {
        name: kubelet::NAME,
        common_name: &user,
        organisation: Some("system:nodes"),
        usage: Usage::Both(&names),
    };
    pki.make_leaf(pki::CA, &kubelet_leaf)?;
    write_kubeconfig(layout, server, kubelet::NAME)?;
    make_clients(layout, server, &OF_NODE)
}

fn make_clients(layout: &Layout, server: &str, clients: &[Client]) -> Result<(), CredentialsError> {
    for client in clients {
        layout
            .pki()
            .make_leaf(pki::CA, &client_leaf(client.name, client.user, client.group))?;
        write_kubeconfig(layout, server, client.name)?;
    }
    Ok(())
}

fn write_kubeconfig(layout: &Layout, server: &str, name: &str) -> Result<(), CredentialsError> {
    let config = kubeconfig::render(name, server, &layout.pki(), &Identity::Certificate(name));
    Ok(kubeconfig::write(&layout.kubeconfig_of(name), &config)?)
}

/// Writes the administrator's kubeconfig for `server` as the host sees it.
pub(crate) fn make_for_people(layout: &Layout, cluster: &str, server: &str) -> Result<(), CredentialsError> {
    let config = kubeconfig::render(cluster, server, &layout.pki(), &Identity::Certificate(ADMINISTRATOR));
    Ok(kubeconfig::write(&layout.kubeconfig(), &config)?)
}

/// Makes a certificate for any user, in no group but that of all authenticated ones. The API server knows who it is;
/// what the user may do is up to RBAC.
pub(crate) fn make_user(layout: &Layout, file: &str, user: &str) -> Result<(), CredentialsError> {
    Ok(layout.pki().make_leaf(pki::CA, &client_leaf(file, user, None))?)
}

fn client_leaf<'a>(name: &'a str, user: &'a str, group: Option<&'a str>) -> Leaf<'a> {
    Leaf {
        name,
        common_name: user,
        organisation: group,
        usage: Usage::Client,
    }
}
