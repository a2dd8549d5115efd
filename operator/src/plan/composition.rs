//! All LogShippings that select a Deployment, put together: each becomes a pipeline of the one sidecar.
//!
//! They are ordered by priority, the higher first, then by name; where they disagree about the sidecar itself the
//! first one decides. A LogShipping that can't be used (invalid, or its container isn't there) keeps the pipeline that
//! it already has in this Deployment, read back from its ConfigMap: a bad specification never replaces a good one.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crds::conditions::Reason;
use crds::spec::{Sidecar, Volume as VolumeSpec};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use pipeline::config::{self, Config, Pipeline};
use pipeline::{ByteSize, Source, validate};

use super::skip::Recreate;
use super::state::Finding;
use super::target::{self, SourceTarget, TargetError};
use crate::observed::Shipping;
use crate::validate::{Accepted, pipeline_name};

/// What one sidecar is to do.
#[derive(Clone, Debug)]
pub(super) struct Composition {
    /// In their order.
    pub pipelines: Vec<Pipeline>,
    /// Of all pipelines, in their order.
    pub targets: Vec<SourceTarget>,
    /// None when no LogShipping is usable: then the sidecar that is there stays as it is.
    pub sidecar: Option<Sidecar>,
    pub recreate: Recreate,
    /// LogShippings that don't have what they ask for, by name.
    pub findings: BTreeMap<String, Finding>,
}

/// Puts LogShippings together for an owner's template. `current` is what pods of the template run now.
pub(super) fn compose(
    owner: &PodTemplateSpec,
    namespace: &str,
    shippings: &[Shipping],
    current: Option<&Config>,
) -> Composition {
    let usable = usable(shippings);
    let mut resolved: Vec<Resolved> = Vec::new();
    let mut findings = invalid(shippings);
    for accepted in &usable {
        let earlier: Vec<_> = resolved.iter().flat_map(|(_, targets)| targets).collect();
        match resolve(owner, accepted, &earlier) {
            Ok(pipeline) => resolved.push(pipeline),
            Err(error) => {
                findings.insert(accepted.name.clone(), refused(&error));
            }
        }
    }
    for (index, pipeline) in current.iter().flat_map(|config| &config.pipelines).enumerate() {
        let stays = findings
            .keys()
            .any(|name| pipeline.name == pipeline_name(namespace, name));
        if let Some(retained) = stays.then(|| retained(owner, pipeline)).flatten() {
            // Where it was, so that nothing else changes.
            resolved.insert(index.min(resolved.len()), retained);
        }
    }
    let (pipelines, targets): (Vec<_>, Vec<_>) = resolved.into_iter().unzip();
    Composition {
        pipelines,
        targets: targets.concat(),
        sidecar: usable.first().map(|accepted| accepted.spec.sidecar.clone()),
        recreate: recreate(&usable),
        findings,
    }
}

/// Those that can be used, in their order.
fn usable(shippings: &[Shipping]) -> Vec<&Accepted> {
    let mut usable: Vec<_> = shippings
        .iter()
        .filter_map(|shipping| shipping.verdict.as_ref().ok())
        .collect();
    usable.sort_by_key(|accepted| (Reverse(accepted.spec.priority), &accepted.name));
    usable
}

fn recreate(usable: &[&Accepted]) -> Recreate {
    let allowed = usable.iter().all(|accepted| accepted.spec.rollout.allow_recreate);
    if allowed {
        Recreate::Allowed
    } else {
        Recreate::Forbidden
    }
}

type Resolved = (Pipeline, Vec<SourceTarget>);

fn resolve(owner: &PodTemplateSpec, accepted: &Accepted, earlier: &[&SourceTarget]) -> Result<Resolved, TargetError> {
    let spec = &accepted.spec;
    let targets = targets(owner, &spec.sources, &spec.volume)?;
    target::keep_apart(&spec.sources, &targets, earlier)?;
    let pipeline = Pipeline {
        name: accepted.pipeline(),
        revision: accepted.revision.clone(),
        reclaim: spec.volume.reclaim,
        max_held_bytes: max_held_bytes(&spec.volume),
        sources: completed(&targets, &spec.sources),
        transforms: spec.transforms.clone(),
        destinations: spec.destinations.clone(),
    };
    Ok((pipeline, targets))
}

fn max_held_bytes(volume: &VolumeSpec) -> ByteSize {
    volume
        .max_held_bytes
        .or(volume.size_limit)
        .unwrap_or_else(config::default_max_held_bytes)
}

fn targets(owner: &PodTemplateSpec, sources: &[Source], volume: &VolumeSpec) -> Result<Vec<SourceTarget>, TargetError> {
    sources
        .iter()
        .map(|source| target::resolve(owner, source, volume))
        .collect()
}

fn completed(targets: &[SourceTarget], sources: &[Source]) -> Vec<Source> {
    targets
        .iter()
        .zip(sources)
        .map(|(target, source)| target.complete(source))
        .collect()
}

/// A pipeline that pods run now, if the owner's template still has room for it.
fn retained(owner: &PodTemplateSpec, pipeline: &Pipeline) -> Option<Resolved> {
    let sources: Vec<_> = pipeline.sources.iter().map(as_written).collect();
    let targets = sources
        .iter()
        .zip(&pipeline.sources)
        .map(|(source, completed)| target::resolve(owner, source, &volume_of(completed)))
        .collect::<Result<Vec<_>, _>>()
        .ok()?;
    let pipeline = Pipeline {
        sources: completed(&targets, &sources),
        ..pipeline.clone()
    };
    Some((pipeline, targets))
}

/// What its LogShipping asked of volumes, as far as the configuration tells.
fn volume_of(source: &Source) -> VolumeSpec {
    let limit = source.mounts.iter().find_map(|mount| mount.limit_bytes);
    VolumeSpec {
        size_limit: limit.map(ByteSize::from_bytes),
        ..VolumeSpec::default()
    }
}

/// The source as its LogShipping had it, as far as the configuration tells.
fn as_written(source: &Source) -> Source {
    Source {
        mounts: Vec::new(),
        ..source.clone()
    }
}

fn refused(error: &TargetError) -> Finding {
    Finding {
        reason: error.reason(),
        message: error.to_string(),
    }
}

fn invalid(shippings: &[Shipping]) -> BTreeMap<String, Finding> {
    let invalid = shippings
        .iter()
        .filter_map(|shipping| Some((shipping, shipping.verdict.as_ref().err()?)));
    let findings = invalid.map(|(shipping, errors)| {
        let message = validate::join(errors);
        (
            shipping.name.clone(),
            Finding {
                reason: Reason::InvalidSpec,
                message,
            },
        )
    });
    findings.collect()
}
