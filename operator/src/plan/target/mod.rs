//! Where a source's files are: which container of the owner writes them, and which volumes hold their directories.
//!
//! Works on the owner's template, so that what we added before never counts. A mount of the container that covers a
//! directory is used as it is; else an emptyDir is added there. Deliberately not here yet: `subPathExpr`, volumes of a
//! host, and mounts below a directory that is shared.

mod container;
mod directory;
mod volume;

use crds::conditions::Reason;
use crds::spec::Volume as VolumeSpec;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use pipeline::Source;
use pipeline::source::{Mount, StartAt};

pub(super) use self::container::Writer;
pub(super) use self::directory::Directory;
use self::directory::DirectoryError;
pub(super) use self::volume::{Origin, Place};

/// Where one source's files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SourceTarget {
    pub writer: Writer,
    /// Each once, in the order of their paths.
    pub places: Vec<Place>,
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
    Directory {
        source_name: String,
        problem: DirectoryError,
    },
    #[error("source {source_name}, container {container}: {problem}")]
    Volume {
        source_name: String,
        container: String,
        problem: volume::Refused,
    },
    #[error(
        "source {source_name}: containers {other} and {container} both log to {directory}, and one new volume there would mix their files: have one of them log into a directory of its own, or mount a volume of yours"
    )]
    Mixed {
        source_name: String,
        container: String,
        other: String,
        directory: String,
    },
}

impl TargetError {
    pub(super) const fn reason(&self) -> Reason {
        match self {
            Self::Container { .. } => Reason::ContainerNotFound,
            Self::Directory { .. } | Self::Volume { .. } | Self::Mixed { .. } => Reason::VolumeRefused,
        }
    }
}

impl SourceTarget {
    /// The source as the sidecar runs it: told where its directories are and whose they are.
    pub(super) fn complete(&self, source: &Source) -> Source {
        let mounts = self.places.iter().map(|place| Mount {
            path: place.path.clone(),
            at: place.mounted_at(),
            limit_bytes: place.limit_bytes,
        });
        let resource = [("k8s.container.name".to_owned(), self.writer.container.clone())];
        Source {
            container: Some(self.writer.container.clone()),
            start_at: Some(source.start_at.unwrap_or_else(|| self.start_at())),
            mounts: mounts.collect(),
            resource: resource.into(),
            ..source.clone()
        }
    }

    fn mixes(&self, place: &Place) -> bool {
        let is_added = |place: &Place| matches!(place.origin, Origin::Added { .. });
        let same = |own: &&Place| own.volume == place.volume && is_added(own);
        is_added(place) && self.places.iter().any(|own| same(&own))
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

/// Finds where the files of `source` are.
pub(super) fn resolve(
    template: &PodTemplateSpec,
    source: &Source,
    wanted: &VolumeSpec,
) -> Result<SourceTarget, TargetError> {
    let source_name = || source.name.clone();
    let (writer, container) =
        container::find(template, source.container.as_deref()).map_err(|problem| TargetError::Container {
            source_name: source_name(),
            problem,
        })?;
    let directories = directories(source).map_err(|problem| TargetError::Directory {
        source_name: source_name(),
        problem,
    })?;
    let mut places = Vec::new();
    for directory in &directories {
        let place = volume::place(template, container, directory, wanted).map_err(|problem| TargetError::Volume {
            source_name: source_name(),
            container: writer.container.clone(),
            problem,
        })?;
        if !places.contains(&place) {
            places.push(place);
        }
    }
    Ok(SourceTarget { writer, places })
}

/// Two containers that had a directory of the same name each must not find themselves in one new volume. `targets` are
/// those of `sources`, `earlier` those that were accepted before.
pub(super) fn keep_apart(
    sources: &[Source],
    targets: &[SourceTarget],
    earlier: &[&SourceTarget],
) -> Result<(), TargetError> {
    for (index, (source, target)) in sources.iter().zip(targets).enumerate() {
        let others = earlier.iter().copied().chain(&targets[..index]);
        for other in others.filter(|other| other.writer != target.writer) {
            if let Some(place) = target.places.iter().find(|place| other.mixes(place)) {
                return Err(TargetError::Mixed {
                    source_name: source.name.clone(),
                    container: target.writer.container.clone(),
                    other: other.writer.container.clone(),
                    directory: place.path.clone(),
                });
            }
        }
    }
    Ok(())
}

fn directories(source: &Source) -> Result<Vec<Directory>, DirectoryError> {
    let mut directories = Vec::new();
    for glob in &source.paths {
        directories.extend(Directory::of_glob(glob)?);
    }
    directories.sort();
    directories.dedup();
    Ok(directories)
}

#[cfg(test)]
mod tests;
