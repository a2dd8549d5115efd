//! What is told about a change of a Deployment, in words for its owner, who may never have heard of us.

use crds::names;

use super::foresight;
use super::parts::Parts;
use super::situation::Situation;
use super::state::TargetState;
use super::{Action, Event, EventKind};

/// The event of a patch; an update of the sidecar is none.
pub(super) fn event(action: Action, situation: &Situation<'_>, desired: &Parts, state: &TargetState) -> Option<Event> {
    let served = state
        .shippings
        .iter()
        .filter(|(_, shipping)| shipping.revision.is_some());
    let served = served.map(|(name, _)| name.clone());
    let (kind, message) = match action {
        Action::Inject => (EventKind::Injected, injected(desired)),
        Action::Remove => (EventKind::CleanedUp, removed()),
        Action::Update => return None,
    };
    let mut shippings: Vec<_> = served.chain(situation.carried()).collect();
    shippings.sort();
    shippings.dedup();
    Some(Event {
        kind,
        shippings,
        message,
    })
}

fn injected(desired: &Parts) -> String {
    format!(
        "Added container {} to the pod template, which restarts the pods.{}{} `kubectl rollout undo` would now only take the sidecar away: use --to-revision to go back to an older version of the application.",
        names::CONTAINER,
        added_volumes(desired),
        borrowed_volumes(desired),
    )
}

fn added_volumes(desired: &Parts) -> String {
    let points = desired.mounts.keys();
    let added: Vec<_> = points
        .map(|point| format!("{} of container {}", point.path, point.container))
        .collect();
    match added.as_slice() {
        [] => String::new(),
        added => format!(
            " An empty volume is mounted at {}; what the image has there is hidden.",
            added.join(", ")
        ),
    }
}

/// Said early, because the API server's words later on won't: a pod template whose container mounts a volume that isn't
/// there is refused.
fn borrowed_volumes(desired: &Parts) -> String {
    let borrowed: Vec<_> = foresight::reads(desired).into_iter().collect();
    if borrowed.is_empty() {
        return String::new();
    }
    format!(
        " It reads volume {}, which can't be removed from the template as long as the sidecar is there.",
        borrowed.join(", ")
    )
}

fn removed() -> String {
    format!(
        "Removed container {} and everything else of ours from the pod template, which restarts the pods.",
        names::CONTAINER
    )
}
