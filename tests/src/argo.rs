//! Argo CD's application controller at one application: it compares Git with what lives, applies what differs
//! (self-heal), and prunes: whatever bears the application's label and isn't in Git is deleted.
//!
//! Argo's three-way comparison and its apply are kubectl's own library, so kubectl does both here.

use serde_json::Value;

use crate::kubectl::Namespace;
use crate::server_side::ServerSide;

/// Argo's field manager.
const MANAGER: &str = "argocd-controller";
const AS_MANAGER: &str = "--field-manager=argocd-controller";
/// By which Argo tells what belongs to an application.
pub const LABEL: &str = "app.kubernetes.io/instance";
/// What could be pruned.
const KINDS: &str = "configmaps,services,deployments,logshippings";

/// How Argo compares and applies.
#[allow(missing_debug_implementations, reason = "kube's client has none")]
pub enum Way {
    /// The default: `kubectl apply`, compared with the annotation `last-applied-configuration`.
    ThreeWay,
    /// The annotations `ServerSideDiff=true` and `ServerSideApply=true`.
    ServerSide(ServerSide),
}

/// Argo CD with one application.
#[allow(missing_debug_implementations, reason = "kube's client has none")]
pub struct Argo<'a> {
    namespace: &'a Namespace,
    application: &'static str,
    way: Way,
}

/// What a look at the application led to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Synced {
    pub healed: bool,
    /// `kind/name` of what was deleted.
    pub pruned: Vec<String>,
}

impl<'a> Argo<'a> {
    pub const fn three_way(namespace: &'a Namespace, application: &'static str) -> Self {
        let way = Way::ThreeWay;
        Self {
            namespace,
            application,
            way,
        }
    }

    /// # Panics
    /// When there is no way to the API server.
    pub fn server_side(namespace: &'a Namespace, application: &'static str) -> Self {
        let way = Way::ServerSide(ServerSide::new(namespace, MANAGER));
        Self {
            namespace,
            application,
            way,
        }
    }

    /// Compares, heals and prunes.
    ///
    /// # Panics
    /// When the API server refuses.
    pub fn sync(&self, objects: &[Value]) -> Synced {
        let different: Vec<_> = objects.iter().filter(|object| self.differs(object)).collect();
        for object in &different {
            self.apply(object);
        }
        Synced {
            healed: !different.is_empty(),
            pruned: self.prune(objects),
        }
    }

    fn differs(&self, object: &Value) -> bool {
        match &self.way {
            // kubectl reads twice; what somebody wrote in between is no difference, and isn't there the next time.
            Way::ThreeWay => (0..2).all(|_| self.kubectl("diff", object).is_err()),
            Way::ServerSide(server_side) => server_side.look(object).differs(),
        }
    }

    fn apply(&self, object: &Value) {
        match &self.way {
            Way::ThreeWay => {
                let applied = self.kubectl("apply", object);
                assert!(applied.is_ok(), "{applied:?}\n{object:#}");
            }
            Way::ServerSide(server_side) => server_side.apply(object),
        }
    }

    fn kubectl(&self, verb: &str, object: &Value) -> Result<String, String> {
        self.namespace
            .feed(&[verb, AS_MANAGER, "--filename=-"], &object.to_string())
    }

    fn prune(&self, objects: &[Value]) -> Vec<String> {
        let label = format!("{LABEL}={}", self.application);
        let identity = |object: &Value| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_lowercase();
            format!("{}/{}", text(&object["kind"]), text(&object["metadata"]["name"]))
        };
        let in_git: Vec<_> = objects.iter().map(identity).collect();
        let labelled = self.namespace.list(KINDS, &label);
        let extra: Vec<_> = labelled
            .iter()
            .map(identity)
            .filter(|one| !in_git.contains(one))
            .collect();
        for one in &extra {
            self.namespace.run(&["delete", one, "--wait=false"]);
        }
        extra
    }
}
