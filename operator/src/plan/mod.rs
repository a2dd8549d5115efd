//! What has to be done about one Deployment: `plan(&Observed, &Settings) -> Plan`. Pure and deterministic.
//!
//! Desired = f(the LogShippings, the operator's settings, the owner's template with everything of ours taken out); the
//! patch is the difference between what of ours is there and what should be. Once a plan is carried out the next one
//! has nothing to do. Deliberately not here: a clock, and which Deployments may change at the same time.

mod cast;
mod comparable;
mod composition;
mod config;
mod decision;
mod desired;
mod event;
mod foresight;
mod injection;
mod nudge;
mod parts;
mod patch;
mod resource;
mod situation;
mod skip;
mod state;
mod target;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::Value;

pub(crate) use self::config::retained;
use self::decision::{Decision, Template};
pub use self::foresight::{Additions, Foreseen};
pub(crate) use self::injection::requests;
use self::parts::Parts;
use self::situation::Situation;
pub use self::state::{ExpectedConfig, Finding, Note, ShippingState, Standing, TargetState};
pub use self::target::HostPaths;
use crate::observed::Observed;
use crate::validate::pipeline_name;

/// What the operator as a whole is told, as far as plans depend on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Image of the sidecar where no LogShipping names one.
    pub sidecar_image: String,
    pub host_paths: HostPaths,
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
    /// Somebody has made it immutable, which nobody can take back: it is deleted and created anew.
    Recreate(ConfigMapDeletion, ConfigMap),
}

/// A strategic merge patch, type Update, field manager [`crds::names::FIELD_MANAGER`]. `metadata.uid` and
/// `metadata.resourceVersion` in it are preconditions.
#[derive(Clone, Debug, PartialEq)]
pub struct DeploymentPatch {
    pub action: Action,
    /// Pod shape of the template afterwards; none where everything of ours goes.
    pub shape: Option<String>,
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
    let situation = Situation::of(observed);
    let Decision {
        template,
        contents,
        standings,
        notes,
    } = decision::decide(&situation, settings);
    let nothing = Parts::default();
    let desired = template.parts(&situation.split.ours, &nothing);
    let patch = match template {
        Template::Stays => None,
        Template::Clean | Template::Carries(_) => deployment_patch(&situation, desired),
    };
    let before = &situation.before;
    let config_map = contents
        .as_ref()
        .and_then(|contents| situation.current.write(&observed.deployment, contents));
    let configs = config::expected(&contents.as_ref().unwrap_or(before).data);
    let told = Told { standings, notes };
    let state = TargetState {
        shippings: shipping_states(&situation, told, desired, &configs, patch.as_ref()),
        carried: situation.carried(),
        sidecar_image: desired.container().and_then(|container| container.image.clone()),
        configs,
        held_up: None,
    };
    let unused = matches!(template, Template::Clean) && patch.is_none() && situation.injected_pods().next().is_none();
    Plan {
        nudges: nudge::nudges(&observed.pods, &state.configs, &config::expected(&before.data)),
        delete_config_map: situation.current.deletion().filter(|_| unused),
        events: patch
            .iter()
            .filter_map(|patch| event::event(patch.action, &situation, desired, &state))
            .collect(),
        config_map,
        patch,
        state,
    }
}

fn deployment_patch(situation: &Situation<'_>, desired: &Parts) -> Option<DeploymentPatch> {
    let ours = &situation.split.ours;
    let action = match (ours.container().is_some(), desired.is_empty()) {
        (_, true) => Action::Remove,
        (false, false) => Action::Inject,
        (true, false) => Action::Update,
    };
    let body = patch::diff(situation.deployment(), ours, desired)?;
    let shape = desired.shape().map(str::to_owned);
    Some(DeploymentPatch { action, shape, body })
}

/// What each LogShipping is told, by name.
struct Told {
    standings: BTreeMap<String, Standing>,
    notes: BTreeMap<String, Vec<Note>>,
}

fn shipping_states(
    situation: &Situation<'_>,
    mut told: Told,
    desired: &Parts,
    configs: &BTreeMap<String, ExpectedConfig>,
    patch: Option<&DeploymentPatch>,
) -> BTreeMap<String, ShippingState> {
    let config = desired.shape().and_then(|shape| configs.get(shape));
    let states = situation.observed.shippings.iter().map(|shipping| {
        let pipeline = pipeline_name(situation.namespace(), &shipping.name);
        let served = if patch.is_some() {
            Standing::InProgress
        } else {
            Standing::Injected
        };
        let state = ShippingState {
            revision: config.and_then(|config| config.revisions.get(&pipeline)).cloned(),
            standing: told.standings.remove(&shipping.name).unwrap_or(served),
            notes: told.notes.remove(&shipping.name).unwrap_or_default(),
        };
        (shipping.name.clone(), state)
    });
    states.collect()
}

#[cfg(test)]
mod tests;
