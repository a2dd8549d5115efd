//! What follows for a target from a plan that was, or was not, carried out. Pure.

use crds::conditions::Reason;
use k8s_openapi::api::apps::v1::Deployment;

use crate::apply::ApplyError;
use crate::contest::Aim;
use crate::plan::{DeploymentPatch, Finding, Standing, TargetState};

/// What a patch leads to.
pub(super) fn aim(deployment: &Deployment, patch: &DeploymentPatch) -> Aim {
    Aim {
        uid: deployment.metadata.uid.clone(),
        shape: patch.shape.clone(),
    }
}

/// Names of the LogShippings that the target carries once the plan is carried out.
pub(super) fn carried_after(state: &TargetState) -> Vec<String> {
    let carried = state
        .shippings
        .iter()
        .filter(|(_, shipping)| shipping.revision.is_some());
    carried.map(|(name, _)| name.clone()).collect()
}

/// Whether somebody has to act.
pub(super) fn has_failed(state: &TargetState) -> bool {
    state
        .shippings
        .values()
        .any(|shipping| matches!(shipping.standing, Standing::Failed(_)))
}

/// How a target stands whose plan was not carried out: as before, unless somebody has to act.
pub(super) fn after_failure(before: Option<TargetState>, mut planned: TargetState, error: &ApplyError) -> TargetState {
    let standing = match error {
        ApplyError::Refused { .. } => {
            let message = format!("{error}: {}; it is tried again", error.words());
            planned.held_up = Some(message.clone());
            Standing::Failed(Finding {
                reason: Reason::PatchFailed,
                message,
            })
        }
        ApplyError::Stale { .. } | ApplyError::Unavailable { .. } => match before {
            Some(mut before) => {
                // A part of the plan may have been carried out.
                before.carried.append(&mut planned.carried);
                return before;
            }
            None => Standing::InProgress,
        },
    };
    for shipping in planned.shippings.values_mut() {
        if matches!(shipping.standing, Standing::Injected | Standing::InProgress) {
            shipping.standing = standing.clone();
        }
    }
    planned
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> ApplyError {
        let mut status = kube::core::Status::failure("the webhook says no", "Forbidden");
        status.code = 403;
        ApplyError::of("the Deployment", kube::Error::Api(Box::new(status)))
    }

    #[test]
    fn what_is_refused_is_told_in_the_servers_words_and_what_is_late_changes_nothing() {
        let failed = after_failure(None, TargetState::of_one(Standing::InProgress), &refused());
        let Standing::Failed(finding) = &failed.shippings["logs"].standing else {
            panic!("{failed:?}");
        };
        assert_eq!(finding.reason, Reason::PatchFailed);
        assert_eq!(
            finding.message,
            "the Deployment was refused: the webhook says no; it is tried again"
        );

        let late = ApplyError::of("the Deployment", kube::Error::LinesCodecMaxLineLengthExceeded);
        let before = TargetState::of_one(Standing::Injected);
        assert_eq!(
            after_failure(Some(before.clone()), TargetState::of_one(Standing::InProgress), &late),
            before
        );
        assert_eq!(
            after_failure(None, TargetState::of_one(Standing::Injected), &late),
            TargetState::of_one(Standing::InProgress),
            "nothing was seen yet"
        );
    }
}
