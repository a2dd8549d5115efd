//! What a container of the owner has mounted, and where.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, PodTemplateSpec, Volume, VolumeMount};

use super::Directory;

/// A mount of the owner's and the volume that it names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mounted<'a> {
    pub mount: &'a VolumeMount,
    /// None where the template has no such volume; the API server wouldn't take it.
    pub volume: Option<&'a Volume>,
}

/// The mounts of one container by the directory that they give it. Of two at the same one the later counts, as it does
/// in the container.
#[derive(Clone, Debug)]
pub(super) struct Mounts<'a>(BTreeMap<Directory, Mounted<'a>>);

impl<'a> Mounts<'a> {
    pub(super) fn of(template: &'a PodTemplateSpec, container: &'a Container) -> Self {
        let volumes = template.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
        let volumes: BTreeMap<_, _> = volumes.map(|volume| (volume.name.as_str(), volume)).collect();
        let mounts = container.volume_mounts.iter().flatten();
        let mounted = mounts.map(|mount| {
            let volume = volumes.get(mount.name.as_str()).copied();
            (Directory::of(&mount.mount_path), Mounted { mount, volume })
        });
        let mut mounts: BTreeMap<_, _> = mounted.collect();
        // No container starts with a volume at its root.
        mounts.remove(&Directory::of("/"));
        Self(mounts)
    }

    pub(super) fn at(&self, path: &Directory) -> Option<Mounted<'a>> {
        self.0.get(path).copied()
    }

    /// The deepest mount at or above the directory: what the container sees there.
    pub(super) fn covering(&self, directory: &Directory) -> Option<(&Directory, Mounted<'a>)> {
        let covering = self.iter().filter(|(path, _)| directory.is_within(path));
        covering.max_by_key(|(path, _)| path.as_str().len())
    }

    /// The mounts below the directory, which the container sees instead of what is there in the directory's own volume.
    pub(super) fn below(&self, directory: &Directory) -> impl Iterator<Item = (&Directory, Mounted<'a>)> {
        self.iter()
            .filter(move |(path, _)| *path != directory && path.is_within(directory))
    }

    fn iter(&self) -> impl Iterator<Item = (&Directory, Mounted<'a>)> {
        self.0.iter().map(|(path, mounted)| (path, *mounted))
    }
}
