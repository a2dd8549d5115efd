//! Where the sidecar keeps its positions: in a volume that lives as long as the pod, or beside the logs
//! (`stateVolume: LogVolume`), where they live as long as these.
//!
//! Beside the logs means in one of the volumes that hold them, whichever sources come and go: the first by path of those
//! that outlive the pod. Pods that share it share the positions, and the sidecars' lock decides who ships.

use crds::names::{self, paths};
use crds::spec::{Sidecar, StateVolume};
use k8s_openapi::api::core::v1::{Volume, VolumeMount};
use pipeline::config::STATE_DIRECTORY;

use super::{Place, SourceTarget, Wanted, empty_dir};

#[derive(Debug)]
pub(super) enum State<'a> {
    OfPod,
    Beside {
        place: &'a Place,
        /// Of the Deployment: claims and directories of a node can be shared by several.
        namespace: &'a str,
        name: &'a str,
    },
}

/// Beside which logs positions are kept, if they are.
pub(in crate::plan) fn place<'a>(sidecar: &Sidecar, targets: &'a [SourceTarget]) -> Option<&'a Place> {
    let all = || targets.iter().flat_map(|target| &target.places);
    let lasting = all().filter(|place| place.outlives_the_pod());
    let by_path = |place: &&Place| (place.path.clone(), place.mounted_at());
    let place = lasting.min_by_key(by_path).or_else(|| all().min_by_key(by_path));
    place.filter(|_| sidecar.state_volume == StateVolume::LogVolume)
}

impl<'a> State<'a> {
    pub(super) fn of(wanted: Wanted<'a>) -> Self {
        match place(wanted.sidecar, wanted.targets) {
            Some(place) => Self::Beside {
                place,
                namespace: wanted.namespace,
                name: wanted.name,
            },
            None => Self::OfPod,
        }
    }

    /// The directory, as the sidecar finds it.
    pub(super) fn path(&self) -> String {
        match self {
            Self::OfPod => paths::STATE.to_owned(),
            Self::Beside { place, namespace, name } => {
                format!("{}/{STATE_DIRECTORY}/{namespace}/{name}", place.mounted_at())
            }
        }
    }

    /// Whether the sidecar has to write there.
    pub(super) fn is_in(&self, place: &Place) -> bool {
        matches!(self, Self::Beside { place: chosen, .. } if chosen.mounted_at() == place.mounted_at())
    }

    pub(super) fn volume(&self) -> Option<Volume> {
        matches!(self, Self::OfPod).then(|| empty_dir(names::STATE_VOLUME, None))
    }

    pub(super) fn mount(&self) -> Option<VolumeMount> {
        matches!(self, Self::OfPod).then(|| VolumeMount {
            name: names::STATE_VOLUME.to_owned(),
            mount_path: paths::STATE.to_owned(),
            ..VolumeMount::default()
        })
    }
}
