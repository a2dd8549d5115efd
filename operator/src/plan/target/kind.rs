//! Which types of volume can hold an application's logs, and how long they live.

use k8s_openapi::api::core::v1::Volume;

use super::HostPaths;
use crate::amount::Amount;

/// A volume that logs can be on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub lifetime: Lifetime,
    /// Its size limit, where the template says one.
    pub limit_bytes: Option<u64>,
}

/// How long a volume of the owner lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::plan) enum Lifetime {
    /// Gone with the pod.
    Pod,
    /// There when the pod is gone.
    Beyond,
}

/// A volume that logs can't be on, or that isn't to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// Kubernetes fills it: nothing is logged there.
    Content(&'static str),
    /// Nothing can be logged there.
    ReadOnly,
    HostPath,
    /// Of a type that isn't known here, or not in the template at all.
    Unknown,
}

/// Judges the volume of a mount.
pub(super) fn judge(volume: Option<&Volume>, host_paths: HostPaths) -> Result<Kind, Unfit> {
    let volume = volume.ok_or(Unfit::Unknown)?;
    if let Some(empty) = &volume.empty_dir {
        let limit = empty.size_limit.as_ref().and_then(|limit| Amount::parse(&limit.0));
        return Ok(Kind {
            lifetime: Lifetime::Pod,
            limit_bytes: limit.and_then(Amount::rounded_up),
        });
    }
    if let Some(kind) = content(volume) {
        return Err(Unfit::Content(kind));
    }
    if volume.host_path.is_some() && host_paths == HostPaths::Refused {
        return Err(Unfit::HostPath);
    }
    let (lifetime, read_only) = storage(volume).ok_or(Unfit::Unknown)?;
    if read_only == Some(true) {
        return Err(Unfit::ReadOnly);
    }
    Ok(Kind {
        lifetime,
        limit_bytes: None,
    })
}

/// The type of a volume whose content comes from Kubernetes, as a manifest names it.
fn content(volume: &Volume) -> Option<&'static str> {
    [
        (volume.config_map.is_some(), "configMap"),
        (volume.secret.is_some(), "secret"),
        (volume.projected.is_some(), "projected"),
        (volume.downward_api.is_some(), "downwardAPI"),
        (volume.image.is_some(), "image"),
        (volume.git_repo.is_some(), "gitRepo"),
    ]
    .into_iter()
    .find_map(|(is, kind)| is.then_some(kind))
}

/// How long storage lives, and whether the volume is declared read-only.
fn storage(volume: &Volume) -> Option<(Lifetime, Option<bool>)> {
    let of_pod = [
        volume.ephemeral.as_ref().map(|_| None),
        volume.csi.as_ref().map(|csi| csi.read_only),
    ];
    let lasting = [
        volume.persistent_volume_claim.as_ref().map(|claim| claim.read_only),
        volume.host_path.as_ref().map(|_| None),
        volume.nfs.as_ref().map(|nfs| nfs.read_only),
        volume.iscsi.as_ref().map(|iscsi| iscsi.read_only),
        volume.fc.as_ref().map(|fc| fc.read_only),
        volume.cephfs.as_ref().map(|ceph| ceph.read_only),
        volume.rbd.as_ref().map(|rbd| rbd.read_only),
        volume.glusterfs.as_ref().map(|gluster| gluster.read_only),
        volume.azure_disk.as_ref().map(|disk| disk.read_only),
        volume.azure_file.as_ref().map(|file| file.read_only),
        volume.aws_elastic_block_store.as_ref().map(|store| store.read_only),
        volume.gce_persistent_disk.as_ref().map(|disk| disk.read_only),
        volume.cinder.as_ref().map(|cinder| cinder.read_only),
        volume.vsphere_volume.as_ref().map(|_| None),
        volume.portworx_volume.as_ref().map(|portworx| portworx.read_only),
        volume.flex_volume.as_ref().map(|flex| flex.read_only),
    ];
    let find = |list: &[Option<Option<bool>>], lifetime| {
        let read_only = list.iter().copied().flatten().next();
        read_only.map(|read_only| (lifetime, read_only))
    };
    find(&of_pod, Lifetime::Pod).or_else(|| find(&lasting, Lifetime::Beyond))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(source: &str, host_paths: HostPaths) -> Result<Kind, Unfit> {
        let value: serde_json::Value = serde_saphyr::from_str(&format!("{{name: v, {source}}}")).unwrap();
        judge(Some(&serde_json::from_value(value).unwrap()), host_paths)
    }

    const fn lives(lifetime: Lifetime) -> Kind {
        Kind {
            lifetime,
            limit_bytes: None,
        }
    }

    #[test]
    fn each_type_of_volume() {
        use Lifetime::{Beyond, Pod};
        let limited = Kind {
            lifetime: Pod,
            limit_bytes: Some(1 << 30),
        };
        for (source, expected) in [
            ("emptyDir: {}", Ok(lives(Pod))),
            ("emptyDir: {sizeLimit: 1Gi, medium: Memory}", Ok(limited)),
            ("ephemeral: {volumeClaimTemplate: {spec: {}}}", Ok(lives(Pod))),
            ("csi: {driver: d}", Ok(lives(Pod))),
            (
                "csi: {driver: secrets-store.csi.k8s.io, readOnly: true}",
                Err(Unfit::ReadOnly),
            ),
            ("persistentVolumeClaim: {claimName: c}", Ok(lives(Beyond))),
            (
                "persistentVolumeClaim: {claimName: c, readOnly: true}",
                Err(Unfit::ReadOnly),
            ),
            ("nfs: {server: s, path: /x}", Ok(lives(Beyond))),
            ("hostPath: {path: /x}", Err(Unfit::HostPath)),
            ("configMap: {name: c}", Err(Unfit::Content("configMap"))),
            ("secret: {secretName: s}", Err(Unfit::Content("secret"))),
            ("projected: {}", Err(Unfit::Content("projected"))),
            ("downwardAPI: {}", Err(Unfit::Content("downwardAPI"))),
            ("image: {reference: i}", Err(Unfit::Content("image"))),
            ("newKind: {}", Err(Unfit::Unknown)),
        ] {
            assert_eq!(judged(source, HostPaths::Refused), expected, "{source}");
        }
        assert_eq!(judged("hostPath: {path: /x}", HostPaths::Allowed), Ok(lives(Beyond)));
        assert_eq!(judge(None, HostPaths::Allowed), Err(Unfit::Unknown));
    }
}
