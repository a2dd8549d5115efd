//! How far a Deployment is on the way out, judged from what is there and what the plan would still do. Pure.

use crate::observe::{Index, TargetKey, snapshot};
use crate::observed::{Life, Observed, SidecarContainer};
use crate::plan::{HostPaths, Plan, Settings, plan};

/// How far one Deployment is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Its template has to change, which restarts its pods.
    Carries,
    /// Its template is clean; so many pods still have the sidecar.
    Restarting { pods: usize },
    /// No pod restarts any more; a ConfigMap has to be written or deleted.
    Tidying,
    /// It keeps its sidecar, because a LogShipping wants that to stay.
    Kept,
    /// Nothing of ours is left.
    Clean,
}

/// None for a Deployment that is none of our business.
pub(super) fn of(index: &Index, target: &TargetKey) -> Option<Stage> {
    let observed = snapshot(index, target)?;
    Some(judge(&observed, &plan(&observed, &settings())))
}

/// Those of plans that add nothing: no image is used, and no volume judged.
pub(super) fn settings() -> Settings {
    Settings {
        sidecar_image: String::new(),
        host_paths: HostPaths::default(),
    }
}

fn judge(observed: &Observed, plan: &Plan) -> Stage {
    if plan.patch.is_some() {
        return Stage::Carries;
    }
    let is_kept = plan.state.sidecar_image.is_some();
    if plan.config_map.is_some() || plan.delete_config_map.is_some() {
        return Stage::Tidying;
    }
    if is_kept {
        return Stage::Kept;
    }
    let has_sidecar = |life: Life, sidecar: SidecarContainer| life == Life::Live && sidecar != SidecarContainer::Absent;
    match observed
        .pods
        .iter()
        .filter(|pod| has_sidecar(pod.life, pod.sidecar))
        .count()
    {
        0 => Stage::Clean,
        pods => Stage::Restarting { pods },
    }
}
