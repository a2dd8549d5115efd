//! What the Deployment's template and its ConfigMap should hold, and which LogShipping doesn't get what it asks for.

use std::collections::{BTreeMap, BTreeSet};

use crds::conditions::Reason;
use crds::names;
use crds::spec::Placement;
use pipeline::config::{self as sidecar_config, Config, VERSION};
use pipeline::validate;

use super::comparable::Comparable;
use super::composition::{Candidate, Composition, Running, compose};
use super::config::{self, Contents, Current};
use super::injection::{self, References, Wanted};
use super::parts::{List, Parts};
use super::situation::Situation;
use super::skip::{self, Existing};
use super::state::{Finding, Note, Standing};
use super::target::Ground;
use super::{Settings, resource};
use crate::amount::Amount;
use crate::observed::Shipping;
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

/// Decides.
pub(super) fn decide(situation: &Situation<'_>, settings: &Settings) -> Decision {
    let shippings = &situation.observed.shippings;
    if shippings.is_empty() {
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
    let composition = composed(situation, settings);
    if !composition.acting.is_empty() {
        return inject(situation, composition, settings);
    }
    let standings = told(shippings, composition.refused);
    if composition.pipelines.is_empty() && !situation.runs_something_unknown() {
        return clean(standings);
    }
    frozen(situation, standings)
}

fn composed(situation: &Situation<'_>, settings: &Settings) -> Composition {
    let shippings = situation.observed.shippings.iter();
    let candidates: Vec<_> = shippings
        .map(|shipping| Candidate {
            name: &shipping.name,
            wanted: shipping.verdict.as_ref().ok(),
        })
        .collect();
    let running = Running {
        config: situation.running.as_ref(),
        admitted: situation.admitted(),
    };
    let ground = Ground {
        template: &situation.split.owner,
        host_paths: settings.host_paths,
    };
    compose(ground, situation.namespace(), &candidates, running)
}

/// No LogShipping selects the Deployment. Whatever kept it from being changed, what we put into it goes.
fn unwanted(situation: &Situation<'_>) -> Decision {
    if situation.is_being_deleted() {
        return untouched(BTreeMap::new());
    }
    clean(BTreeMap::new())
}

/// The Deployment is not to be changed, but a LogShipping that leaves must not be held up by it: its pipeline goes from
/// the configuration, and the sidecar, too, where it would have none left.
fn left_alone(situation: &Situation<'_>, standings: BTreeMap<String, Standing>) -> Decision {
    let carried = situation.carried();
    if situation.is_being_deleted() || carried.iter().all(|name| standings.contains_key(name)) {
        return untouched(standings);
    }
    if carried.iter().any(|name| standings.contains_key(name)) {
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
    let parts = parts(situation, &composition, settings);
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
    let config = effective(situation, &composition, &parts);
    let mut contents = situation.contents_in_use();
    contents.put(parts.shape().unwrap_or_default(), config, composition.admitted);
    Decision {
        contents: Some(contents),
        template: Template::Carries(Box::new(parts)),
        standings: told(&situation.observed.shippings, composition.refused),
        notes: composition.notes,
    }
}

/// The parts with the image that the Deployment has already, if nothing else changes: a new default image alone is no
/// reason for a restart.
fn parts(situation: &Situation<'_>, composition: &Composition, settings: &Settings) -> Parts {
    let sidecar = &composition.sidecar;
    let config_map = names::config_map(situation.name());
    let references = References::of(&composition.pipelines);
    let with = |image: &str| {
        injection::parts(Wanted {
            owner: &situation.split.owner,
            config_map: &config_map,
            sidecar,
            image,
            targets: &composition.targets,
            references: &references,
        })
    };
    let ours = &situation.split.ours;
    let live_image = ours.container().and_then(|container| container.image.as_deref());
    if let Some(image) = &sidecar.image {
        return with(image);
    }
    let unchanged = live_image.map(with).filter(|parts| parts.same_as(ours));
    unchanged.unwrap_or_else(|| with(&settings.sidecar_image))
}

/// What the sidecar runs.
fn effective(situation: &Situation<'_>, composition: &Composition, parts: &Parts) -> Config {
    let sidecar = &composition.sidecar;
    let limits = parts
        .container()
        .and_then(|container| container.resources.as_ref()?.limits.as_ref());
    let memory = limits.and_then(|limits| Amount::parse(&limits.get("memory")?.0));
    Config {
        version: VERSION,
        hash: String::new(),
        sidecar: sidecar_config::Settings {
            drain_timeout: sidecar.drain_timeout,
            placement: match sidecar.placement {
                Placement::Auto => sidecar_config::Placement::Native,
                Placement::Container => sidecar_config::Placement::Container,
            },
            log_level: sidecar.log_level,
            memory_limit: memory.and_then(Amount::rounded_up).map(pipeline::ByteSize::from_bytes),
        },
        resource: resource::attributes(situation.deployment()),
        pipelines: composition.pipelines.clone(),
    }
}

/// The sidecar that is there runs on as it is, but for pipelines whose LogShipping doesn't select the Deployment any
/// more.
fn frozen(situation: &Situation<'_>, standings: BTreeMap<String, Standing>) -> Decision {
    let names = situation
        .observed
        .shippings
        .iter()
        .map(|shipping| pipeline_name(situation.namespace(), &shipping.name));
    let kept: BTreeSet<_> = names.collect();
    let running = situation.split.ours.shape().zip(situation.running.clone());
    let contents = running.map(|(shape, running)| {
        let mut admitted = situation.admitted().clone();
        admitted.retain(|name, _| kept.contains(&pipeline_name(situation.namespace(), name)));
        let mut contents = situation.contents_in_use();
        contents.put(shape, config::keep_only(running, &kept), admitted);
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
fn told(shippings: &[Shipping], refused: BTreeMap<String, Finding>) -> BTreeMap<String, Standing> {
    let invalid = shippings.iter().filter_map(|shipping| {
        let message = validate::join(shipping.verdict.as_ref().err()?);
        let reason = Reason::InvalidSpec;
        Some((shipping.name.clone(), Finding { reason, message }))
    });
    invalid
        .chain(refused)
        .map(|(name, finding)| (name, Standing::Failed(finding)))
        .collect()
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
