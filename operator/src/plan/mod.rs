//! What has to be done about one Deployment: `plan(&Observed, &Settings) -> Plan`. Pure and deterministic.

mod state;

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::Value;

pub use self::state::{ExpectedConfig, Finding, ShippingState, Standing, TargetState};
use crate::observed::Observed;

/// What the operator as a whole is told, as far as plans depend on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Image of the sidecar where no LogShipping names one.
    pub sidecar_image: String,
}

/// Everything to do, in this order: the ConfigMap is written, the Deployment is patched, pods are nudged, a ConfigMap
/// that nobody mounts any more is deleted, events are published. The first failure ends it; the next plan starts anew
/// from what is then observed.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub config_map: Option<ConfigMapWrite>,
    pub patch: Option<DeploymentPatch>,
    pub nudges: Vec<Nudge>,
    pub delete_config_map: Option<ConfigMapDeletion>,
    /// To be published once all of the above has succeeded.
    pub events: Vec<Event>,
    /// How the Deployment stands, seen from each LogShipping.
    pub state: TargetState,
}

/// A write of the Deployment's ConfigMap. Both carry the complete object.
#[derive(Clone, Debug, PartialEq)]
pub enum ConfigMapWrite {
    Create(ConfigMap),
    /// With `metadata.resourceVersion` as precondition.
    Replace(ConfigMap),
}

/// A strategic merge patch, type Update, field manager [`crds::names::FIELD_MANAGER`]. `metadata.uid` and
/// `metadata.resourceVersion` in it are preconditions.
#[derive(Clone, Debug, PartialEq)]
pub struct DeploymentPatch {
    pub action: Action,
    pub body: Value,
}

/// What a patch is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The first sidecar, or it comes back.
    Inject,
    /// The sidecar is there and changes.
    Update,
    /// Everything of ours goes.
    Remove,
}

impl Action {
    /// Also a metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inject => "inject",
            Self::Update => "update",
            Self::Remove => "remove",
        }
    }
}

/// An annotation [`crds::names::CONFIG_REVISION`] to set on a pod, so that the kubelet refreshes its volume at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nudge {
    pub pod: String,
    /// Precondition.
    pub uid: String,
    /// `hash` of the configuration that the pod shall load.
    pub revision: String,
}

/// A deletion with preconditions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigMapDeletion {
    pub name: String,
    pub uid: Option<String>,
    pub resource_version: Option<String>,
}

/// Something to tell about the Deployment, on it and on the LogShippings that are named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub kind: EventKind,
    /// Names of LogShippings; the Deployment is always meant as well.
    pub shippings: Vec<String>,
    pub message: String,
}

/// Events of plans. `ConflictDetected` isn't among them: it belongs to a transition of the state, see
/// [`Standing::Failed`] with reason `Conflict`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    Injected,
    CleanedUp,
}

/// Plans.
pub fn plan(observed: &Observed, settings: &Settings) -> Plan {
    let _ = (observed, settings);
    Plan {
        config_map: None,
        patch: None,
        nudges: Vec::new(),
        delete_config_map: None,
        events: Vec::new(),
        state: TargetState::default(),
    }
}
