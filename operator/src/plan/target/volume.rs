//! Which volumes hold the files of a source in one container.
//!
//! A mount of the owner's that covers a directory is used as it is; else an emptyDir is added at the directory itself,
//! never at a common parent of several, because an empty volume hides what the image has below it. Where a pattern
//! reaches into a directory that has another mount, that volume is read as well.

use crds::spec::{Volume as VolumeSpec, VolumePolicy};
use k8s_openapi::api::core::v1::{Container, PodTemplateSpec};
use pipeline::glob::Patterns;

use super::kind::{Unfit, judge};
use super::mounts::{Mounted, Mounts};
use super::place::{Origin, Place, Propagation};
use super::sub_path::{ExpressionError, SubPath};
use super::{Directory, HostPaths};

/// The container that writes, where it stands, and what is allowed in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Site<'a> {
    pub template: &'a PodTemplateSpec,
    pub container: &'a Container,
    pub host_paths: HostPaths,
    pub wanted: &'a VolumeSpec,
}

/// A directory can't be shared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::plan) enum Refused {
    #[error(
        "{directory} belongs to the system and is never shared: have the application log below a directory of its own, such as /var/log/app"
    )]
    Forbidden { directory: Directory },
    #[error(
        "{directory} is on volume {volume:?} of type {kind}, which Kubernetes fills and no application logs to: have the application log into an emptyDir or a persistentVolumeClaim, or into a directory without a mount"
    )]
    Content {
        directory: Directory,
        volume: String,
        kind: &'static str,
    },
    #[error(
        "{directory} is on volume {volume:?}, which the container can't write to: name in `container` the one that writes the files"
    )]
    ReadOnly { directory: Directory, volume: String },
    #[error(
        "{directory} is on volume {volume:?} of type hostPath, which this operator doesn't allow: use an emptyDir or a persistentVolumeClaim, or have an administrator start the operator with --allow-host-path=on"
    )]
    HostPath { directory: Directory, volume: String },
    #[error(
        "{directory} is on volume {volume:?}, whose type this version doesn't know: use an emptyDir or a persistentVolumeClaim"
    )]
    Unknown { directory: Directory, volume: String },
    #[error(
        "{directory} is on volume {volume:?}, and its subPathExpr {expression:?} can't be worked out for the sidecar: {problem}; use constants and fieldRef variables, or subPath"
    )]
    SubPathExpr {
        directory: Directory,
        volume: String,
        expression: String,
        problem: ExpressionError,
    },
    #[error(
        "{path} is where volume {volume:?} is mounted, so it is a directory or a single file: name the files in it, such as {path}/*.log, or mount a directory instead of the file"
    )]
    MountPoint { path: Directory, volume: String },
    #[error(
        "{directory} has no mount that covers it, and volume.policy ExistingOnly allows no new one: mount a volume there, or set the policy to Auto"
    )]
    NoMount { directory: Directory },
    #[error(
        "an empty volume over {directory} would hide {what}: have the application log below a directory of its own, such as /var/log/app, or mount a volume of yours"
    )]
    Hides { directory: Directory, what: String },
    #[error("{directory} has a colon in it, which no mount can have: have the application log elsewhere")]
    Colon { directory: Directory },
}

/// The volumes that hold the files of `patterns`, each once, in the order of their paths.
pub(super) fn places(site: Site<'_>, patterns: &Patterns, directories: &[Directory]) -> Result<Vec<Place>, Refused> {
    let mounts = Mounts::of(site.template, site.container);
    not_a_mount_point(&mounts, patterns)?;
    for directory in directories {
        allowed(directory)?;
    }
    let mut places = Vec::new();
    for directory in directories {
        places.push(match mounts.covering(directory) {
            Some(covering) => existing(site, covering, directory)?,
            None => added(site, directory)?,
        });
        places.extend(reached(site, &mounts, patterns, directory)?);
    }
    places.sort_by(|a, b| a.path.cmp(&b.path));
    places.dedup();
    Ok(places)
}

