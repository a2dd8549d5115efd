//! What a status is made from: one LogShipping, the Deployments it selects, their pods, and what their sidecars said.

use crds::conditions::Reason;
use crds::spec::Mode;
use crds::status::LogShippingStatus;
use k8s_openapi::api::apps::v1::Deployment;
use pipeline::validate::FieldError;

use crate::observe::{Index, ShippingEntry, ShippingKey, SidecarPod, SpecNames, TargetKey};
use crate::observed::{Life, SidecarContainer};
use crate::plan::{Finding, Foreseen, Note, ShippingState, Standing};
use crate::poll::Sighting;
use crate::settings::Switch;
use crate::validate::{Accepted, pipeline_name};

/// Everything that is known about one LogShipping.
#[derive(Debug)]
pub(crate) struct Overview<'a> {
    pub(crate) namespace: &'a str,
    /// Name of its pipeline in reports.
    pub(crate) pipeline: String,
    pub(crate) generation: Option<i64>,
    pub(crate) verdict: &'a Result<Accepted, Vec<FieldError>>,
    pub(crate) names: &'a SpecNames,
    pub(crate) targets: Vec<TargetView<'a>>,
    pub(crate) polling: Switch,
    /// What was said before: times are taken over from it.
    pub(crate) previous: Option<&'a LogShippingStatus>,
}

/// A Deployment that the LogShipping selects.
#[derive(Debug)]
pub(crate) struct TargetView<'a> {
    pub(crate) name: &'a str,
    pub(crate) replicas: i32,
    pub(crate) stand: Stand,
    /// Revision of the LogShipping that it carries.
    pub(crate) revision: Option<&'a str>,
    pub(crate) image: Option<&'a str>,
    /// What another LogShipping decided against its wish.
    pub(crate) notes: &'a [Note],
    pub(crate) pods: Vec<PodView<'a>>,
}

/// Whether the LogShipping has what it wants from a Deployment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stand {
    Injected,
    InProgress,
    /// The specification wants it to wait, with reason `Preview` or `Paused`; what it waits with.
    Waits(Finding, Effect),
    Skipped(Finding),
    Failed(Finding),
}

/// What something that waits would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Nothing,
    Reload,
    Restart,
    Kept,
}

impl Effect {
    const fn of(foreseen: &Foreseen) -> Self {
        match foreseen {
            Foreseen::Nothing => Self::Nothing,
            Foreseen::Reload => Self::Reload,
            Foreseen::Restart(_) => Self::Restart,
            Foreseen::Kept(_) => Self::Kept,
        }
    }
}

impl Stand {
    /// `state` is none until the Deployment was worked on for the first time, and may be about an older specification
    /// than `accepted`, which is none where the specification can't be used.
    fn of(state: Option<&ShippingState>, accepted: Option<&Accepted>, target: &str) -> Self {
        let named = |finding: &Finding| Finding {
            reason: finding.reason,
            message: format!("Deployment {target}: {}", finding.message),
        };
        let waits = |reason, foreseen: &Foreseen| {
            let message = format!("Deployment {target}: {foreseen}");
            Self::Waits(Finding { reason, message }, Effect::of(foreseen))
        };
        let Some(ShippingState { revision, standing, .. }) = state else {
            return Self::InProgress;
        };
        let wanted = accepted.map(|accepted| accepted.revision.as_str());
        let mode = accepted.map(|accepted| accepted.spec.mode);
        let paused = accepted.is_some_and(|accepted| accepted.spec.rollout.paused);
        match (standing, wanted) {
            (Standing::Preview(foreseen), _) if mode == Some(Mode::Preview) => waits(Reason::Preview, foreseen),
            (Standing::Paused(foreseen), _) if mode == Some(Mode::Enforce) && paused => waits(Reason::Paused, foreseen),
            (Standing::Injected, _) if mode == Some(Mode::Preview) => Self::InProgress,
            (Standing::Injected, Some(wanted)) if revision.as_deref() == Some(wanted) => Self::Injected,
            (Standing::Injected, None) => Self::Injected,
            // What it carried before its specification became unusable is still there.
            (Standing::Failed(finding), None) if finding.reason == Reason::InvalidSpec && revision.is_some() => {
                Self::Injected
            }
            (Standing::Failed(finding), Some(_)) if finding.reason == Reason::InvalidSpec => Self::InProgress,
            (Standing::Injected | Standing::InProgress | Standing::Preview(_) | Standing::Paused(_), _) => {
                Self::InProgress
            }
            (Standing::Skipped(finding), _) => Self::Skipped(named(finding)),
            (Standing::Failed(finding), _) => Self::Failed(named(finding)),
        }
    }
}

