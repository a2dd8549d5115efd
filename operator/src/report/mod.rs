//! From the states of the targets and the answers of their sidecars to the status of a LogShipping. Pure; the one who
//! writes it is [`write`].
//!
//! Never "injected" because a write was accepted, never "delivering" because nothing complained: what can't be seen is
//! Unknown, and the message names the usual causes.

mod conditions;
pub(crate) mod news;
mod overview;
mod pods;
mod rank;
#[cfg(test)]
mod tests;
pub(crate) mod write;

use crds::conditions::{ConditionType, Reason, Truth};
use crds::status::{
    DestinationStatus, LogShippingStatus, MAX_WORST, SidecarCounts, Summary, TargetCounts, TargetRef, WorstTarget,
};
use crds::{LogShipping, names};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Resource;

use self::news::Vitals;
pub(crate) use self::overview::{Effect, Overview, PodView, Stand, TargetView};
use self::pods::PodHealth;
use crate::plan::Finding;
use crate::settings::Switch;
use crate::words;

/// What is said about a LogShipping, and whether the passing of time alone will change it.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) status: LogShippingStatus,
    /// Look again at this time.
    pub(crate) changes_at: Option<Timestamp>,
    /// How the sidecars of each Deployment do.
    pub(crate) vitals: Vec<Vitals>,
}

/// What all conditions are made from.
struct Summed<'a> {
    overview: &'a Overview<'a>,
    targets: TargetCounts,
    sidecars: SidecarCounts,
    pods: Vec<PodHealth<'a>>,
    now: Timestamp,
}

/// The status.
pub(crate) fn report(overview: &Overview<'_>, now: Timestamp) -> Report {
    let pods: Vec<_> = overview
        .targets
        .iter()
        .flat_map(|target| pods::judge(overview, target))
        .collect();
    let summed = Summed {
        overview,
        targets: count_targets(overview),
        sidecars: count_sidecars(overview, &pods),
        pods,
        now,
    };
    let conditions = conditions::conditions(&summed);
    let changes_at = conditions::changes_at(&conditions, now);
    let vitals = news::vitals(&summed);
    let status = LogShippingStatus {
        observed_generation: overview.generation,
        revision: revision(overview),
        stable_revision: None,
        sidecar_image: overview
            .targets
            .iter()
            .find_map(|target| target.image.map(str::to_owned)),
        targets: summed.targets,
        sidecars: summed.sidecars,
        lag: None,
        lost: None,
        summary: summary(&summed, rank::column(&conditions)),
        destinations: match overview.polling {
            Switch::On => destinations(&summed),
            Switch::Off => Vec::new(),
        },
        worst: worst(&summed),
        conditions,
    };
    Report {
        status,
        changes_at,
        vitals,
    }
}

/// What was said before about a LogShipping that is being deleted, and why it doesn't go.
pub(crate) fn blocked(previous: Option<&LogShippingStatus>, message: &str, now: Timestamp) -> LogShippingStatus {
    let mut status = previous.cloned().unwrap_or_default();
    conditions::block(&mut status, message, now);
    rank::column(&status.conditions).clone_into(&mut status.summary.state);
    status
}

/// The object as events name it.
pub(crate) fn reference(namespace: &str, name: &str) -> ObjectReference {
    ObjectReference {
        api_version: Some(format!("{}/{}", names::GROUP, names::VERSION)),
        kind: Some(LogShipping::kind(&()).into_owned()),
        namespace: Some(namespace.to_owned()),
        name: Some(name.to_owned()),
        ..ObjectReference::default()
    }
}

/// What `kubectl get` shows; nothing about sidecars that aren't asked.
fn summary(summed: &Summed<'_>, state: &str) -> Summary {
    let Summed { targets, sidecars, .. } = summed;
    let of_sidecars = |part| match summed.overview.polling {
        Switch::On => share(part, sidecars.desired),
        Switch::Off => String::new(),
    };
    Summary {
        injected: share(targets.injected, targets.matched - targets.skipped),
        loaded: of_sidecars(sidecars.config_loaded),
        delivering: of_sidecars(sidecars.delivering),
        state: state.to_owned(),
    }
}

fn share(part: i32, of: i32) -> String {
    format!("{part}/{of}")
}

/// The revision that is being rolled out or is everywhere. Where the spec can't be used, or all that is new waits, it is the
/// one that Deployments still carry.
fn revision(overview: &Overview<'_>) -> Option<String> {
    let mut carried = overview.targets.iter().filter_map(|target| target.revision);
    let accepted = overview.verdict.as_ref().ok();
    let wanted = accepted.map(|accepted| accepted.revision.as_str());
    let is_carried = carried.clone().any(|revision| Some(revision) == wanted);
    let waits = overview
        .targets
        .iter()
        .any(|target| matches!(target.stand, Stand::Waits(..)));
    let rolled_out = wanted.filter(|_| is_carried || !waits);
    rolled_out.or_else(|| carried.next()).map(str::to_owned)
}

