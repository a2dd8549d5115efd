//! What a LogShipping would do if it didn't wait: the plan that isn't carried out, told to people.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crds::names;
use k8s_openapi::api::core::v1::{Container, Volume};
use pipeline::Config;
use pipeline::reference::Object;

use super::Settings;
use super::cast::{self, Stance, Wait};
use super::comparable::Comparable;
use super::decision::Decision;
use super::desired::{self, Desired};
use super::parts::Parts;
use super::situation::Situation;
use super::skip;
use super::state::{Finding, Standing};
use crate::validate::Accepted;

/// What would happen to a Deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Foreseen {
    Nothing,
    /// The sidecars that are there would load another configuration.
    Reload,
    /// The template would change, and with it every pod.
    Restart(Additions),
    /// Nothing, because the Deployment would be left alone or can't be served.
    Kept(Finding),
}

/// What a template would get that it doesn't have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Additions {
    /// Image of the sidecar; none where there is a sidecar already, which then changes.
    pub sidecar: Option<String>,
    /// Where volumes of ours would be mounted: container and path.
    pub mounts: Vec<(String, String)>,
    /// Volumes of the owner that the sidecar would read.
    pub reads: Vec<String>,
    /// Secrets and ConfigMaps that the sidecar would mount, as `Secret loki-auth`.
    pub references: Vec<String>,
}

/// Without one that waits.
struct Otherwise<'a> {
    parts: &'a Parts,
    config: Option<Config>,
}

/// The standings of all that wait. One that is paused and would change nothing has what it wants, and isn't listed.
pub(super) fn of_those_who_wait(
    situation: &Situation<'_>,
    settings: &Settings,
    decision: &Decision,
) -> BTreeMap<String, Standing> {
    let nothing = Parts::default();
    let parts = decision.template.parts(&situation.split.ours, &nothing);
    let contents = decision.contents.as_ref().unwrap_or(&situation.before);
    let config = parts.shape().and_then(|shape| contents.config(shape));
    let otherwise = Otherwise { parts, config };
    let waiting = situation.observed.shippings.iter().filter_map(|shipping| {
        let Stance::Waits(accepted, wait) = Stance::of(shipping) else {
            return None;
        };
        let foreseen = foresee(situation, settings, accepted, &otherwise);
        let standing = match (wait, foreseen) {
            (Wait::Preview, foreseen) => Standing::Preview(foreseen),
            (Wait::Paused, Foreseen::Nothing) => return None,
            (Wait::Paused, foreseen) => Standing::Paused(foreseen),
        };
        Some((shipping.name.clone(), standing))
    });
    waiting.collect()
}

fn foresee(situation: &Situation<'_>, settings: &Settings, accepted: &Accepted, now: &Otherwise<'_>) -> Foreseen {
    let mut composition = cast::composed(situation, settings, Some(accepted));
    if let Some(finding) = composition.refused.remove(&accepted.name) {
        return Foreseen::Kept(finding);
    }
    let Desired { parts, config } = desired::desired(situation, &composition, settings);
    if parts.same_as(now.parts) {
        let same = now.config.as_ref().is_some_and(|now| now.hash == config.hash);
        return if same { Foreseen::Nothing } else { Foreseen::Reload };
    }
    match skip::restraint(situation.deployment(), composition.recreate) {
        Some(finding) => Foreseen::Kept(finding),
        None => Foreseen::Restart(Additions::between(now.parts, &parts)),
    }
}

impl Additions {
    fn between(before: &Parts, after: &Parts) -> Self {
        let new_mounts = after.mounts.keys().filter(|point| !before.mounts.contains_key(point));
        let added = after.container().filter(|_| before.container().is_none());
        let new = |what: fn(&Parts) -> BTreeSet<String>| what(after).difference(&what(before)).cloned().collect();
        Self {
            sidecar: added.and_then(|container| container.image.clone()),
            mounts: new_mounts
                .map(|point| (point.container.clone(), point.path.clone()))
                .collect(),
            reads: new(reads),
            references: new(references),
        }
    }
}

/// Volumes of the owner that the sidecar mounts.
pub(super) fn reads(parts: &Parts) -> BTreeSet<String> {
    let mounts = |container: &Container| container.volume_mounts.clone().unwrap_or_default();
    let mounts = parts.container().map(mounts).unwrap_or_default();
    let names = mounts.into_iter().map(|mount| mount.name);
    names.filter(|name| !names::is_volume(name)).collect()
}

fn references(parts: &Parts) -> BTreeSet<String> {
    parts.volumes.values().filter_map(referred).collect()
}

fn referred(volume: &Volume) -> Option<String> {
    let (object, name) = match (&volume.secret, &volume.config_map) {
        (Some(secret), _) => (Object::Secret, secret.secret_name.clone()?),
        (None, Some(config_map)) if volume.name != names::CONFIG_VOLUME => (Object::ConfigMap, config_map.name.clone()),
        _ => return None,
    };
    Some(format!("{} {name}", object.kind()))
}

/// After the words "in that case" or the like, so it begins with a small letter.
impl fmt::Display for Foreseen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing would change"),
            Self::Reload => f.write_str("its sidecars would load another configuration, without a restart"),
            Self::Restart(additions) => write!(f, "its pods would restart: {additions}"),
            Self::Kept(finding) => write!(f, "nothing would change ({}): {}", finding.reason, finding.message),
        }
    }
}

impl fmt::Display for Additions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.sidecar {
            Some(image) => write!(f, "container {} is added ({image})", names::CONTAINER)?,
            None => write!(f, "container {} is changed", names::CONTAINER)?,
        }
        for (container, path) in &self.mounts {
            write!(f, ", an empty volume is mounted at {path} of container {container}")?;
        }
        for volume in &self.reads {
            write!(f, ", it reads volume {volume}")?;
        }
        for object in &self.references {
            write!(f, ", it mounts {object}")?;
        }
        Ok(())
    }
}
