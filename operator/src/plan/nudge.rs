//! Which pods are touched so that the kubelet refreshes their configuration at once instead of at its next sync.

use std::collections::BTreeMap;

use super::Nudge;
use super::state::ExpectedConfig;
use crate::observed::{Life, Pod, SidecarContainer};

/// A pod is nudged once for a configuration: when it is written, and later when the pod was nudged for another one or
/// reports another one. A new pod mounts what is there and needs none.
pub(super) fn nudges(
    pods: &[Pod],
    after: &BTreeMap<String, ExpectedConfig>,
    before: &BTreeMap<String, ExpectedConfig>,
) -> Vec<Nudge> {
    let injected = pods
        .iter()
        .filter(|pod| pod.life == Life::Live && pod.sidecar != SidecarContainer::Absent);
    let mut nudges: Vec<_> = injected
        .filter_map(|pod| {
            let shape = pod.shape.as_deref()?;
            let revision = &after.get(shape)?.hash;
            let written = before.get(shape).is_none_or(|config| config.hash != *revision);
            let behind = pod.nudged.is_some() || pod.loaded.as_ref().is_some_and(|loaded| loaded != revision);
            let due = pod.nudged.as_ref() != Some(revision) && (written || behind);
            due.then(|| Nudge {
                pod: pod.name.clone(),
                uid: pod.uid.clone(),
                revision: revision.clone(),
            })
        })
        .collect();
    nudges.sort_by(|a, b| a.pod.cmp(&b.pod));
    nudges
}
