//! All LogShippings that select a Deployment, put together: each becomes a pipeline of the one sidecar.
//!
//! They are ordered by priority, the higher first, then by name, never by arrival; where they disagree about the sidecar
//! itself the [`rules`] decide. One that doesn't act (it is invalid, paused or in preview) and one that can't be served
//! holds what it has in this Deployment, its pipeline and its say about the sidecar, read back from the ConfigMap: a bad
//! specification never replaces a good one, and what one LogShipping does changes nothing for another.

mod room;
mod rules;
mod sizes;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crds::spec::{Sidecar, Volume as VolumeSpec};
use pipeline::config::{self, Config, Pipeline};
use pipeline::{ByteSize, Source};
use serde::{Deserialize, Serialize};

use super::injection;
use super::skip::Recreate;
use super::state::{Finding, Note};
use super::target::{self, Ground, Place, SourceTarget, TargetError};
use crate::validate::{Accepted, pipeline_name};

/// What a LogShipping asks of the sidecar that it shares, and of the volumes. Kept in the ConfigMap for as long as the
/// pipeline that goes with it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Wishes {
    #[serde(skip_serializing_if = "is_default")]
    pub priority: i32,
    #[serde(skip_serializing_if = "is_default")]
    pub sidecar: Sidecar,
    #[serde(skip_serializing_if = "is_default")]
    pub volume: VolumeSpec,
}

/// An annotation has little room, and most LogShippings ask for nothing.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Wishes by name of the LogShipping.
pub(super) type Admitted = BTreeMap<String, Wishes>;

/// A LogShipping that may have a part in the sidecar.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate<'a> {
    pub name: &'a str,
    /// What it wants now; none when it only holds what it has.
    pub wanted: Option<&'a Accepted>,
}

/// What pods of the live template run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Running<'a> {
    pub config: Option<&'a Config>,
    pub admitted: &'a Admitted,
}

/// What one sidecar is to do.
#[derive(Clone, Debug)]
pub(super) struct Composition {
    /// In their order.
    pub pipelines: Vec<Pipeline>,
    /// Of all pipelines, in their order.
    pub targets: Vec<SourceTarget>,
    pub admitted: Admitted,
    pub sidecar: Sidecar,
    pub recreate: Recreate,
    /// Names of those that get what they want, but for the notes.
    pub acting: Vec<String>,
    /// What is good to know, by LogShipping.
    pub notes: BTreeMap<String, Vec<Note>>,
    /// Those that can't be served.
    pub refused: BTreeMap<String, Finding>,
}

