//! How the sidecar of one pod does, seen from one LogShipping.

use std::collections::BTreeMap;

use crds::conditions::Reason;
use pipeline::report::{DestinationState, FailureReason};

use super::{Overview, PodView, TargetView};
use crate::observe::{SidecarCondition, SpecNames};
use crate::observed::SidecarContainer;
use crate::plan::Finding;
use crate::poll::{DestinationSeen, PipelineSeen};

/// How the sidecar of one pod does.
#[derive(Debug)]
pub(super) struct PodHealth<'a> {
    pub(super) target: &'a str,
    load: Load,
    delivery: Delivery,
    running: Running,
}

/// Whether the container runs.
#[derive(Debug, PartialEq, Eq)]
enum Running {
    Yes,
    /// It was asked and doesn't answer.
    Silent,
    NotYet,
    No,
}

/// Whether it runs the revision that it should.
#[derive(Debug)]
enum Load {
    Loaded,
    NotYet(Finding),
    Refused(Finding),
    Unseen(Finding),
}

/// Whether its logs arrive.
#[derive(Debug)]
enum Delivery {
    Unseen(Finding),
    Seen {
        /// Of sources and of the container.
        troubles: Vec<Finding>,
        destinations: BTreeMap<String, DestinationHealth>,
    },
}

/// How one destination does from here.
#[derive(Debug)]
pub(super) struct DestinationHealth {
    pub(super) trouble: Option<Finding>,
    pub(super) is_idle: bool,
}

impl PodHealth<'_> {
    pub(super) fn runs(&self) -> bool {
        matches!(self.running, Running::Yes | Running::Silent)
    }

    pub(super) fn is_silent(&self) -> bool {
        self.running == Running::Silent
    }

    pub(super) const fn has_loaded(&self) -> bool {
        matches!(self.load, Load::Loaded)
    }

    /// Everything that was read arrives everywhere, as far as there was anything.
    pub(super) fn delivers(&self) -> bool {
        matches!(self.delivery, Delivery::Seen { .. }) && self.undelivered().next().is_none()
    }

    pub(super) fn is_idle(&self) -> bool {
        match &self.delivery {
            Delivery::Seen { destinations, .. } => destinations.values().all(|destination| destination.is_idle),
            Delivery::Unseen(_) => false,
        }
    }

    /// Why logs of it don't arrive.
    pub(super) fn undelivered(&self) -> impl Iterator<Item = &Finding> {
        let (troubles, destinations) = match &self.delivery {
            Delivery::Seen { troubles, destinations } => (troubles.as_slice(), Some(destinations)),
            Delivery::Unseen(_) => (&[] as &[Finding], None),
        };
        let of_destinations = destinations
            .into_iter()
            .flatten()
            .filter_map(|(_, seen)| seen.trouble.as_ref());
        troubles.iter().chain(of_destinations)
    }

    /// Why it can't be said whether its logs arrive.
    pub(super) const fn unseen(&self) -> Option<&Finding> {
        match &self.delivery {
            Delivery::Unseen(finding) => Some(finding),
            Delivery::Seen { .. } => None,
        }
    }

    /// Why it doesn't run its revision.
    pub(super) const fn not_loaded(&self) -> Option<&Finding> {
        match &self.load {
            Load::Loaded => None,
            Load::NotYet(finding) | Load::Refused(finding) | Load::Unseen(finding) => Some(finding),
        }
    }

    pub(super) fn destination(&self, name: &str) -> Option<&DestinationHealth> {
        match &self.delivery {
            Delivery::Seen { destinations, .. } => destinations.get(name),
            Delivery::Unseen(_) => None,
        }
    }

    /// The worst about it.
    pub(super) fn finding(&self) -> Option<Finding> {
        let all = self
            .not_loaded()
            .into_iter()
            .chain(self.undelivered())
            .chain(self.unseen());
        all.min_by_key(|finding| super::rank::of(finding.reason)).cloned()
    }
}

