//! What is told about a change of a Deployment, in words for its owner, who may never have heard of us.

use crds::names;

use super::parts::Parts;
use super::situation::Situation;
use super::{Action, Event, EventKind};

/// The event of a patch; an update of the sidecar is none.
pub(super) fn event(action: Action, situation: &Situation<'_>, desired: &Parts) -> Option<Event> {
    let selecting = situation
        .observed
        .shippings
        .iter()
        .map(|shipping| shipping.name.clone());
    let (kind, message) = match action {
        Action::Inject => (EventKind::Injected, injected(desired)),
        Action::Remove => (EventKind::CleanedUp, removed()),
        Action::Update => return None,
    };
    let mut shippings: Vec<_> = selecting.chain(situation.carried()).collect();
    shippings.sort();
    shippings.dedup();
    Some(Event {
        kind,
        shippings,
        message,
    })
}

fn injected(desired: &Parts) -> String {
    let added: Vec<_> = desired
        .mounts
        .keys()
        .map(|point| format!("{} of container {}", point.path, point.container))
        .collect();
    let volumes = match added.as_slice() {
        [] => String::new(),
        added => format!(
            " An empty volume is mounted at {}; what the image has there is hidden.",
            added.join(", ")
        ),
    };
    format!(
        "Added container {} to the pod template, which restarts the pods.{volumes} `kubectl rollout undo` would now only take the sidecar away: use --to-revision to go back to an older version of the application.",
        names::CONTAINER
    )
}

fn removed() -> String {
    format!(
        "Removed container {} and everything else of ours from the pod template, which restarts the pods.",
        names::CONTAINER
    )
}
