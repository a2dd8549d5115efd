//! For tests: a real API server with its controllers, on the host's loopback, without privileges.
//!
//! ```no_run
//! let cluster = cluster::control_plane::shared()?;
//! let answer = cluster.kubectl().args(["get", "namespaces"]).output()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Guarantees: no two processes share a cluster; it is gone within seconds after the process, however that ended.
//! Not there: nodes. Deployments get ReplicaSets and pods, and the pods stay pending, unless it was started by
//! [`start_simulation`].

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::audit::{AuditError, Follower};
use crate::credentials::{self, CredentialsError};
use crate::kubeconfig::{self, Identity};
use crate::kubectl::Kubectl;
use crate::named::{self, NamedError};
use crate::protocol::{Facts, Shape};
use crate::start::{self, StartError, Started};

static SHARED: OnceLock<Result<ControlPlane, StartError>> = OnceLock::new();
/// Names the files of identities, and clusters started one after the other.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A control plane that lives as long as this value, and no longer than this process.
#[derive(Debug)]
pub struct ControlPlane {
    started: Started,
    audit_log: PathBuf,
}

/// The control plane of this process, started on first use. Give each test a namespace of its own.
pub fn shared() -> Result<&'static ControlPlane, &'static StartError> {
    SHARED.get_or_init(start).as_ref()
}

/// A control plane of one's own, for a test that breaks it or counts its requests.
pub fn start() -> Result<ControlPlane, StartError> {
    ControlPlane::start(Shape::ControlPlane, &[])
}

/// A control plane of one's own with a scheduler and simulated nodes: pods get a node, an address that nobody has, and
/// the state running, and nothing runs. Its audit log leaves the cluster's own components out.
pub fn start_simulation() -> Result<ControlPlane, StartError> {
    ControlPlane::start(Shape::Simulation, &[])
}

impl ControlPlane {
    pub(crate) fn start(shape: Shape, images: &[PathBuf]) -> Result<Self, StartError> {
        let name = format!("test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let started = start::start(&name, shape, images)?;
        let audit_log = started.layout.audit_log();
        Ok(Self { started, audit_log })
    }

    pub(crate) fn facts(&self) -> &Facts {
        &self.started.facts
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> &Path {
        &self.started.facts.kubeconfig
    }

    /// A kubeconfig of any user by name. The user is real to the API server (a client certificate) and may do what RBAC
    /// grants to its name; nothing at first.
    pub fn kubeconfig_as(&self, user: &str) -> Result<PathBuf, CredentialsError> {
        let file = format!("user-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        credentials::make_user(&self.started.layout, &file, user)?;
        self.write_kubeconfig(&file, &Identity::Certificate(&file))
    }

    /// A kubeconfig of the bearer of a token, for example one that `kubectl create token` made for a service account.
    pub fn kubeconfig_with_token(&self, token: &str) -> Result<PathBuf, CredentialsError> {
        let file = format!("user-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.write_kubeconfig(&file, &Identity::Token(token))
    }

    /// One JSON line (`audit.k8s.io/v1` `Event`, level Metadata) for each request since the start.
    pub fn audit_log(&self) -> &Path {
        &self.audit_log
    }

    /// The requests of a user from now on.
    pub fn follow(&self, user: &str) -> Result<Follower, AuditError> {
        Follower::from_now(self.audit_log.clone(), user)
    }

    /// Kills the API server and starts it anew, as a failure of its machine would. Returns before it serves.
    pub fn restart_api_server(&self) -> Result<(), NamedError> {
        named::restart_api_server(&self.started.facts.name)
    }

    /// The pinned kubectl, as administrator.
    pub fn kubectl(&self) -> Command {
        let facts = &self.started.facts;
        Kubectl::new(facts.kubectl.clone(), facts.kubeconfig.clone()).command()
    }

    /// The folder of logs. It goes with the cluster.
    pub fn logs(&self) -> &Path {
        &self.started.facts.logs
    }

    fn write_kubeconfig(&self, file: &str, identity: &Identity<'_>) -> Result<PathBuf, CredentialsError> {
        let Started { facts, layout, .. } = &self.started;
        let path = layout.kubeconfig_of(file);
        kubeconfig::write(
            &path,
            &kubeconfig::render(&facts.name, &facts.server, &layout.pki(), identity),
        )?;
        Ok(path)
    }
}
