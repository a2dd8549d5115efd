//! Which volume holds a directory of a container.

use crds::names;
use crds::spec::{Volume as VolumeSpec, VolumePolicy};
use k8s_openapi::api::core::v1::{Container, PodTemplateSpec, Volume, VolumeMount};
use pipeline::ByteSize;

use super::Directory;
use crate::amount::Amount;

/// A volume that holds a directory of logs, and how the sidecar gets at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::plan) struct Place {
    /// Where the volume is mounted in the application: what globs and `log.file.path` speak of.
    pub path: String,
    /// Name of the volume in the pod.
    pub volume: String,
    pub sub_path: Option<String>,
    pub origin: Origin,
    /// Size limit of the volume, where it has one.
    pub limit_bytes: Option<u64>,
}

/// Whose volume it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::plan) enum Origin {
    /// An emptyDir of ours, mounted into the application's container as well.
    Added { size_limit: Option<ByteSize> },
    /// The owner's, gone with the pod.
    OwnersEmptyDir,
    /// The owner's, there when the pod is gone.
    OwnersClaim,
}

/// The directory's volume can't be shared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::plan) enum Refused {
    #[error(
        "{directory} is on volume {volume:?} of type {kind}, which can't be shared: have the application log into an emptyDir or a persistentVolumeClaim, or into a directory without a mount"
    )]
    Kind {
        directory: String,
        volume: String,
        kind: &'static str,
    },
    #[error(
        "{directory} is on volume {volume:?}, mounted with subPathExpr, which is not supported by this version yet: use subPath"
    )]
    SubPathExpr { directory: String, volume: String },
    #[error(
        "{directory} has no mount that covers it, and volume.policy ExistingOnly allows no new one: mount a volume there, or set the policy to Auto"
    )]
    NoMount { directory: String },
    #[error(
        "an empty volume over {directory} would hide the image's own files: have the application log below a directory of its own, such as /var/log/app"
    )]
    HidesTheImage { directory: String },
}

impl Place {
    /// Where the sidecar has it mounted.
    pub(in crate::plan) fn mounted_at(&self) -> String {
        let sub_path = self.sub_path.as_deref().unwrap_or_default();
        names::logs_mount(&format!("{}/{sub_path}", self.volume))
    }

    pub(in crate::plan) const fn outlives_the_pod(&self) -> bool {
        matches!(self.origin, Origin::OwnersClaim)
    }
}

/// The volume that holds `directory` in `container`.
pub(super) fn place(
    template: &PodTemplateSpec,
    container: &Container,
    directory: &Directory,
    wanted: &VolumeSpec,
) -> Result<Place, Refused> {
    match covering_mount(container, directory) {
        Some(mount) => existing(template, mount, directory),
        None if wanted.policy == VolumePolicy::ExistingOnly => Err(Refused::NoMount {
            directory: directory.to_string(),
        }),
        None if directory.is_part_of_the_image() => Err(Refused::HidesTheImage {
            directory: directory.to_string(),
        }),
        None => Ok(added(directory, wanted)),
    }
}

/// The deepest mount at or above the directory: what the container sees there.
fn covering_mount<'a>(container: &'a Container, directory: &Directory) -> Option<&'a VolumeMount> {
    let mounts = container.volume_mounts.iter().flatten();
    mounts
        .filter(|mount| directory.is_within(&mount.mount_path))
        .max_by_key(|mount| mount.mount_path.trim_end_matches('/').len())
}

fn added(directory: &Directory, wanted: &VolumeSpec) -> Place {
    Place {
        path: directory.to_string(),
        volume: names::logs_volume(directory.as_str()),
        sub_path: None,
        origin: Origin::Added {
            size_limit: wanted.size_limit,
        },
        limit_bytes: wanted.size_limit.map(ByteSize::as_bytes),
    }
}

fn existing(template: &PodTemplateSpec, mount: &VolumeMount, directory: &Directory) -> Result<Place, Refused> {
    let (directory, name) = (directory.to_string(), mount.name.clone());
    if mount.sub_path_expr.is_some() {
        return Err(Refused::SubPathExpr {
            directory,
            volume: name,
        });
    }
    let volumes = template.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    let volume = volumes.into_iter().find(|volume| volume.name == mount.name);
    let (origin, limit_bytes) = match volume {
        Some(Volume {
            empty_dir: Some(empty), ..
        }) => {
            let limit = empty.size_limit.as_ref().and_then(|limit| Amount::parse(&limit.0));
            (Origin::OwnersEmptyDir, limit.and_then(Amount::rounded_up))
        }
        Some(Volume {
            persistent_volume_claim: Some(_),
            ..
        }) => (Origin::OwnersClaim, None),
        other => {
            let kind = other.map_or("unknown", kind);
            return Err(Refused::Kind {
                directory,
                volume: name,
                kind,
            });
        }
    };
    Ok(Place {
        path: mount.mount_path.trim_end_matches('/').to_owned(),
        volume: name,
        sub_path: mount.sub_path.clone(),
        origin,
        limit_bytes,
    })
}

/// The type of a volume, by the name that it has in a manifest.
fn kind(volume: &Volume) -> &'static str {
    [
        (volume.host_path.is_some(), "hostPath"),
        (volume.config_map.is_some(), "configMap"),
        (volume.secret.is_some(), "secret"),
        (volume.projected.is_some(), "projected"),
        (volume.downward_api.is_some(), "downwardAPI"),
        (volume.ephemeral.is_some(), "ephemeral"),
        (volume.csi.is_some(), "csi"),
        (volume.nfs.is_some(), "nfs"),
    ]
    .into_iter()
    .find_map(|(is, name)| is.then_some(name))
    .unwrap_or("other")
}
