//! What became of everything, and what is left and why, in sentences for whoever uninstalls. Pure.

use std::fmt;

use crds::names;

use super::stage::{self, Stage};
use crate::observe::{Index, TargetKey};

/// What became of everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Deployments that nothing of ours is left in.
    reverted: usize,
    /// LogShippings; they stay, without our finalizer.
    shippings: usize,
    /// Deployments that keep their sidecar because a LogShipping says so.
    kept: Vec<TargetKey>,
    /// What isn't done, with the reason; a sentence each.
    left: Vec<String>,
}

impl Outcome {
    /// Whether nothing is left to do.
    pub const fn is_complete(&self) -> bool {
        self.left.is_empty()
    }
}

/// Looks. `begun` are those that were restarted.
pub(super) fn look<'a>(index: &Index, begun: impl Iterator<Item = &'a TargetKey>) -> Outcome {
    let is_clean = |target: &&TargetKey| matches!(stage::of(index, target), Some(Stage::Clean) | None);
    let mut outcome = Outcome {
        reverted: begun.filter(is_clean).count(),
        ..Outcome::default()
    };
    for target in index.target_keys() {
        let Some(stage) = stage::of(index, target) else {
            continue;
        };
        match obstacle(index, target, &stage) {
            Some(why) => outcome.left.push(format!("Deployment {target}: {why}")),
            None if stage == Stage::Kept => outcome.kept.push(target.clone()),
            None => {}
        }
    }
    for (key, entry) in index.all_shippings() {
        outcome.shippings += 1;
        if entry.is_held() {
            let why = format!("has finalizer {} until no Deployment carries it", names::FINALIZER);
            outcome.left.push(format!("LogShipping {key}: {why}"));
        }
    }
    outcome
}

/// Why a Deployment isn't done.
fn obstacle(index: &Index, target: &TargetKey, stage: &Stage) -> Option<String> {
    let held_up = index.state(target).and_then(|state| state.held_up.clone());
    let spec = index.deployment(target).and_then(|deployment| deployment.spec.as_ref());
    let is_paused = spec.and_then(|spec| spec.paused) == Some(true);
    match stage {
        Stage::Carries => {
            Some(held_up.unwrap_or_else(|| "its turn to be restarted hasn't come, or it is under way".to_owned()))
        }
        Stage::Restarting { pods } if is_paused => Some(format!(
            "its template is clean, but it is paused, so {pods} pods keep the sidecar: run `kubectl rollout resume`"
        )),
        Stage::Restarting { pods } => Some(format!(
            "its template is clean, but {pods} pods with the sidecar still run: see `kubectl rollout status`"
        )),
        Stage::Tidying => Some(held_up.unwrap_or_else(|| {
            format!(
                "ConfigMap {} still has to go or to be written",
                names::config_map(&target.name)
            )
        })),
        // Its LogShippings wait until it was looked at.
        Stage::Kept | Stage::Clean => index
            .state(target)
            .is_none()
            .then(|| "could not be looked at".to_owned()),
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            reverted,
            shippings,
            kept,
            left,
        } = self;
        writeln!(f, "Deployments that were reverted: {reverted}")?;
        for target in kept {
            writeln!(f, "Deployment {target} keeps its sidecar: deletionPolicy Retain")?;
        }
        if left.is_empty() {
            return writeln!(f, "Nothing is left. LogShippings stay and ship nothing: {shippings}");
        }
        writeln!(f, "Not done: {}", left.len())?;
        left.iter().try_for_each(|sentence| writeln!(f, "  {sentence}"))
    }
}
