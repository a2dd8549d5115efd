//! What the Deployment's template and its ConfigMap should hold, and which LogShipping doesn't get what it asks for.

use std::collections::{BTreeMap, BTreeSet};

use crds::conditions::Reason;
use crds::names;
use crds::spec::{Placement, Sidecar};
use pipeline::config::{self as sidecar_config, Config, VERSION};

use super::comparable::Comparable;
use super::composition::{Composition, compose};
use super::config::{self, Current, Data};
use super::injection::{self, References, Wanted};
use super::parts::{List, Parts};
use super::situation::Situation;
use super::skip::{self, Existing};
use super::state::{Finding, Standing};
use super::{Settings, resource};
use crate::amount::Amount;
use crate::validate::pipeline_name;

/// What is wanted of one Deployment.
#[derive(Clone, Debug)]
pub(super) struct Decision {
    pub template: Template,
    /// What the ConfigMap should hold; none when it stays as it is.
    pub data: Option<Data>,
    /// By LogShipping; those that aren't here get what they ask for.
    pub standings: BTreeMap<String, Standing>,
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
    let owner = &situation.split.owner;
    let composition = compose(owner, situation.namespace(), shippings, situation.running.as_ref());
    if composition.pipelines.is_empty() {
        let standings = failed(composition.findings);
        if situation.runs_something_unknown() {
            return frozen(situation, standings);
        }
        return clean(standings);
    }
    inject(situation, composition, settings)
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
        data: None,
        standings,
    }
}

const fn clean(standings: BTreeMap<String, Standing>) -> Decision {
    Decision {
        template: Template::Clean,
        data: None,
        standings,
    }
}

fn inject(situation: &Situation<'_>, composition: Composition, settings: &Settings) -> Decision {
    let Some(sidecar) = &composition.sidecar else {
        return frozen(situation, failed(composition.findings));
    };
    let parts = parts(situation, &composition, sidecar, settings);
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
    let mut data = situation.data_in_use();
    let shape = parts.shape().unwrap_or_default();
    data.insert(
        names::config_key(shape),
        config::render(effective(situation, &composition, sidecar, &parts)),
    );
    Decision {
        data: Some(data),
        template: Template::Carries(Box::new(parts)),
        standings: failed(composition.findings),
    }
}

/// The parts with the image that the Deployment has already, if nothing else changes: a new default image alone is no
/// reason for a restart.
fn parts(situation: &Situation<'_>, composition: &Composition, sidecar: &Sidecar, settings: &Settings) -> Parts {
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
fn effective(situation: &Situation<'_>, composition: &Composition, sidecar: &Sidecar, parts: &Parts) -> Config {
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
    let data = situation
        .split
        .ours
        .shape()
        .zip(situation.running.clone())
        .map(|(shape, running)| {
            let mut data = situation.data_in_use();
            data.insert(
                names::config_key(shape),
                config::render(config::keep_only(running, &kept)),
            );
            data
        });
    Decision {
        template: Template::Stays,
        data,
        standings,
    }
}

fn everyone(situation: &Situation<'_>, standing: &Standing) -> BTreeMap<String, Standing> {
    let shippings = situation.observed.shippings.iter();
    shippings
        .map(|shipping| (shipping.name.clone(), standing.clone()))
        .collect()
}

fn failed(findings: BTreeMap<String, Finding>) -> BTreeMap<String, Standing> {
    findings
        .into_iter()
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
