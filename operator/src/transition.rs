//! What about a target is worth an event: what a plan did, and a LogShipping that is newly kept from a Deployment.

use crds::conditions::Reason;
use crds::status::{LogShippingStatus, MAX_WORST};

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

/// What is worth an event: a LogShipping is kept from a Deployment, and that was not told before.
pub(crate) fn transitions(after: &TargetState, was_told: impl Fn(&str, &Finding) -> bool) -> Vec<Said> {
    let kept = after.shippings.iter().filter_map(|(name, shipping)| {
        let (reason, finding) = worth_telling(&shipping.standing)?;
        (!was_told(name, finding)).then(|| Said {
            reason,
            shippings: vec![name.clone()],
            message: finding.message.clone(),
        })
    });
    kept.collect()
}

/// Whether it was told when the Deployment came to stand like that.
pub(crate) fn is_known(before: &TargetState, shipping: &str, finding: &Finding) -> bool {
    let was = before.shippings.get(shipping);
    let was = was.and_then(|shipping| worth_telling(&shipping.standing));
    was.is_some_and(|(_, was)| was.reason == finding.reason)
}

/// Whether somebody who acted before us told it: the status that was left behind says so, or is full and may have left it
/// out.
pub(crate) fn is_listed(status: &LogShippingStatus, deployment: &str, finding: &Finding) -> bool {
    let says_so = |reason: &str, name: &str| name == deployment && reason == finding.reason.as_str();
    status.worst.len() >= MAX_WORST || status.worst.iter().any(|row| says_so(&row.reason, &row.target.name))
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
    use crds::status::{TargetRef, WorstTarget};

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
            let said = transitions(after, |name, finding| is_known(before, name, finding));
            said.into_iter().map(|said| said.reason).collect()
        };
        assert_eq!(
            reasons(&TargetState::default(), &conflict),
            [EventReason::ConflictDetected]
        );
        assert_eq!(reasons(&conflict, &other_words), []);
        assert_eq!(reasons(&conflict, &skipped), [EventReason::Skipped]);
        assert_eq!(reasons(&skipped, &TargetState::of_one(Standing::Injected)), []);
    }

    #[test]
    fn what_the_status_lists_was_told_before_a_restart() {
        let row = |name: &str, reason: Reason| WorstTarget {
            target: TargetRef {
                kind: "Deployment".to_owned(),
                name: name.to_owned(),
            },
            reason: reason.to_string(),
            ..WorstTarget::default()
        };
        let status = |worst| LogShippingStatus {
            worst,
            ..LogShippingStatus::default()
        };
        let full = (0..MAX_WORST).map(|number| row(&format!("other-{number}"), Reason::Undelivered));
        let opted_out = finding(Reason::OptedOut, "no");
        let skipped = TargetState::of_one(Standing::Skipped(opted_out));
        for (stored, told) in [
            (status(vec![row("server", Reason::OptedOut)]), 0),
            (status(full.collect()), 0),
            (status(Vec::new()), 1),
            (status(vec![row("server", Reason::Windows)]), 1),
            (status(vec![row("other", Reason::OptedOut)]), 1),
        ] {
            let said = transitions(&skipped, |_, finding| is_listed(&stored, "server", finding));
            assert_eq!(said.len(), told, "{stored:?}");
        }
    }
}
