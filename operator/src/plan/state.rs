//! How a Deployment stands, in terms that the status of a LogShipping is made of.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crds::conditions::Reason;

use super::foresight::Foreseen;

/// How one Deployment stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetState {
    /// By name of the LogShipping, for each that selects it.
    pub shippings: BTreeMap<String, ShippingState>,
    /// LogShippings that the Deployment carries now, before the plan is carried out, whether they still select it or
    /// not. Its finalizer may go when no Deployment carries a LogShipping any more.
    pub carried: BTreeSet<String>,
    /// What pods should run: by shape, the hash of the configuration and the revision of each pipeline in it.
    pub configs: BTreeMap<String, ExpectedConfig>,
    /// Image of the sidecar in the template as it will be after the plan.
    pub sidecar_image: Option<String>,
    /// Why what was planned can't be carried out, where somebody has to act. Never known to a plan.
    pub held_up: Option<String>,
}

/// What the sidecar of a pod of some shape should have loaded, after the plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExpectedConfig {
    /// `hash` of the configuration.
    pub hash: String,
    /// Revisions by name of the pipeline (`namespace/name`).
    pub revisions: BTreeMap<String, String>,
}

/// How the Deployment stands, seen from one LogShipping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShippingState {
    /// Revision that the Deployment's configuration will carry after the plan; none when it carries none.
    pub revision: Option<String>,
    pub standing: Standing,
    /// What is good to know, and no failure.
    pub notes: Vec<Note>,
}

/// Something to know about a LogShipping that has what it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// Another LogShipping decided about the one sidecar.
    Overruled {
        /// Below `spec`.
        field: String,
        wanted: String,
        /// The LogShipping that decided.
        winner: String,
        value: String,
    },
    /// Several pods write into one directory, and each of their sidecars ships all of it.
    Common {
        source: String,
        path: String,
        volume: String,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overruled {
                field,
                wanted,
                winner,
                value,
            } => write!(f, "{field} is {value}, as LogShipping {winner} has it, not {wanted}"),
            Self::Common { source, path, volume } => write!(
                f,
                "source {source}: {path} is on volume {volume:?}, which several pods share, so each of their sidecars ships what all of them log there: give each pod a directory of its own by subPathExpr, for example $(POD_NAME), or have one sidecar ship for all with spec.sidecar.stateVolume LogVolume"
            ),
        }
    }
}

/// Whether a LogShipping has what it wants from a Deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The template carries the sidecar as desired, judged from the objects. Its configuration may still be on its way.
    Injected,
    /// The plan changes the Deployment's template.
    InProgress,
    /// It only says what it would do.
    Preview(Foreseen),
    /// It may change nothing for now, and this is what it would do.
    Paused(Foreseen),
    /// Left alone on purpose; nothing is wrong with the LogShipping.
    Skipped(Finding),
    /// Can't be done: somebody has to act.
    Failed(Finding),
}

/// Why, in a sentence that says what is wrong, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub reason: Reason,
    pub message: String,
}

#[cfg(test)]
impl TargetState {
    /// Of a Deployment that one LogShipping selects.
    pub(crate) fn of_one(standing: Standing) -> Self {
        let shipping = ShippingState {
            revision: None,
            standing,
            notes: Vec::new(),
        };
        Self {
            shippings: [("logs".to_owned(), shipping)].into(),
            ..Self::default()
        }
    }
}
