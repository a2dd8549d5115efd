//! What about a target is worth an event: what a plan did, and a LogShipping that is newly kept from a Deployment.

use crds::conditions::Reason;

use crate::events::EventReason;
use crate::plan::{Event, EventKind, Finding, Standing, TargetState};

/// Something to tell about a Deployment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) reason: EventReason,
    pub(crate) shippings: Vec<String>,
    pub(crate) message: String,
}

impl From<&Event> for Said {
    fn from(event: &Event) -> Self {
        Self {
            reason: match event.kind {
                EventKind::Injected => EventReason::Injected,
                EventKind::CleanedUp => EventReason::CleanedUp,
            },
            shippings: event.shippings.clone(),
            message: event.message.clone(),
        }
    }
}

/// What is worth an event: a LogShipping is newly kept from a Deployment.
pub(crate) fn transitions(before: &TargetState, after: &TargetState) -> Vec<Said> {
    let changed = after.shippings.iter().filter_map(|(name, shipping)| {
        let (reason, finding) = worth_telling(&shipping.standing)?;
        let was = before
            .shippings
            .get(name)
            .and_then(|shipping| worth_telling(&shipping.standing));
        let same = was.is_some_and(|(_, was)| was.reason == finding.reason);
        (!same).then(|| Said {
            reason,
            shippings: vec![name.clone()],
            message: finding.message.clone(),
        })
    });
    changed.collect()
}

fn worth_telling(standing: &Standing) -> Option<(EventReason, &Finding)> {
    match standing {
        Standing::Skipped(finding) => Some((EventReason::Skipped, finding)),
        Standing::Failed(finding) if finding.reason == Reason::Conflict => {
            Some((EventReason::ConflictDetected, finding))
        }
        Standing::Injected
        | Standing::InProgress
        | Standing::Preview(_)
        | Standing::Paused(_)
        | Standing::Failed(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(reason: Reason, message: &str) -> Finding {
        Finding {
            reason,
            message: message.to_owned(),
        }
    }

    #[test]
    fn only_transitions_are_told() {
        let conflict = TargetState::of_one(Standing::Failed(finding(Reason::Conflict, "ours?")));
        let other_words = TargetState::of_one(Standing::Failed(finding(Reason::Conflict, "still")));
        let skipped = TargetState::of_one(Standing::Skipped(finding(Reason::OptedOut, "no")));
        let reasons = |before: &TargetState, after: &TargetState| -> Vec<_> {
            transitions(before, after).into_iter().map(|said| said.reason).collect()
        };
        assert_eq!(
            reasons(&TargetState::default(), &conflict),
            [EventReason::ConflictDetected]
        );
        assert_eq!(reasons(&conflict, &other_words), []);
        assert_eq!(reasons(&conflict, &skipped), [EventReason::Skipped]);
        assert_eq!(reasons(&skipped, &TargetState::of_one(Standing::Injected)), []);
    }
}
