//! The conditions. Which reason is True, False or Unknown stands in [`crds::conditions::TABLE`], not here.

use crds::conditions::{ConditionType, Reason, Truth, truth};
use crds::status::LogShippingStatus;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use pipeline::validate;

use super::pods::PodHealth;
use super::{Effect, Overview, Said, Stand, Summed, TargetView, number, rank};
use crate::plan::Finding;
use crate::settings::Switch;
use crate::words;

/// After this time a sidecar that can't be asked doesn't hold back `Ready` any more: a NetworkPolicy must not fail a
/// GitOps sync.
const UNSEEN_IS_WANTED_AFTER: SignedDuration = SignedDuration::from_secs(60);

/// All conditions that are present.
pub(super) fn conditions(summed: &Summed<'_>) -> Vec<Condition> {
    let polled = summed.overview.polling == Switch::On;
    let accepted = accepted(summed);
    let injected = injected(summed);
    let loaded = polled.then(|| config_loaded(summed));
    let ready = ready(summed, &accepted, &injected, loaded.as_ref());
    let stalled = stalled(&accepted, &injected);
    let mut all = vec![accepted, injected];
    all.extend(loaded);
    all.extend(polled.then(|| delivering(summed)));
    all.push(ready);
    all.extend(stalled);
    all.iter().map(|said| finish(summed, said)).collect()
}

/// When `Ready` changes though nothing happens.
pub(super) fn changes_at(conditions: &[Condition], now: Timestamp) -> Option<Timestamp> {
    let loaded = conditions
        .iter()
        .find(|condition| condition.type_ == ConditionType::ConfigLoaded.as_str())?;
    let at = loaded.last_transition_time.0 + UNSEEN_IS_WANTED_AFTER;
    (loaded.reason == Reason::NotObserved.as_str() && at > now).then_some(at)
}

fn say(condition: ConditionType, reason: Reason, message: impl Into<String>) -> Said {
    Said {
        condition,
        // A pair that isn't in the table is a defect; Unknown is the honest answer then.
        truth: truth(condition, reason).unwrap_or(Truth::Unknown),
        reason,
        message: message.into(),
    }
}

/// `lastTransitionTime` moves only when the status flips.
fn finish(summed: &Summed<'_>, said: &Said) -> Condition {
    let before = summed.previous_condition(said.condition);
    let same = before.filter(|before| before.status == said.truth.as_str());
    Condition {
        type_: said.condition.as_str().to_owned(),
        status: said.truth.as_str().to_owned(),
        reason: said.reason.to_string(),
        message: words::message(&said.message),
        observed_generation: summed.overview.generation,
        last_transition_time: same.map_or_else(
            || Time(super::seconds(summed.now)),
            |before| before.last_transition_time.clone(),
        ),
    }
}

fn accepted(summed: &Summed<'_>) -> Said {
    let Err(errors) = summed.overview.verdict else {
        return say(ConditionType::Accepted, Reason::Valid, "the specification is usable");
    };
    let runs_on = summed.overview.targets.iter().any(|target| target.revision.is_some());
    let rest = if runs_on {
        ". The last good configuration runs on"
    } else {
        ""
    };
    let message = format!("{}{rest}", validate::join(errors));
    say(ConditionType::Accepted, Reason::InvalidSpec, message)
}

fn injected(summed: &Summed<'_>) -> Said {
    let (overview, counts) = (summed.overview, summed.targets);
    let condition = ConditionType::Injected;
    if counts.matched == 0 {
        let message = format!(
            "no Deployment in namespace {} matches spec.selector, which is about the labels of Deployments, not of pods",
            overview.namespace
        );
        return say(condition, Reason::NoTargets, message);
    }
    if let Some(said) = failed(overview).or_else(|| waiting(overview)) {
        return said;
    }
    let wanted = counts.matched - counts.skipped;
    if counts.injected < wanted {
        return say(condition, Reason::InProgress, being_changed(overview, wanted));
    }
    let skipped = match counts.skipped {
        0 => String::new(),
        skipped => format!("; {skipped} skipped, see worst"),
    };
    let message = format!(
        "{wanted} of {wanted} Deployments carry the sidecar{skipped}{}",
        good_to_know(overview)
    );
    say(condition, Reason::AllInjected, message)
}

