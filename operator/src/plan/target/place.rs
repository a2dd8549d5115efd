//! A volume that holds a directory of logs, and how the sidecar gets at it.

use crds::names;
use pipeline::ByteSize;
use pipeline::source::Mount;

use super::{Lifetime, SubPath};

/// A part of a volume as the application has it mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::plan) struct Place {
    /// Where it is mounted in the application: what globs and `log.file.path` speak of.
    pub path: String,
    /// Name of the volume in the pod.
    pub volume: String,
    pub sub_path: SubPath,
    pub propagation: Propagation,
    pub origin: Origin,
    /// Size limit of the volume, where it has one.
    pub limit_bytes: Option<u64>,
}

/// Whose volume it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::plan) enum Origin {
    /// An emptyDir of ours, mounted into the application's container as well.
    Added {
        size_limit: Option<ByteSize>,
    },
    Owners(Lifetime),
}

/// Whether the application sees what the node mounts below the volume later on. The sidecar then has to see it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::plan) enum Propagation {
    None,
    HostToContainer,
}

impl Propagation {
    /// Bidirectional is for privileged containers only, and what we need of it is one direction.
    pub(super) fn of(mode: Option<&str>) -> Self {
        match mode {
            Some("HostToContainer" | "Bidirectional") => Self::HostToContainer,
            _ => Self::None,
        }
    }

    /// As it stands in a mount.
    pub(in crate::plan) fn mode(self) -> Option<String> {
        match self {
            Self::None => None,
            Self::HostToContainer => Some("HostToContainer".to_owned()),
        }
    }
}

impl Place {
    /// The volume of ours at a directory, under the name that it has as long as no other container has one there.
    pub(super) fn added(directory: &str, size_limit: Option<ByteSize>) -> Self {
        Self {
            path: directory.to_owned(),
            volume: names::logs_volume(directory),
            sub_path: SubPath::Whole,
            propagation: Propagation::None,
            origin: Origin::Added { size_limit },
            limit_bytes: size_limit.map(ByteSize::as_bytes),
        }
    }

    /// Takes the name that tells it from the volume that another container has at the same directory.
    pub(super) fn set_apart(&mut self, container: &str) {
        self.volume = names::logs_volume_of(&self.path, container);
    }

    /// Whether what the sidecar of a container is told of is a volume that we added.
    pub(super) fn is_added_as(mount: &Mount, container: &str) -> bool {
        let ours = Self::added(&mount.path, None);
        let mut apart = ours.clone();
        apart.set_apart(container);
        [ours, apart].iter().any(|place| place.mounted_at() == mount.at)
    }

    /// What the sidecar is told.
    pub(super) fn mount(&self) -> Mount {
        Mount {
            path: self.path.clone(),
            at: self.mounted_at(),
            limit_bytes: self.limit_bytes,
        }
    }

    /// Where the sidecar has it mounted: one directory for each way in which a part of a volume can be mounted.
    pub(in crate::plan) fn mounted_at(&self) -> String {
        let propagation = self.propagation.mode().unwrap_or_default();
        // A plain subPath never begins with a slash.
        let part = match &self.sub_path {
            SubPath::Whole => String::new(),
            SubPath::Fixed(path) => path.clone(),
            SubPath::Expression { text, .. } => format!("/{text}"),
        };
        let distinguisher = match propagation.as_str() {
            "" => format!("{}/{part}", self.volume),
            mode => format!("{}//{mode}/{part}", self.volume),
        };
        names::logs_mount(&distinguisher)
    }

    pub(in crate::plan) const fn is_added(&self) -> bool {
        matches!(self.origin, Origin::Added { .. })
    }

    pub(in crate::plan) const fn outlives_the_pod(&self) -> bool {
        matches!(self.origin, Origin::Owners(Lifetime::Beyond))
    }

    /// Whether all pods of the Deployment have this same directory, or all those of a node.
    pub(in crate::plan) fn is_common_to_pods(&self) -> bool {
        self.outlives_the_pod() && !self.sub_path.is_of_one_pod()
    }
}