/// Judges the pods of a target.
pub(super) fn judge<'a>(overview: &'a Overview<'a>, target: &'a TargetView<'a>) -> impl Iterator<Item = PodHealth<'a>> {
    target.pods.iter().map(move |pod| {
        let place = Place {
            target: target.name,
            pod: &pod.pod.view.name,
        };
        if let Some(finding) = broken(pod, &place) {
            return PodHealth {
                target: target.name,
                running: Running::No,
                load: Load::NotYet(finding.clone()),
                delivery: Delivery::Seen {
                    troubles: vec![finding],
                    destinations: BTreeMap::new(),
                },
            };
        }
        let pipeline = pod
            .sighting
            .and_then(|sighting| sighting.seen.as_ref()?.pipelines.get(&overview.pipeline));
        PodHealth {
            target: target.name,
            running: running(pod),
            load: load(overview, pod, pipeline, &place),
            delivery: delivery(overview.names, pod, pipeline, &place),
        }
    })
}

/// Where something is, for messages.
struct Place<'a> {
    target: &'a str,
    pod: &'a str,
}

impl Place<'_> {
    fn finding(&self, reason: Reason, what: &str) -> Finding {
        Finding {
            reason,
            message: format!("Deployment {}, pod {}: {what}", self.target, self.pod),
        }
    }
}

fn broken(pod: &PodView<'_>, place: &Place<'_>) -> Option<Finding> {
    if pod.pod.view.sidecar == SidecarContainer::Stripped {
        return Some(place.finding(
            Reason::RestartPolicyStripped,
            "an admission webhook took restartPolicy away from the sidecar, so the application can't start; update the \
             webhook, or set spec.sidecar.placement to Container",
        ));
    }
    match &pod.pod.condition {
        SidecarCondition::Failing(words) => Some(place.finding(
            Reason::SidecarFailing,
            &format!(
                "the sidecar doesn't run: {words}; see `kubectl describe pod {}`",
                place.pod
            ),
        )),
        SidecarCondition::Running | SidecarCondition::Starting => None,
    }
}

fn running(pod: &PodView<'_>) -> Running {
    let silent = pod.sighting.is_some_and(|sighting| sighting.silence.is_some());
    match (&pod.pod.condition, silent) {
        (SidecarCondition::Running, true) => Running::Silent,
        (SidecarCondition::Running, false) => Running::Yes,
        _ => Running::NotYet,
    }
}

/// Why nothing is known about a pod whose container isn't known to be broken.
fn unseen(pod: &PodView<'_>, place: &Place<'_>) -> Option<Finding> {
    if let Some(silence) = pod.sighting.and_then(|sighting| sighting.silence.as_ref()) {
        let port = pod.pod.address.map(|address| address.port()).unwrap_or_default();
        return Some(place.finding(
            Reason::NotObserved,
            &format!(
                "the sidecar doesn't answer: {silence}. Usual causes: a NetworkPolicy or a service mesh keeps the operator \
                 from port {port}"
            ),
        ));
    }
    if pod.pod.condition == SidecarCondition::Running && pod.pod.address.is_none() {
        return Some(place.finding(
            Reason::NotObserved,
            "the sidecar can't be asked: the pod has no address of its own or doesn't declare the sidecar's port",
        ));
    }
    None
}

fn load(overview: &Overview<'_>, pod: &PodView<'_>, pipeline: Option<&PipelineSeen>, place: &Place<'_>) -> Load {
    if let Some(finding) = unseen(pod, place) {
        return Load::Unseen(finding);
    }
    if pod.pod.condition != SidecarCondition::Running {
        return Load::NotYet(place.finding(Reason::Loading, "the sidecar has not started yet"));
    }
    let Some(expected) = pod.expected else {
        return Load::NotYet(place.finding(Reason::Loading, "its configuration has not been written yet"));
    };
    if pipeline.is_some_and(|pipeline| pipeline.revision == expected) {
        return Load::Loaded;
    }
    let rejected = pod
        .sighting
        .and_then(|sighting| sighting.seen.as_ref())
        .map(|seen| seen.rejected.as_slice());
    let ours = rejected.unwrap_or_default().iter().find(|rejected| {
        let whole = rejected.pipeline.is_empty();
        whole || (rejected.pipeline == overview.pipeline && rejected.revision == expected)
    });
    match ours {
        Some(rejected) => Load::Refused(place.finding(
            Reason::ReloadFailed,
            &format!(
                "the sidecar refused revision {expected}: {}; what it had runs on",
                rejected.error
            ),
        )),
        None => Load::NotYet(place.finding(Reason::Loading, &not_yet(expected, pod))),
    }
}