/// A pod with a sidecar.
#[derive(Debug)]
pub(crate) struct PodView<'a> {
    pub(crate) pod: &'a SidecarPod,
    /// Revision of this LogShipping that the sidecar should run.
    pub(crate) expected: Option<&'a str>,
    pub(crate) sighting: Option<&'a Sighting>,
}

impl<'a> Overview<'a> {
    /// Takes it out of the index.
    pub(crate) fn of(
        index: &'a Index,
        key: &'a ShippingKey,
        entry: &'a ShippingEntry,
        previous: Option<&'a LogShippingStatus>,
        polling: Switch,
    ) -> Self {
        let wanted = Wanted {
            shipping: &key.name,
            pipeline: pipeline_name(&key.namespace, &key.name),
            accepted: entry.verdict.as_ref().ok(),
        };
        let targets = index.selected_by(key, entry);
        Self {
            namespace: &key.namespace,
            targets: targets
                .iter()
                .filter_map(|target| TargetView::of(index, target, &wanted))
                .collect(),
            pipeline: wanted.pipeline,
            generation: entry.generation,
            verdict: &entry.verdict,
            names: &entry.names,
            polling,
            previous,
        }
    }
}

/// What the LogShipping asks of each Deployment.
struct Wanted<'a> {
    shipping: &'a str,
    pipeline: String,
    /// None where the specification can't be used.
    accepted: Option<&'a Accepted>,
}

impl<'a> TargetView<'a> {
    fn of(index: &'a Index, target: &TargetKey, wanted: &Wanted<'a>) -> Option<Self> {
        let deployment: &'a Deployment = index.deployment(target)?;
        let name = deployment.metadata.name.as_deref()?;
        let state = index.state(target);
        let shipping = state.and_then(|state| state.shippings.get(wanted.shipping));
        let stand = Stand::of(shipping, wanted.accepted, name);
        // Where nothing is in the way it is the new revision that counts, also before it has been written.
        let promised = wanted
            .accepted
            .map(|accepted| accepted.revision.as_str())
            .filter(|_| matches!(stand, Stand::Injected | Stand::InProgress));
        let written = |pod: &SidecarPod| Some(index.expected(pod)?.revisions.get(&wanted.pipeline)?.as_str());
        let revision = shipping.and_then(|shipping| shipping.revision.as_deref());
        // The sidecar of others is none of its concern.
        let has_part = revision.is_some() || !matches!(stand, Stand::Waits(..));
        let pods = index
            .pods_of(target)
            .filter(|pod| pod.view.life == Life::Live && pod.view.sidecar != SidecarContainer::Absent && has_part);
        let mut pods: Vec<_> = pods
            .map(|pod| PodView {
                pod,
                expected: promised.or_else(|| written(pod)),
                sighting: index.sighting(pod),
            })
            .collect();
        pods.sort_by(|a, b| a.pod.view.name.cmp(&b.pod.view.name));
        Some(Self {
            name,
            replicas: deployment.spec.as_ref()?.replicas.unwrap_or(1),
            stand,
            revision,
            image: state.and_then(|state| state.sidecar_image.as_deref()),
            notes: shipping.map(|shipping| shipping.notes.as_slice()).unwrap_or_default(),
            pods,
        })
    }

    /// Pods that should have a sidecar; more while a rollout has more pods than asked for.
    pub(super) fn desired(&self) -> i32 {
        match self.stand {
            Stand::Waits(..) | Stand::Skipped(_) | Stand::Failed(_) => super::number(self.pods.len()),
            Stand::Injected | Stand::InProgress => self.replicas.max(super::number(self.pods.len())),
        }
    }

    /// Why the Deployment is not as the LogShipping wants it.
    pub(super) fn finding(&self) -> Option<Finding> {
        match &self.stand {
            Stand::Injected => None,
            Stand::Waits(finding, _) | Stand::Skipped(finding) | Stand::Failed(finding) => Some(finding.clone()),
            Stand::InProgress => Some(Finding {
                reason: Reason::InProgress,
                message: format!("Deployment {} is being changed", self.name),
            }),
        }
    }
}