/// Where somebody has to act.
fn failed(overview: &Overview<'_>) -> Option<Said> {
    let is_failed = |target: &&TargetView<'_>| matches!(target.stand, Stand::Failed(_));
    let targets = overview.targets.iter().filter(is_failed);
    let failed: Vec<_> = targets.filter_map(TargetView::finding).collect();
    let (finding, more) = worst(failed.iter())?;
    Some(say(
        ConditionType::Injected,
        injected_reason(finding.reason),
        with_more(&finding.message, more),
    ))
}

/// What is no failure: disagreements about a sidecar that this LogShipping lost, directories that pods share.
fn good_to_know(overview: &Overview<'_>) -> String {
    const SHOWN: usize = 3;
    let targets = overview.targets.iter();
    let notes: Vec<_> = targets
        .flat_map(|target| {
            target
                .notes
                .iter()
                .map(|note| format!("Deployment {}: {note}", target.name))
        })
        .collect();
    if notes.is_empty() {
        return String::new();
    }
    let shown = notes[..notes.len().min(SHOWN)].join("; ");
    format!(". {}", with_more(&shown, notes.len().saturating_sub(SHOWN)))
}

/// In preview, or paused with something to do: the specification wants it so.
fn waiting(overview: &Overview<'_>) -> Option<Said> {
    let waits = |target: &TargetView<'_>| match &target.stand {
        Stand::Waits(finding, _) => Some(finding.reason),
        _ => None,
    };
    let reason = overview.targets.iter().find_map(waits)?;
    let why = match reason {
        Reason::Preview => "spec.mode is Preview",
        _ => "spec.rollout.paused is true",
    };
    let effects = [
        (Effect::Restart, "would restart"),
        (Effect::Reload, "would load another configuration"),
        (Effect::Kept, "could not be served"),
        (Effect::Nothing, "would stay as they are"),
    ];
    let parts = effects.iter().filter_map(|(effect, words)| {
        let has = |target: &&TargetView<'_>| matches!(&target.stand, Stand::Waits(_, found) if found == effect);
        let names: Vec<_> = overview.targets.iter().filter(has).map(|target| target.name).collect();
        (!names.is_empty()).then(|| format!("{} {words}: {}", names.len(), some(&names)))
    });
    let parts: Vec<_> = parts.collect();
    let message = format!(
        "{why}, so nothing is changed. Of {} Deployments {}. What would be done to each is in status.worst",
        overview.targets.len(),
        parts.join("; ")
    );
    Some(say(ConditionType::Injected, reason, message))
}

/// The first few names.
fn some(names: &[&str]) -> String {
    const SHOWN: usize = 3;
    let more = names.len().saturating_sub(SHOWN);
    with_more(&names[..names.len() - more].join(", "), more)
}

fn being_changed(overview: &Overview<'_>, wanted: i32) -> String {
    let changing = overview
        .targets
        .iter()
        .filter(|target| target.stand == Stand::InProgress);
    let names: Vec<_> = changing.map(|target| target.name).collect();
    format!(
        "{} of {wanted} Deployments are being changed: {}",
        names.len(),
        some(&names)
    )
}

/// Reasons of single targets aren't reasons of the condition.
fn injected_reason(reason: Reason) -> Reason {
    match (reason, truth(ConditionType::Injected, reason)) {
        // There is nothing to inject until the spec is usable.
        (Reason::InvalidSpec, _) => Reason::InProgress,
        (_, Some(_)) => reason,
        (_, None) => Reason::TargetRefused,
    }
}

fn config_loaded(summed: &Summed<'_>) -> Said {
    let condition = ConditionType::ConfigLoaded;
    let counts = summed.sidecars;
    if counts.desired == 0 {
        return say(
            condition,
            Reason::NoSidecars,
            "the matched Deployments run no pods with a sidecar",
        );
    }
    if let Some((finding, more)) = worst(summed.pods.iter().filter_map(PodHealth::not_loaded)) {
        let reason = match truth(condition, finding.reason) {
            Some(_) => finding.reason,
            None => Reason::Loading,
        };
        return say(condition, reason, with_more(&finding.message, more));
    }
    if counts.config_loaded < counts.desired {
        let message = format!(
            "{} of {} pods don't have the sidecar yet",
            counts.desired - counts.config_loaded,
            counts.desired
        );
        return say(condition, Reason::Loading, message);
    }
    say(
        condition,
        Reason::AllLoaded,
        format!(
            "{} of {} sidecars run their revision",
            counts.config_loaded, counts.desired
        ),
    )
}

