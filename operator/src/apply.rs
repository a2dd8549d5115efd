//! Carries out a plan, in the order that keeps every moment in between safe: the ConfigMap is there before a pod looks
//! for it, and goes after nobody does any more. Takes no decision.
//!
//! Every write has a precondition, so what was planned from something old is refused by the API server, not carried out.

use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Api, Client};
use serde_json::json;

use crds::names;

use crate::observe::TargetKey;
use crate::plan::{Action, ConfigMapDeletion, ConfigMapWrite, DeploymentPatch, Nudge};
use crate::settings::Switch;

/// Pods that are nudged at once.
const NUDGES: usize = 16;

/// The writes of a [`crate::plan::Plan`]. What is left of a plan is for telling: events and the target's state.
#[derive(Debug)]
pub(crate) struct Writes {
    pub(crate) config_map: Option<ConfigMapWrite>,
    pub(crate) patch: Option<DeploymentPatch>,
    pub(crate) nudges: Vec<Nudge>,
    pub(crate) delete_config_map: Option<ConfigMapDeletion>,
}

impl Writes {
    pub(crate) fn is_empty(&self) -> bool {
        let Self {
            config_map,
            patch,
            nudges,
            delete_config_map,
        } = self;
        config_map.is_none() && patch.is_none() && nudges.is_empty() && delete_config_map.is_none()
    }

    /// Whether the Deployment carries more of LogShippings afterwards than before.
    pub(crate) fn brings_something(&self) -> bool {
        let injects = |patch: &DeploymentPatch| patch.action != Action::Remove;
        self.config_map.is_some() || self.patch.as_ref().is_some_and(injects)
    }
}

/// What was written, as the API server has it now: the watches will say so later.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub(crate) config_map: Option<ConfigMap>,
    pub(crate) deployment: Option<Deployment>,
    /// Pods that weren't nudged: they load the configuration all the same, only later.
    pub(crate) not_nudged: Option<ApplyError>,
}

/// Why a write didn't happen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApplyError {
    /// The object has changed since it was observed.
    #[error("{what} has changed meanwhile")]
    Stale { what: &'static str, source: kube::Error },
    /// The API server or an admission controller says no.
    #[error("{what} was refused")]
    Refused { what: &'static str, source: kube::Error },
    /// No answer, or not now.
    #[error("{what} could not be written")]
    Unavailable { what: &'static str, source: kube::Error },
}

impl ApplyError {
    pub(crate) fn of(what: &'static str, source: kube::Error) -> Self {
        match &source {
            kube::Error::Api(status) => match status.code {
                404 | 409 => Self::Stale { what, source },
                // 500 is the answer where an admission webhook can't be reached.
                400..=500 if status.code != 429 => Self::Refused { what, source },
                _ => Self::Unavailable { what, source },
            },
            _ => Self::Unavailable { what, source },
        }
    }

    /// The server's own words where it said any.
    pub(crate) fn words(&self) -> String {
        let (Self::Stale { source, .. } | Self::Refused { source, .. } | Self::Unavailable { source, .. }) = self;
        match source {
            kube::Error::Api(status) => status.message.clone(),
            other => other.to_string(),
        }
    }

    /// Whether it has to be observed again.
    pub(crate) const fn is_stale(&self) -> bool {
        matches!(self, Self::Stale { .. })
    }

    /// Says so, as loudly as it deserves.
    pub(crate) fn log(&self) {
        let error: &(dyn std::error::Error + 'static) = self;
        match self {
            // The normal way of finding out that somebody else was faster.
            Self::Stale { .. } => tracing::debug!(error, "looking again"),
            Self::Refused { .. } | Self::Unavailable { .. } => tracing::warn!(error, "trying again"),
        }
    }

    /// Bounded, for metrics.
    pub(crate) const fn reason(&self) -> &'static str {
        match self {
            Self::Stale { .. } => "stale",
            Self::Refused { .. } => "refused",
            Self::Unavailable { .. } => "unavailable",
        }
    }
}

/// Writes, and puts into `written` what was written, also where the rest could not be.
pub(crate) async fn apply(
    client: &Client,
    target: &TargetKey,
    writes: Writes,
    nudge: Switch,
    written: &mut Written,
) -> Result<(), ApplyError> {
    let Writes {
        config_map,
        patch,
        nudges,
        delete_config_map,
    } = writes;
    if let Some(write) = config_map {
        written.config_map = Some(write_config_map(client, target, write).await?);
    }
    if let Some(patch) = patch {
        written.deployment = Some(patch_deployment(client, target, &patch).await?);
    }
    if nudge == Switch::On {
        written.not_nudged = nudge_pods(client, target, nudges).await.err();
    }
    if let Some(deletion) = delete_config_map {
        delete(client, &target.namespace, deletion).await?;
    }
    Ok(())
}

async fn write_config_map(client: &Client, target: &TargetKey, write: ConfigMapWrite) -> Result<ConfigMap, ApplyError> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), &target.namespace);
    let post = PostParams {
        field_manager: Some(names::FIELD_MANAGER.to_owned()),
        ..PostParams::default()
    };
    let written = match write {
        ConfigMapWrite::Create(config_map) => api.create(&post, &config_map).await,
        ConfigMapWrite::Replace(config_map) => api.replace(&names::config_map(&target.name), &post, &config_map).await,
        ConfigMapWrite::Recreate(deletion, config_map) => {
            delete(client, &target.namespace, deletion).await?;
            api.create(&post, &config_map).await
        }
    };
    written.map_err(|error| ApplyError::of("the ConfigMap", error))
}

async fn patch_deployment(
    client: &Client,
    target: &TargetKey,
    patch: &DeploymentPatch,
) -> Result<Deployment, ApplyError> {
    let api: Api<Deployment> = Api::namespaced(client.clone(), &target.namespace);
    let DeploymentPatch {
        action: _,
        shape: _,
        body,
    } = patch;
    let patched = api.patch(&target.name, &parameters(), &Patch::Strategic(body)).await;
    patched.map_err(|error| ApplyError::of("the Deployment", error))
}

/// A pod that went away meanwhile needs no nudge.
async fn nudge_pods(client: &Client, target: &TargetKey, nudges: Vec<Nudge>) -> Result<(), ApplyError> {
    let api: Api<Pod> = Api::namespaced(client.clone(), &target.namespace);
    let nudged = nudges.into_iter().map(|Nudge { pod, uid, revision }| {
        let body = json!({"metadata": {"uid": uid, "annotations": {names::CONFIG_REVISION: revision}}});
        let api = api.clone();
        async move { api.patch_metadata(&pod, &parameters(), &Patch::Merge(body)).await }
    });
    let results: Vec<_> = futures::stream::iter(nudged).buffer_unordered(NUDGES).collect().await;
    for error in results.into_iter().filter_map(Result::err) {
        match ApplyError::of("a pod's annotation", error) {
            ApplyError::Stale { .. } => {}
            other => return Err(other),
        }
    }
    Ok(())
}

/// Deletes a ConfigMap. One that is gone already is as good as deleted.
pub(crate) async fn delete(client: &Client, namespace: &str, deletion: ConfigMapDeletion) -> Result<(), ApplyError> {
    let ConfigMapDeletion {
        name,
        uid,
        resource_version,
    } = deletion;
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let parameters = DeleteParams {
        preconditions: Some(Preconditions { resource_version, uid }),
        ..DeleteParams::default()
    };
    match api.delete(&name, &parameters).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(ApplyError::of("the ConfigMap", error)),
    }
}

fn parameters() -> PatchParams {
    PatchParams {
        field_manager: Some(names::FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    }
}
