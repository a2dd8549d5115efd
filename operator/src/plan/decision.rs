//! What the Deployment's template and its ConfigMap should hold, and which LogShipping doesn't get what it asks for.

use std::collections::{BTreeMap, BTreeSet};

use crds::conditions::Reason;
use crds::names;
use pipeline::validate;

use super::Settings;
use super::cast;
use super::comparable::Comparable;
use super::composition::Composition;
use super::config::{Contents, Current};
use super::desired::{self, Desired};
use super::foresight;
use super::parts::{List, Parts};
use super::situation::Situation;
use super::skip::{self, Existing};
use super::state::{Finding, Note, Standing};
use crate::validate::pipeline_name;

/// What is wanted of one Deployment.
#[derive(Clone, Debug)]
pub(super) struct Decision {
    pub template: Template,
    /// What the ConfigMap should hold; none when it stays as it is.
    pub contents: Option<Contents>,
    /// By LogShipping; those that aren't here get what they ask for.
    pub standings: BTreeMap<String, Standing>,
    /// By LogShipping: what was decided against its wish.
    pub notes: BTreeMap<String, Vec<Note>>,
}

/// What is wanted of the template.
#[derive(Clone, Debug)]
pub(super) enum Template {
    Stays,
    /// Nothing of ours. What is there goes.
    Clean,
    Carries(Box<Parts>),
}

impl Template {
    /// What it then holds of ours.
    pub(super) fn parts<'a>(&'a self, ours: &'a Parts, nothing: &'a Parts) -> &'a Parts {
        match self {
            Self::Stays => ours,
            Self::Clean => nothing,
            Self::Carries(parts) => parts,
        }
    }
}

/// Decides.
pub(super) fn decide(situation: &Situation<'_>, settings: &Settings) -> Decision {
    if let Some(name) = situation.split.ours.foreign() {
        return untouched(everyone(situation, &Standing::Failed(reserved_name(name))));
    }
    if situation.observed.shippings.is_empty() {
        return unwanted(situation);
    }
    if let Some(skip) = skip::skip(situation.deployment()) {
        let standings = everyone(situation, &Standing::Skipped(skip.finding));
        return match skip.sidecar {
            Existing::Stays => left_alone(situation, standings),
            Existing::Goes => clean(standings),
        };
    }
    if let Current::Foreign = situation.current {
        let standings = everyone(situation, &Standing::Failed(foreign_config_map(situation.name())));
        return untouched(standings);
    }
    let mut decision = settled(situation, settings);
    let foreseen = foresight::of_those_who_wait(situation, settings, &decision);
    decision.standings.extend(foreseen);
    decision
}

/// What those want together who act.
fn settled(situation: &Situation<'_>, settings: &Settings) -> Decision {
    let composition = cast::composed(situation, settings, None);
    if !composition.acting.is_empty() {
        return inject(situation, composition, settings);
    }
    let standings = told(situation, composition.refused);
    if composition.pipelines.is_empty() && !situation.runs_something_unknown() {
        return clean(standings);
    }
    frozen(situation, standings)
}

/// No LogShipping selects the Deployment. Whatever kept it from being changed, what we put into it goes, unless it is
/// retained and the owner has nothing against that.
fn unwanted(situation: &Situation<'_>) -> Decision {
    let nobody = BTreeMap::new();
    if situation.is_being_deleted() {
        return untouched(nobody);
    }
    let must_go = skip::skip(situation.deployment()).is_some_and(|skip| skip.sidecar == Existing::Goes);
    if must_go || situation.retained().is_empty() {
        return clean(nobody);
    }
    frozen(situation, nobody)
}

/// The Deployment is not to be changed, but a LogShipping that leaves must not be held up by it: its pipeline goes from
/// the configuration, and the sidecar, too, where it would have none left.
fn left_alone(situation: &Situation<'_>, standings: BTreeMap<String, Standing>) -> Decision {
    let retained = situation.retained();
    let stays = |name: &String| standings.contains_key(name) || retained.contains(name);
    let runs = situation.pipelines();
    let same = retained == situation.before.retained && runs.iter().all(stays);
    if situation.is_being_deleted() || same {
        return untouched(standings);
    }
    if runs.iter().any(stays) {
        return frozen(situation, standings);
    }
    clean(standings)
}

