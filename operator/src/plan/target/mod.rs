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
}

impl TargetError {
    pub(super) const fn reason(&self) -> Reason {
        match self {
            Self::Container { .. } => Reason::ContainerNotFound,
            Self::Directory { .. } | Self::Volume { .. } => Reason::VolumeRefused,
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