/// One LogShipping's part.
#[derive(Clone)]
struct Member {
    name: String,
    stance: Stance,
    wishes: Wishes,
    /// Its sources as they were written.
    pipeline: Pipeline,
    targets: Vec<SourceTarget>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stance {
    Acts,
    Holds,
}

/// Puts LogShippings together for an owner's template.
pub(super) fn compose(
    ground: Ground<'_>,
    namespace: &str,
    candidates: &[Candidate<'_>],
    running: Running<'_>,
) -> Composition {
    let mut members: Vec<Member> = Vec::new();
    let mut refused = BTreeMap::new();
    for candidate in candidates {
        let name = candidate.name;
        let wanted = candidate.wanted.map(|accepted| acting(ground, accepted));
        let member = match wanted {
            Some(Ok(member)) => Some(member),
            Some(Err(error)) => {
                refused.insert(name.to_owned(), finding(&error));
                holding(ground, namespace, name, running)
            }
            None => holding(ground, namespace, name, running),
        };
        members.extend(member);
    }
    // By the priority that was, or will be, admitted.
    members.sort_by_key(|member| (Reverse(member.wishes.priority), member.name.clone()));
    let held = |name: &str| holding(ground, namespace, name, running);
    let room::Settled { members, no_room } = room::settle(members, held);
    refused.extend(no_room);
    let recreate = recreate(candidates);
    Composition {
        recreate,
        refused,
        ..put_together(members)
    }
}

fn put_together(mut members: Vec<Member>) -> Composition {
    target::settle(members.iter_mut().flat_map(|member| &mut member.targets).collect());
    let all: Vec<_> = members
        .iter()
        .map(|member| (member.name.as_str(), &member.wishes))
        .collect();
    let rules::Settled { sidecar, mut notes } = rules::settle(&all);
    let sizes = sizes::settle(&mut members);
    let targets: Vec<_> = members.iter().flat_map(|member| member.targets.clone()).collect();
    // Sidecars that share their positions too don't ship a line twice.
    let is_shared = injection::state_place(&sidecar, &targets).is_some_and(Place::is_common_to_pods);
    let common = if is_shared { Vec::new() } else { common(&members) };
    for (name, note) in sizes.into_iter().chain(common) {
        notes.entry(name).or_default().push(note);
    }
    let mut composition = Composition {
        pipelines: Vec::new(),
        targets: Vec::new(),
        admitted: Admitted::new(),
        sidecar,
        recreate: Recreate::Forbidden,
        acting: Vec::new(),
        notes,
        refused: BTreeMap::new(),
    };
    for member in members {
        composition.pipelines.push(Pipeline {
            sources: completed(&member.targets, &member.pipeline.sources),
            ..member.pipeline
        });
        composition.targets.extend(member.targets);
        if member.stance == Stance::Acts {
            composition.acting.push(member.name.clone());
        }
        composition.admitted.insert(member.name, member.wishes);
    }
    composition
}

/// Directories that several pods share.
fn common(members: &[Member]) -> Vec<(String, Note)> {
    let mut notes = Vec::new();
    for member in members {
        for (source, target) in member.pipeline.sources.iter().zip(&member.targets) {
            let places = target.common_places();
            notes.extend(places.map(|place| (member.name.clone(), common_place(source, place))));
        }
    }
    notes
}

fn common_place(source: &Source, place: &Place) -> Note {
    Note::Common {
        source: source.name.clone(),
        path: place.path.clone(),
        volume: place.volume.clone(),
    }
}

/// A restart concerns all of them.
fn recreate(candidates: &[Candidate<'_>]) -> Recreate {
    let mut wanted = candidates.iter().filter_map(|candidate| candidate.wanted);
    if wanted.all(|accepted| accepted.spec.rollout.allow_recreate) {
        Recreate::Allowed
    } else {
        Recreate::Forbidden
    }
}

fn acting(ground: Ground<'_>, accepted: &Accepted) -> Result<Member, TargetError> {
    let spec = &accepted.spec;
    let targets = targets(ground, &spec.sources, &spec.volume)?;
    Ok(Member {
        name: accepted.name.clone(),
        stance: Stance::Acts,
        wishes: Wishes {
            priority: spec.priority,
            sidecar: spec.sidecar.clone(),
            volume: spec.volume.clone(),
        },
        pipeline: Pipeline {
            name: accepted.pipeline(),
            revision: accepted.revision.clone(),
            reclaim: spec.volume.reclaim,
            max_held_bytes: max_held_bytes(&spec.volume),
            sources: spec.sources.clone(),
            transforms: spec.transforms.clone(),
            destinations: spec.destinations.clone(),
        },
        targets,
    })
}

/// What pods run of it now, if the owner's template still has room for it.
fn holding(ground: Ground<'_>, namespace: &str, name: &str, running: Running<'_>) -> Option<Member> {
    let full_name = pipeline_name(namespace, name);
    let pipelines = &running.config?.pipelines;
    let pipeline = pipelines.iter().find(|pipeline| pipeline.name == full_name)?;
    let admitted = running.admitted.get(name).cloned();
    let wishes = admitted.unwrap_or_else(|| Wishes {
        volume: target::volume_of(pipeline),
        ..Wishes::default()
    });
    let sources: Vec<_> = pipeline.sources.iter().map(target::as_written).collect();
    let targets = targets(ground, &sources, &wishes.volume).ok()?;
    Some(Member {
        name: name.to_owned(),
        stance: Stance::Holds,
        wishes,
        pipeline: Pipeline {
            sources,
            ..pipeline.clone()
        },
        targets,
    })
}

fn max_held_bytes(volume: &VolumeSpec) -> ByteSize {
    volume
        .max_held_bytes
        .or(volume.size_limit)
        .unwrap_or_else(config::default_max_held_bytes)
}

fn targets(ground: Ground<'_>, sources: &[Source], volume: &VolumeSpec) -> Result<Vec<SourceTarget>, TargetError> {
    sources
        .iter()
        .map(|source| target::resolve(ground, source, volume))
        .collect()
}

fn completed(targets: &[SourceTarget], sources: &[Source]) -> Vec<Source> {
    targets
        .iter()
        .zip(sources)
        .map(|(target, source)| target.complete(source))
        .collect()
}

fn finding(error: &TargetError) -> Finding {
    Finding {
        reason: error.reason(),
        message: error.to_string(),
    }
}
