//! Equality as the API server sees it.
//!
//! The server fills in what is left out, so everything that it would fill in is sent, and what is read back then equals
//! what was sent without a second copy of its defaults here. It also rewrites quantities, which are therefore compared
//! by value.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, Volume, VolumeMount};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::parts::Parts;
use crate::amount::Amount;

/// What can be compared after a round trip through the API server.
pub(super) trait Comparable: Clone + PartialEq {
    /// The same for everything that means the same; for nothing but comparing.
    fn normalised(self) -> Self;

    fn same_as(&self, other: &Self) -> bool {
        self.clone().normalised() == other.clone().normalised()
    }
}

impl Comparable for Parts {
    fn normalised(self) -> Self {
        let sidecar = self.sidecar.into_iter();
        let volumes = self.volumes.into_iter();
        Self {
            sidecar: sidecar
                .map(|(list, container)| (list, container.normalised()))
                .collect(),
            volumes: volumes.map(|(name, volume)| (name, volume.normalised())).collect(),
            ..self
        }
    }
}

impl Comparable for Container {
    fn normalised(mut self) -> Self {
        if let Some(resources) = &mut self.resources {
            let lists = [&mut resources.requests, &mut resources.limits].into_iter().flatten();
            lists.flat_map(BTreeMap::values_mut).for_each(normalise);
        }
        self
    }
}

impl Comparable for Volume {
    fn normalised(mut self) -> Self {
        let limit = self.empty_dir.as_mut().and_then(|empty| empty.size_limit.as_mut());
        limit.into_iter().for_each(normalise);
        self
    }
}

impl Comparable for VolumeMount {
    fn normalised(self) -> Self {
        self
    }
}

fn normalise(quantity: &mut Quantity) {
    if let Some(amount) = Amount::parse(&quantity.0) {
        quantity.0 = amount.to_string();
    }
}