fn delivering(summed: &Summed<'_>) -> Said {
    let condition = ConditionType::Delivering;
    if summed.pods.is_empty() {
        return say(condition, Reason::NoSidecars, "no pod with a sidecar runs");
    }
    if let Some((finding, more)) = worst(summed.pods.iter().flat_map(PodHealth::undelivered)) {
        let reason = match truth(condition, finding.reason) {
            Some(_) => finding.reason,
            None => Reason::SidecarFailing,
        };
        return say(condition, reason, with_more(&finding.message, more));
    }
    if let Some((finding, more)) = worst(summed.pods.iter().filter_map(PodHealth::unseen)) {
        return say(condition, Reason::NotObserved, with_more(&finding.message, more));
    }
    let pods = number(summed.pods.len());
    if summed.pods.iter().all(PodHealth::is_idle) {
        return say(
            condition,
            Reason::NoTraffic,
            format!("{pods} of {pods} sidecars work; nothing was logged yet"),
        );
    }
    say(
        condition,
        Reason::FlowHealthy,
        format!("the logs of {pods} of {pods} pods reach every destination"),
    )
}

/// Accepted, Injected and ConfigLoaded are as the spec wants them. Not Delivering: an outage of the log store must not
/// fail a GitOps sync.
fn ready(summed: &Summed<'_>, accepted: &Said, injected: &Said, loaded: Option<&Said>) -> Said {
    let holds = |said: &&Said| said.truth != Truth::True && !is_wanted(summed, said);
    let held = [Some(accepted), Some(injected), loaded]
        .into_iter()
        .flatten()
        .find(holds);
    match held {
        None => say(
            ConditionType::Ready,
            Reason::Healthy,
            "everything is as the specification wants it",
        ),
        Some(said) => Said {
            condition: ConditionType::Ready,
            truth: said.truth,
            reason: said.reason,
            message: said.message.clone(),
        },
    }
}

fn is_wanted(summed: &Summed<'_>, said: &Said) -> bool {
    match said.reason {
        Reason::Preview | Reason::Paused | Reason::NoTargets | Reason::NoSidecars => true,
        Reason::NotObserved => summed.previous_condition(said.condition).is_some_and(|before| {
            // A time in the future is one from before the clock was put back; how long ago that was is not known.
            let since = summed.now.duration_since(before.last_transition_time.0).abs();
            before.status == said.truth.as_str() && since >= UNSEEN_IS_WANTED_AFTER
        }),
        _ => false,
    }
}

/// Present only when nothing moves without somebody acting.
fn stalled(accepted: &Said, injected: &Said) -> Option<Said> {
    let held = [accepted, injected]
        .into_iter()
        .find(|said| matches!(said.reason, Reason::InvalidSpec | Reason::Conflict))?;
    Some(say(ConditionType::Stalled, held.reason, held.message.clone()))
}

/// Replaces what stalls it, whatever that was.
pub(super) fn block(status: &mut LogShippingStatus, message: &str, now: Timestamp) {
    let Said {
        condition,
        truth,
        reason,
        message,
    } = say(ConditionType::Stalled, Reason::CleanupBlocked, message);
    let kind = condition.as_str();
    let before = status.conditions.iter().position(|found| found.type_ == kind);
    let before = before.map(|at| status.conditions.remove(at));
    status.conditions.push(Condition {
        type_: kind.to_owned(),
        status: truth.as_str().to_owned(),
        reason: reason.to_string(),
        message: words::message(&message),
        observed_generation: status.observed_generation,
        last_transition_time: before.map_or_else(|| Time(super::seconds(now)), |before| before.last_transition_time),
    });
}

/// The worst of some findings, and how many more there are.
fn worst<'f>(findings: impl Iterator<Item = &'f Finding>) -> Option<(&'f Finding, usize)> {
    let all: Vec<_> = findings.collect();
    let first = all.iter().min_by_key(|finding| rank::of(finding.reason))?;
    Some((first, all.len() - 1))
}

fn with_more(message: &str, more: usize) -> String {
    match more {
        0 => message.to_owned(),
        more => format!("{message} (and {more} more)"),
    }
}
