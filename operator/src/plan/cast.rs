//! Who has a part in a Deployment's sidecar, and who may change his.

use crds::spec::Mode;

use super::Settings;
use super::composition::{Candidate, Composition, Running, compose};
use super::situation::Situation;
use super::target::{Ground, Pods};
use crate::observed::Shipping;
use crate::validate::Accepted;

/// What a LogShipping may do about a Deployment.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stance<'a> {
    Acts(&'a Accepted),
    /// Only says what it would do.
    Waits(&'a Accepted, Wait),
    Invalid,
}

/// Why a LogShipping that could act doesn't.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// `spec.mode: Preview`.
    Preview,
    /// `spec.rollout.paused: true`.
    Paused,
}

impl<'a> Stance<'a> {
    pub(super) const fn of(shipping: &'a Shipping) -> Self {
        let Ok(accepted) = &shipping.verdict else {
            return Self::Invalid;
        };
        match (accepted.spec.mode, accepted.spec.rollout.paused) {
            (Mode::Preview, _) => Self::Waits(accepted, Wait::Preview),
            (Mode::Enforce, true) => Self::Waits(accepted, Wait::Paused),
            (Mode::Enforce, false) => Self::Acts(accepted),
        }
    }

    const fn wanted(self) -> Option<&'a Accepted> {
        match self {
            Self::Acts(accepted) => Some(accepted),
            Self::Waits(..) | Self::Invalid => None,
        }
    }
}

/// What those who act make of the Deployment. `also` acts as if it didn't wait.
pub(super) fn composed(situation: &Situation<'_>, settings: &Settings, also: Option<&Accepted>) -> Composition {
    let shippings = &situation.observed.shippings;
    let selecting = shippings.iter().map(|shipping| Candidate {
        name: &shipping.name,
        wanted: also
            .filter(|also| also.name == shipping.name)
            .or_else(|| Stance::of(shipping).wanted()),
    });
    let retained = situation.retained();
    let gone = retained
        .iter()
        .filter(|name| shippings.iter().all(|shipping| shipping.name != **name))
        .map(|name| Candidate { name, wanted: None });
    let candidates: Vec<_> = selecting.chain(gone).collect();
    let running = Running {
        config: situation.running.as_ref(),
        admitted: situation.admitted(),
    };
    let ground = Ground {
        template: &situation.split.owner,
        host_paths: settings.host_paths,
        pods: Pods::of(situation.deployment()),
    };
    compose(ground, situation.namespace(), &candidates, running)
}
