//! Fields that this release understands but that do nothing yet. A value other than the default is refused, with a
//! sentence that says so, rather than ignored.
//!
//! This is the one place to delete from when a feature arrives. `sidecar.imageUpdate` is not here: until rollouts
//! exist both of its values mean that a new default image changes nothing.

use crds::LogShippingSpec;
use crds::rollout::Rollout;
use crds::spec::DEFAULT_REVISION_HISTORY_LIMIT;
use pipeline::support::not_yet;
use pipeline::validate::FieldError;

pub(super) fn specification(spec: &LogShippingSpec) -> Vec<FieldError> {
    let defaults = Rollout::default();
    let Rollout {
        paused: _,
        max_concurrent_restarts,
        max_concurrent_reloads,
        canary,
        healthy_for,
        deadline,
        allow_recreate: _,
        on_failure,
    } = &spec.rollout;
    [
        (
            *max_concurrent_restarts != defaults.max_concurrent_restarts,
            "rollout.maxConcurrentRestarts",
        ),
        (
            *max_concurrent_reloads != defaults.max_concurrent_reloads,
            "rollout.maxConcurrentReloads",
        ),
        (*canary != defaults.canary, "rollout.canary"),
        (*healthy_for != defaults.healthy_for, "rollout.healthyFor"),
        (*deadline != defaults.deadline, "rollout.deadline"),
        (*on_failure != defaults.on_failure, "rollout.onFailure"),
        (
            spec.revision_history_limit != DEFAULT_REVISION_HISTORY_LIMIT,
            "revisionHistoryLimit",
        ),
    ]
    .into_iter()
    .filter(|(unsupported, _)| *unsupported)
    .map(|(_, path)| not_yet(path))
    .collect()
}