fn count_targets(overview: &Overview<'_>) -> TargetCounts {
    let wanted = overview
        .verdict
        .as_ref()
        .ok()
        .map(|accepted| accepted.revision.as_str());
    let mut counts = TargetCounts::default();
    for target in &overview.targets {
        counts.matched += 1;
        match target.stand {
            Stand::Injected => {
                counts.injected += 1;
                counts.updated += i32::from(target.revision.is_some() && target.revision == wanted);
            }
            Stand::Skipped(_) => counts.skipped += 1,
            Stand::Failed(_) => counts.failed += 1,
            Stand::InProgress | Stand::Waits(..) => {}
        }
    }
    counts
}

fn count_sidecars(overview: &Overview<'_>, pods: &[PodHealth<'_>]) -> SidecarCounts {
    let mut counts = SidecarCounts {
        desired: overview.targets.iter().map(TargetView::desired).sum(),
        ..SidecarCounts::default()
    };
    for pod in pods {
        counts.ready += i32::from(pod.runs());
        counts.config_loaded += i32::from(pod.has_loaded());
        counts.delivering += i32::from(pod.delivers());
        counts.unreachable += i32::from(pod.is_silent());
    }
    counts
}

fn number(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// How each destination of the spec does; names that only a sidecar knows don't appear.
fn destinations(summed: &Summed<'_>) -> Vec<DestinationStatus> {
    let rows = summed.overview.names.destinations.iter().map(|name| {
        let seen: Vec<_> = summed
            .pods
            .iter()
            .filter_map(|pod| Some((pod, pod.destination(name)?)))
            .collect();
        let worst = seen
            .iter()
            .filter_map(|(_, seen)| seen.trouble.as_ref())
            .min_by_key(|finding| rank::of(finding.reason));
        let delivering = seen.iter().filter(|(_, seen)| seen.trouble.is_none()).count();
        let idle = seen.iter().all(|(_, seen)| seen.is_idle);
        let (reason, message) = match worst {
            Some(finding) => (finding.reason, finding.message.clone()),
            None if seen.is_empty() => (Reason::NotObserved, String::new()),
            None if idle => (Reason::NoTraffic, String::new()),
            None => (Reason::FlowHealthy, String::new()),
        };
        DestinationStatus {
            name: name.clone(),
            delivering: number(delivering),
            reason: reason.to_string(),
            message: words::message(&message),
        }
    });
    rows.collect()
}

/// The targets that are not as they should be, worst first.
fn worst(summed: &Summed<'_>) -> Vec<WorstTarget> {
    let overview = summed.overview;
    let targets = overview.targets.iter();
    let mut found: Vec<_> = targets
        .filter_map(|target| Some((target.name, worst_of(summed, target)?)))
        .collect();
    found.sort_by_key(|(name, finding)| (rank::of(finding.reason), *name));
    found.truncate(MAX_WORST);
    let before = overview
        .previous
        .map(|status| status.worst.as_slice())
        .unwrap_or_default();
    let rows = found.into_iter().map(|(name, finding)| {
        let reason = finding.reason.to_string();
        let same = before
            .iter()
            .find(|old| old.target.name == name && old.reason == reason);
        WorstTarget {
            target: TargetRef {
                kind: "Deployment".to_owned(),
                name: name.to_owned(),
            },
            since: same.map_or_else(|| seconds(summed.now).to_string(), |old| old.since.clone()),
            reason,
            message: words::message(&finding.message),
        }
    });
    rows.collect()
}

/// The worst about a target or any of its pods.
fn worst_of(summed: &Summed<'_>, target: &TargetView<'_>) -> Option<Finding> {
    let pods = summed.pods.iter().filter(|pod| pod.target == target.name);
    let findings = target.finding().into_iter().chain(pods.filter_map(PodHealth::finding));
    findings.min_by_key(|finding| rank::of(finding.reason))
}

/// As Kubernetes writes times.
fn seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

impl Summed<'_> {
    fn previous_condition(
        &self,
        condition: ConditionType,
    ) -> Option<&k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition> {
        let conditions = &self.overview.previous?.conditions;
        conditions.iter().find(|found| found.type_ == condition.as_str())
    }
}

/// What a condition says.
struct Said {
    condition: ConditionType,
    truth: Truth,
    reason: Reason,
    message: String,
}
