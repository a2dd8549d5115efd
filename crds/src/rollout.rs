//! How changes reach the Deployments. The doc comments are the descriptions in the CRD.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::KubeSchema;
use pipeline::Duration;
use pipeline::limits::Durations;
use pipeline::schema::rules;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::quantity::Share;
use crate::schema;

/// How changes reach the Deployments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = rules::rules(&[
    ("duration(self.healthyFor) < duration(self.deadline)", "healthyFor must be shorter than deadline, or no Deployment can be done in time"),
])))]
pub struct Rollout {
    /// While true nothing new is changed: Deployments stay as they are, and so does their configuration.
    #[serde(default)]
    pub paused: bool,
    /// Deployments that restart at once: a number, or a percentage of all, rounded up. Example: `3` or `10%`.
    #[serde(default = "default_restarts")]
    pub max_concurrent_restarts: Share,
    /// Deployments that load a new configuration at once, which restarts nothing: a number, or a percentage of all,
    /// rounded up.
    #[serde(default = "default_reloads")]
    pub max_concurrent_reloads: Share,
    /// The Deployments that go first.
    #[serde(default)]
    pub canary: Canary,
    /// For how long a Deployment must be well (pods available, configuration loaded, delivery no worse than before)
    /// before it counts as done.
    #[serde(default = "default_healthy_for")]
    #[schemars(extend("x-kubernetes-validations" = rules::duration(HEALTHY_FOR)))]
    pub healthy_for: Duration,
    /// How long one Deployment may take to get there.
    #[serde(default = "default_deadline")]
    #[schemars(extend("x-kubernetes-validations" = rules::duration(DEADLINE)))]
    pub deadline: Duration,
    /// Also changes Deployments with strategy `Recreate`, for which a restart is an outage. They are left alone
    /// otherwise.
    #[serde(default)]
    pub allow_recreate: bool,
    /// What happens when a Deployment doesn't get well in time: `Halt` stops the rollout, `Revert` goes back to the last
    /// revision that was healthy.
    #[serde(default)]
    pub on_failure: OnFailure,
}

const DAY: u64 = 24 * 3600;
const HEALTHY_FOR: Durations = Durations::new(Duration::from_secs(0), Duration::from_secs(DAY));
const DEADLINE: Durations = Durations::new(Duration::from_secs(1), Duration::from_secs(DAY));
const SOAK: Durations = Durations::new(Duration::from_secs(0), Duration::from_secs(7 * DAY));

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
    /// Which of the matched Deployments. Default: one that the operator chooses. Example:
    /// `matchLabels: {track: canary}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::selector")]
    pub selector: Option<LabelSelector>,
    /// For how long they must be well before the others go.
    #[serde(default = "default_soak")]
    #[schemars(extend("x-kubernetes-validations" = rules::duration(SOAK)))]
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