const fn untouched(standings: BTreeMap<String, Standing>) -> Decision {
    Decision {
        template: Template::Stays,
        contents: None,
        standings,
        notes: BTreeMap::new(),
    }
}

const fn clean(standings: BTreeMap<String, Standing>) -> Decision {
    Decision {
        template: Template::Clean,
        contents: None,
        standings,
        notes: BTreeMap::new(),
    }
}

fn inject(situation: &Situation<'_>, composition: Composition, settings: &Settings) -> Decision {
    let Desired { parts, config } = desired::desired(situation, &composition, settings);
    if let Some(pod) = situation
        .stripped_pod()
        .filter(|_| parts.sidecar.contains_key(&List::Init))
    {
        return frozen(situation, everyone(situation, &Standing::Failed(stripped(&pod.name))));
    }
    let restraint = skip::restraint(situation.deployment(), composition.recreate);
    if let Some(finding) = restraint.filter(|_| !parts.same_as(&situation.split.ours)) {
        return frozen(situation, everyone(situation, &Standing::Skipped(finding)));
    }
    let mut contents = situation.contents_in_use();
    contents.put(parts.shape().unwrap_or_default(), &config, composition.admitted);
    contents.retained.retain(|name| !composition.acting.contains(name));
    Decision {
        contents: Some(contents),
        template: Template::Carries(Box::new(parts)),
        standings: told(situation, composition.refused),
        notes: composition.notes,
    }
}

/// The sidecar that is there runs on as it is, but for pipelines whose LogShipping doesn't select the Deployment any
/// more.
fn frozen(situation: &Situation<'_>, standings: BTreeMap<String, Standing>) -> Decision {
    let shippings = situation
        .observed
        .shippings
        .iter()
        .map(|shipping| shipping.name.clone());
    let kept: BTreeSet<_> = shippings.chain(situation.retained()).collect();
    let running = situation.split.ours.shape().zip(situation.running.clone());
    let contents = running.map(|(shape, mut running)| {
        let mut admitted = situation.admitted().clone();
        admitted.retain(|name, _| kept.contains(name));
        running.pipelines.retain(|pipeline| {
            kept.iter()
                .any(|name| pipeline.name == pipeline_name(situation.namespace(), name))
        });
        let mut contents = situation.contents_in_use();
        contents.put(shape, &running.seal(), admitted);
        contents
    });
    Decision {
        template: Template::Stays,
        contents,
        standings,
        notes: BTreeMap::new(),
    }
}

fn everyone(situation: &Situation<'_>, standing: &Standing) -> BTreeMap<String, Standing> {
    let shippings = situation.observed.shippings.iter();
    shippings
        .map(|shipping| (shipping.name.clone(), standing.clone()))
        .collect()
}

/// What is said to those that don't get what they ask for.
fn told(situation: &Situation<'_>, refused: BTreeMap<String, Finding>) -> BTreeMap<String, Standing> {
    let invalid = situation.observed.shippings.iter().filter_map(|shipping| {
        let message = validate::join(shipping.verdict.as_ref().err()?);
        let reason = Reason::InvalidSpec;
        Some((shipping.name.clone(), Finding { reason, message }))
    });
    invalid
        .chain(refused)
        .map(|(name, finding)| (name, Standing::Failed(finding)))
        .collect()
}

fn reserved_name(name: &str) -> Finding {
    Finding {
        reason: Reason::Conflict,
        message: format!(
            "the pod template has {name:?}, a name that is reserved for what the operator adds: rename it"
        ),
    }
}

fn foreign_config_map(deployment: &str) -> Finding {
    let name = names::config_map(deployment);
    Finding {
        reason: Reason::Conflict,
        message: format!(
            "ConfigMap {name} exists and lacks the label {}: it isn't ours and is not overwritten; rename or delete it",
            names::MANAGED_LABEL
        ),
    }
}

fn stripped(pod: &str) -> Finding {
    Finding {
        reason: Reason::RestartPolicyStripped,
        message: format!(
            "pod {pod} has the sidecar without restartPolicy Always, so its application never starts: an admission webhook with old API types takes it away; exempt these pods from it, or set sidecar.placement: Container"
        ),
    }
}