fn allowed(directory: &Directory) -> Result<(), Refused> {
    if directory.is_forbidden() {
        return Err(Refused::Forbidden {
            directory: directory.clone(),
        });
    }
    Ok(())
}

/// A file that is a mount of its own has no directory to share, and a directory is no file.
fn not_a_mount_point(mounts: &Mounts<'_>, patterns: &Patterns) -> Result<(), Refused> {
    for path in patterns.literal_files().map(|file| Directory::of(&file)) {
        if let Some(mounted) = mounts.at(&path) {
            let volume = mounted.mount.name.clone();
            return Err(Refused::MountPoint { path, volume });
        }
    }
    Ok(())
}

/// The mounts below a directory that a pattern reaches into. Where nothing can be logged there is nothing to read.
fn reached(
    site: Site<'_>,
    mounts: &Mounts<'_>,
    patterns: &Patterns,
    directory: &Directory,
) -> Result<Vec<Place>, Refused> {
    let mut places = Vec::new();
    for (path, mounted) in mounts.below(directory) {
        if path.is_forbidden() || patterns.at(path.as_str()).inside.is_empty() {
            continue;
        }
        match existing(site, (path, mounted), path) {
            Ok(place) => places.push(place),
            Err(Refused::Content { .. } | Refused::ReadOnly { .. }) => {}
            Err(refused) => return Err(refused),
        }
    }
    Ok(places)
}

fn existing(
    site: Site<'_>,
    (path, Mounted { mount, volume }): (&Directory, Mounted<'_>),
    directory: &Directory,
) -> Result<Place, Refused> {
    let name = || mount.name.clone();
    let directory = || directory.clone();
    if mount.read_only == Some(true) {
        let (directory, volume) = (directory(), name());
        return Err(Refused::ReadOnly { directory, volume });
    }
    let kind = judge(volume, site.host_paths).map_err(|unfit| refused(unfit, directory(), name()))?;
    let sub_path = SubPath::of(site.container, mount).map_err(|problem| Refused::SubPathExpr {
        directory: directory(),
        volume: name(),
        expression: mount.sub_path_expr.clone().unwrap_or_default(),
        problem,
    })?;
    Ok(Place {
        path: path.to_string(),
        volume: name(),
        sub_path,
        propagation: Propagation::of(mount.mount_propagation.as_deref()),
        origin: Origin::Owners(kind.lifetime),
        limit_bytes: kind.limit_bytes,
    })
}

fn refused(unfit: Unfit, directory: Directory, volume: String) -> Refused {
    match unfit {
        Unfit::Content(kind) => Refused::Content {
            directory,
            volume,
            kind,
        },
        Unfit::ReadOnly => Refused::ReadOnly { directory, volume },
        Unfit::HostPath => Refused::HostPath { directory, volume },
        Unfit::Unknown => Refused::Unknown { directory, volume },
    }
}

fn added(site: Site<'_>, directory: &Directory) -> Result<Place, Refused> {
    let place = Place::added(directory.as_str(), site.wanted.size_limit);
    let directory = directory.clone();
    if site.wanted.policy == VolumePolicy::ExistingOnly {
        return Err(Refused::NoMount { directory });
    }
    if directory.as_str().contains(':') {
        return Err(Refused::Colon { directory });
    }
    match hidden(site.container, &directory) {
        Some(what) => Err(Refused::Hides { directory, what }),
        None => Ok(place),
    }
}

/// What an empty volume would take away from the application, as far as the template tells.
fn hidden(container: &Container, directory: &Directory) -> Option<String> {
    if directory.is_part_of_the_image() {
        return Some("the image's own files".to_owned());
    }
    let program = container.command.iter().flatten().next().map(String::as_str);
    [
        (program, "the program"),
        (container.working_dir.as_deref(), "the working directory"),
    ]
    .into_iter()
    .find_map(|(path, what)| {
        let path = path.filter(|path| path.starts_with('/'))?;
        let within = Directory::of(path).is_within(directory);
        within.then(|| format!("{what} {path}"))
    })
}
