//! What is said between a cluster's holder and those who start and use it: JSON, one value a line.
//!
//! Three conversations:
//! * the starter gives the holder a [`Spec`] (one argument) and reads [`Report`]s from its standard output. The holder's
//!   standard input is the *lifeline*: its end ends the cluster, unless any byte came before, which lets the cluster go;
//! * clients send a [`Request`] to the holder's control socket and read one [`Answer`];
//! * [`Facts`] lie in the cluster's folder, for clients that come later.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What to hold.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Spec {
    /// The cluster's name, unique among the user's clusters.
    pub(crate) name: String,
    /// The cluster's folder.
    pub(crate) folder: PathBuf,
    pub(crate) shape: Shape,
    /// Programs by name, all of those the shape needs.
    pub(crate) tools: BTreeMap<String, PathBuf>,
    /// Image archives that a node has from the start.
    pub(crate) images: Vec<PathBuf>,
}

/// How much of Kubernetes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Shape {
    /// etcd, API server and controllers on loopback. Needs no privileges; no pod ever runs.
    ControlPlane,
    /// That, a scheduler, and nodes that kwok plays: pods are said to run and nothing does, so there can be thousands.
    Simulation,
    /// A whole node, in namespaces of its own. Needs root.
    Node,
}

/// What the holder tells its starter. After `Ready` only `Failed` can follow.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Report {
    /// What is happening.
    Progress(String),
    Ready(Facts),
    /// The node's init to the holder: everything inside is ready.
    NodeReady,
    /// The cluster is gone, and why.
    Failed(String),
}

/// What clients need to know of a running cluster.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    /// The cluster's name.
    pub name: String,
    /// How much of Kubernetes it is.
    pub shape: Shape,
    /// The process that holds it.
    pub holder: u32,
    /// The first process of the node's namespaces, as the host sees it.
    pub init: Option<u32>,
    /// The API server's address on the host's loopback.
    pub server: String,
    /// The administrator's kubeconfig.
    pub kubeconfig: PathBuf,
    /// The folder of logs.
    pub logs: PathBuf,
    /// The pinned kubectl.
    pub kubectl: PathBuf,
}

/// What a client may ask.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Request {
    /// End the cluster and remove all of it.
    Stop,
    /// Make an address of the cluster reachable on the host's loopback.
    Publish(Publish),
    /// Kill the API server and start it again.
    RestartApiServer,
}

/// Which address, and on which port of the host: any free one, if none is named.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Publish {
    pub(crate) target: SocketAddr,
    pub(crate) host_port: Option<u16>,
}

/// What the holder answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Answer {
    /// It will be gone when its folder is.
    Stopping,
    Published(SocketAddr),
    /// It is starting.
    Restarted,
    Refused(String),
}
