//! The sidecar that a composition makes: what the template carries of it, and what it runs.

use crds::names;
use crds::spec::Placement;
use pipeline::config::{self as sidecar_config, Config, VERSION};

use super::comparable::Comparable;
use super::composition::Composition;
use super::injection::{self, References, Wanted};
use super::parts::Parts;
use super::situation::Situation;
use super::{Settings, resource};
use crate::amount::Amount;

/// A sidecar as it should be.
#[derive(Clone, Debug)]
pub(super) struct Desired {
    pub parts: Parts,
    pub config: Config,
}

pub(super) fn desired(situation: &Situation<'_>, composition: &Composition, settings: &Settings) -> Desired {
    let parts = parts(situation, composition, settings);
    let config = config(situation, composition, &parts);
    Desired { parts, config }
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
            namespace: situation.namespace(),
            name: situation.name(),
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

fn config(situation: &Situation<'_>, composition: &Composition, parts: &Parts) -> Config {
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
    .seal()
}