fn not_yet(expected: &str, pod: &PodView<'_>) -> String {
    if pod.sighting.is_some_and(|sighting| sighting.overdue) {
        return format!(
            "the sidecar doesn't run revision {expected}, though its kubelet should have refreshed the file within 90 s. Delete \
             the pod, or look at the kubelet: it never reads a ConfigMap again that was immutable when the pod started"
        );
    }
    format!("the sidecar doesn't run revision {expected} yet")
}

fn delivery(names: &SpecNames, pod: &PodView<'_>, pipeline: Option<&PipelineSeen>, place: &Place<'_>) -> Delivery {
    if let Some(finding) = unseen(pod, place) {
        return Delivery::Unseen(finding);
    }
    let Some(pipeline) = pipeline else {
        let what = match pod.sighting.and_then(|sighting| sighting.seen.as_ref()) {
            Some(_) => "the sidecar doesn't run the configuration of this LogShipping yet",
            None => "the sidecar has not been heard of yet",
        };
        return Delivery::Unseen(place.finding(Reason::NotObserved, what));
    };
    let unreadable = pipeline.unreadable.iter().map(|(source, file)| {
        place.finding(
            Reason::SourceUnreadable,
            &format!(
                "source {source}: {} can't be read: {}; let the application write files that the sidecar's user may \
                 read, or set spec.sidecar.runAsUser",
                file.path,
                file.error,
                source = named(source, &names.sources),
            ),
        )
    });
    let seen = pod.sighting.and_then(|sighting| sighting.seen.as_ref());
    let filling = seen.into_iter().flat_map(|seen| &seen.filling);
    let filling = filling.map(|path| filling_up(path, pipeline, place));
    Delivery::Seen {
        troubles: unreadable.chain(filling).collect(),
        destinations: pipeline
            .destinations
            .iter()
            .map(|(name, seen)| (name.clone(), destination(named(name, &names.destinations), seen, place)))
            .collect(),
    }
}

fn filling_up(path: &str, pipeline: &PipelineSeen, place: &Place<'_>) -> Finding {
    let why = pipeline.unreclaimed.first().map_or_else(
        || {
            "what is not delivered stays in it; rotate the logs, have delivered text given back with spec.volume.reclaim, \
             or raise spec.volume.sizeLimit"
                .to_owned()
        },
        |file| format!("delivered text of {} can't be given back to it: {}", file.path, file.error),
    );
    place.finding(
        Reason::VolumeFilling,
        &format!("the volume at {path} is nearly full: {why}"),
    )
}

/// What a name is called in messages.
fn named<'a>(name: &'a str, known: &[String]) -> &'a str {
    if known.iter().any(|one| one == name) {
        name
    } else {
        "(not in the specification)"
    }
}

fn destination(name: &str, seen: &DestinationSeen, place: &Place<'_>) -> DestinationHealth {
    let fails = matches!(seen.state, DestinationState::Retrying | DestinationState::Blocked);
    let trouble = match (fails, seen.lost) {
        (true, _) => Some(failing(name, seen, place)),
        (false, Some(lost)) => Some(place.finding(
            Reason::RecordsDropped,
            &format!("destination {name} lost records, {lost} so far; the sidecar's /status says why"),
        )),
        (false, None) => None,
    };
    DestinationHealth {
        trouble,
        is_idle: seen.state == DestinationState::Idle,
    }
}

fn failing(name: &str, seen: &DestinationSeen, place: &Place<'_>) -> Finding {
    let reason = match seen.reason {
        Some(FailureReason::SecretMissing) => Reason::SecretMissing,
        _ => Reason::Undelivered,
    };
    let kind = seen
        .reason
        .map(|reason| format!(" ({})", reason.as_str()))
        .unwrap_or_default();
    let since = seen
        .failing_since
        .as_ref()
        .map(|since| format!(" since {since}"))
        .unwrap_or_default();
    let words = seen.error.as_deref().unwrap_or("no reason given");
    let advice = match seen.state {
        DestinationState::Blocked => "It needs somebody to act; lines wait in the file",
        _ => "It is tried again; lines wait in the file",
    };
    place.finding(
        reason,
        &format!("destination {name} fails{kind}{since}: {words}. {advice}"),
    )
}
