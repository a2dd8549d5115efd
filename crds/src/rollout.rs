//! How changes reach the Deployments. The doc comments are the descriptions in the CRD.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::KubeSchema;
use pipeline::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::quantity::Share;

/// How changes reach the Deployments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rollout {
    /// Nothing new is changed while true.
    #[serde(default)]
    pub paused: bool,
    /// Deployments that restart at once: a number, or a percentage, rounded up, at least 1.
    #[serde(default = "default_restarts")]
    pub max_concurrent_restarts: Share,
    /// Deployments that load a new configuration at once.
    #[serde(default = "default_reloads")]
    pub max_concurrent_reloads: Share,
    /// The Deployments that go first.
    #[serde(default)]
    pub canary: Canary,
    /// For how long a Deployment must be well before the next one goes.
    #[serde(default = "default_healthy_for")]
    pub healthy_for: Duration,
    /// How long one Deployment may take.
    #[serde(default = "default_deadline")]
    pub deadline: Duration,
    /// Also changes Deployments with strategy `Recreate`, for which a restart is an outage.
    #[serde(default)]
    pub allow_recreate: bool,
    /// What happens when a Deployment doesn't get well: stop, or go back to the last revision that was healthy.
    #[serde(default)]
    pub on_failure: OnFailure,
}

fn default_restarts() -> Share {
    Share::Percent(10)
}

fn default_reloads() -> Share {
    Share::Percent(50)
}

const fn default_healthy_for() -> Duration {
    Duration::from_secs(30)
}

const fn default_deadline() -> Duration {
    Duration::from_secs(600)
}

impl Default for Rollout {
    fn default() -> Self {
        Self {
            paused: false,
            max_concurrent_restarts: default_restarts(),
            max_concurrent_reloads: default_reloads(),
            canary: Canary::default(),
            healthy_for: default_healthy_for(),
            deadline: default_deadline(),
            allow_recreate: false,
            on_failure: OnFailure::default(),
        }
    }
}

/// The Deployments that go first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Canary {
    /// Which of the matched Deployments. Default: one that the operator chooses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
    /// For how long they must be well before the others go.
    #[serde(default = "default_soak")]
    pub soak: Duration,
}

const fn default_soak() -> Duration {
    Duration::from_secs(300)
}

impl Default for Canary {
    fn default() -> Self {
        Self {
            selector: None,
            soak: default_soak(),
        }
    }
}

/// What happens when a rollout fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnFailure {
    #[default]
    Halt,
    Revert,
}
