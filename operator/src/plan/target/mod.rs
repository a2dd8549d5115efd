//! Where a source's files are: which container of the owner writes them, and which volumes hold their directories.
//!
//! Works on the owner's template, so that what we added before never counts. Each source is looked at by itself first
//! ([`resolve`]); what only all of them together tell comes after that ([`settle`]). The rules are documented for users
//! in `docs/targets.md`.

mod container;
mod directory;
mod kind;
mod mounts;
mod place;
mod settle;
mod sub_path;
mod volume;

use crds::conditions::Reason;
use crds::spec::{Volume as VolumeSpec, VolumePolicy};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use pipeline::config::{self, Reclaim};
use pipeline::glob::{PatternError, Patterns};
use pipeline::source::StartAt;
use pipeline::{ByteSize, Source};

pub(super) use self::container::Writer;
pub(super) use self::directory::Directory;
use self::kind::Lifetime;
pub(super) use self::place::{Origin, Place};
pub(super) use self::settle::settle;
pub(super) use self::sub_path::SubPath;
use self::volume::Site;

/// Whether logs may be read from volumes of the node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostPaths {
    #[default]
    Refused,
    Allowed,
}

/// Where sources are looked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ground<'a> {
    /// The owner's template, without anything of ours.
    pub template: &'a PodTemplateSpec,
    pub host_paths: HostPaths,
    pub pods: Pods,
}

/// How many pods the Deployment is to have at once, updates aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pods {
    AtMostOne,
    Several,
}

impl Pods {
    pub(super) fn of(deployment: &Deployment) -> Self {
        let replicas = deployment.spec.as_ref().and_then(|spec| spec.replicas);
        if replicas.unwrap_or(1) > 1 {
            Self::Several
        } else {
            Self::AtMostOne
        }
    }
}

/// What the sidecar may do to the files of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    /// Give back what is delivered.
    Write,
}

impl Access {
    const fn for_reclaiming(reclaim: Reclaim) -> Self {
        match reclaim {
            Reclaim::Never => Self::Read,
            Reclaim::AfterDelivery => Self::Write,
        }
    }
}

/// Where one source's files are.
#[derive(Clone, Debug)]
pub(super) struct SourceTarget {
    pub writer: Writer,
    pub access: Access,
    /// Each once, in the order of their paths. A file is on the deepest one that covers it.
    pub places: Vec<Place>,
    patterns: Patterns,
    /// The deepest literal directories of the patterns.
    directories: Vec<Directory>,
    pods: Pods,
}

/// The source can't be served in this Deployment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TargetError {
    #[error("source {source_name}: {problem}")]
    Container {
        source_name: String,
        problem: container::NotFound,
    },
    #[error("source {source_name}: {problem}")]
    Pattern { source_name: String, problem: PatternError },
    #[error("source {source_name}, container {container}: {problem}")]
    Volume {
        source_name: String,
        container: String,
        problem: Box<volume::Refused>,
    },
}

impl TargetError {
    pub(super) const fn reason(&self) -> Reason {
        match self {
            Self::Container { .. } => Reason::ContainerNotFound,
            Self::Pattern { .. } | Self::Volume { .. } => Reason::VolumeRefused,
        }
    }
}

impl SourceTarget {
    /// The source as the sidecar runs it: told where its directories are and whose they are.
    pub(super) fn complete(&self, source: &Source) -> Source {
        let resource = [("k8s.container.name".to_owned(), self.writer.container.clone())];
        Source {
            container: Some(self.writer.container.clone()),
            start_at: Some(source.start_at.unwrap_or_else(|| self.start_at())),
            mounts: self.places.iter().map(Place::mount).collect(),
            resource: resource.into(),
            ..source.clone()
        }
    }

    /// Those into which several pods write, as far as the Deployment tells: how a claim may be accessed stands in an object
    /// that the operator has no right to read.
    pub(super) fn common_places(&self) -> impl Iterator<Item = &Place> {
        let places = self.places.iter().filter(|place| place.is_common_to_pods());
        places.filter(|_| self.pods == Pods::Several)
    }

    /// Files of a volume that outlives the pod were most likely shipped by an earlier pod.
    fn start_at(&self) -> StartAt {
        if self.places.iter().any(Place::outlives_the_pod) {
            StartAt::End
        } else {
            StartAt::Beginning
        }
    }
}

/// The source as its LogShipping had it, as far as what its sidecar runs tells.
pub(super) fn as_written(running: &Source) -> Source {
    let container = running.container.as_deref().unwrap_or_default();
    let all_ours = running.mounts.iter().all(|mount| Place::is_added_as(mount, container));
    // It was filled in, or might as well have been. Should the owner have mounted a volume of its own by now, another
    // default holds.
    let is_default = all_ours && running.start_at == Some(StartAt::Beginning);
    Source {
        start_at: running.start_at.filter(|_| !is_default),
        mounts: Vec::new(),
        ..running.clone()
    }
}

/// What its LogShipping asked of volumes, as far as what its sidecar runs tells: no volume is added for it that it
/// doesn't have.
pub(super) fn volume_of(running: &config::Pipeline) -> VolumeSpec {
    let added = running.sources.iter().flat_map(|source| {
        let container = source.container.as_deref().unwrap_or_default();
        let mounts = source.mounts.iter();
        mounts.filter(move |mount| Place::is_added_as(mount, container))
    });
    let limits: Vec<_> = added.map(|mount| mount.limit_bytes).collect();
    VolumeSpec {
        policy: if limits.is_empty() {
            VolumePolicy::ExistingOnly
        } else {
            VolumePolicy::Auto
        },
        size_limit: limits.into_iter().flatten().next().map(ByteSize::from_bytes),
        reclaim: running.reclaim,
        ..VolumeSpec::default()
    }
}

/// Finds where the files of `source` are.
pub(super) fn resolve(ground: Ground<'_>, source: &Source, wanted: &VolumeSpec) -> Result<SourceTarget, TargetError> {
    let source_name = || source.name.clone();
    let (writer, container) =
        container::find(ground.template, source.container.as_deref()).map_err(|problem| TargetError::Container {
            source_name: source_name(),
            problem,
        })?;
    let patterns = Patterns::new(&source.paths, &[]).map_err(|problem| TargetError::Pattern {
        source_name: source_name(),
        problem,
    })?;
    let directories = directories(&patterns);
    let site = Site {
        template: ground.template,
        container,
        host_paths: ground.host_paths,
        wanted,
    };
    let places = volume::places(site, &patterns, &directories).map_err(|problem| TargetError::Volume {
        source_name: source_name(),
        container: writer.container.clone(),
        problem: Box::new(problem),
    })?;
    Ok(SourceTarget {
        writer,
        access: Access::for_reclaiming(wanted.reclaim),
        places,
        patterns,
        directories,
        pods: ground.pods,
    })
}

fn directories(patterns: &Patterns) -> Vec<Directory> {
    let mut directories: Vec<_> = patterns
        .literal_directories()
        .map(|directory| Directory::of(&directory))
        .collect();
    directories.sort();
    directories.dedup();
    directories
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
