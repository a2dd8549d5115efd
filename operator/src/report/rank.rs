//! What matters more: the order in which the STATUS column and the list of the worst targets choose among reasons.

use crds::conditions::{ConditionType, Reason};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

/// Worst first. What isn't listed comes last.
const ORDER: &[Reason] = &[
    // stalled
    Reason::CleanupBlocked,
    Reason::RolloutHalted,
    Reason::DeadlineExceeded,
    Reason::InvalidSpec,
    Reason::PatchFailed,
    Reason::TargetRefused,
    Reason::Conflict,
    Reason::RestartPolicyStripped,
    Reason::ReloadFailed,
    // not delivering
    Reason::Undelivered,
    Reason::SecretMissing,
    Reason::SidecarFailing,
    Reason::SourceUnreadable,
    Reason::RecordsDropped,
    Reason::VolumeFilling,
    Reason::Lagging,
    // moving
    Reason::RollingOut,
    Reason::Reloading,
    Reason::Soaking,
    Reason::WaitingForTurn,
    Reason::Pinned,
    // wanted, or about to be
    Reason::NoTargets,
    Reason::Preview,
    Reason::Paused,
    Reason::InProgress,
    Reason::Loading,
    Reason::NotObserved,
    Reason::NoSidecars,
    Reason::NoTraffic,
];

/// Smaller is worse.
pub(super) fn of(reason: Reason) -> usize {
    ORDER.iter().position(|listed| *listed == reason).unwrap_or(ORDER.len())
}

/// What the STATUS column shows: the worst reason of all conditions, a stalled one before any other.
pub(super) fn column(conditions: &[Condition]) -> &'static str {
    let stalled = conditions
        .iter()
        .find(|condition| condition.type_ == ConditionType::Stalled.as_str());
    let worst = |reasons: &mut dyn Iterator<Item = &Condition>| {
        let listed = reasons.filter_map(|condition| ORDER.iter().find(|listed| listed.as_str() == condition.reason));
        listed.min_by_key(|reason| of(**reason)).copied()
    };
    let found = worst(&mut stalled.into_iter()).or_else(|| worst(&mut conditions.iter()));
    found.unwrap_or(Reason::Healthy).as_str()
}
