//! What pods had not delivered when they went: remembered until it is told.
//!
//! Only what was held up counts. A pod that ends in good order sends the rest while it drains, and nobody sees the very last
//! moment.

use std::collections::BTreeMap;

use super::index::Index;
use super::key::{PodKey, ShippingKey};
use super::pod::SidecarPod;

/// As many are remembered of one LogShipping; a hundred more would say the same.
const MAX_FAREWELLS: usize = 20;

/// A pod that went with logs that one of its destinations didn't take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Farewell {
    pub(crate) deployment: String,
    pub(crate) pod: String,
    pub(crate) destination: String,
    /// When it was last asked.
    pub(crate) pending_bytes: u64,
}

/// By LogShipping.
pub(super) type Farewells = BTreeMap<ShippingKey, Vec<Farewell>>;

impl Index {
    /// Before a pod is forgotten.
    pub(super) fn say_farewell(&mut self, key: &PodKey, pod: &SidecarPod) {
        let Some(deployment) = self.target_of(pod).map(|target| target.name.clone()) else {
            return;
        };
        let held_up = self.sighting(pod).map(|sighting| sighting.held_up.clone());
        for ((pipeline, destination), pending_bytes) in held_up.unwrap_or_default() {
            let Some((namespace, shipping)) = pipeline.split_once('/') else {
                continue;
            };
            let shipping = ShippingKey::new(namespace, shipping);
            // A sidecar says what it likes: only of its own namespace, and only of what is there.
            if namespace != key.namespace || self.shipping(&shipping).is_none() {
                continue;
            }
            let said = self.farewells.entry(shipping).or_default();
            if said.len() < MAX_FAREWELLS {
                said.push(Farewell {
                    deployment: deployment.clone(),
                    pod: key.name.clone(),
                    destination,
                    pending_bytes,
                });
            }
        }
    }

    /// What is to be told of a LogShipping.
    pub(crate) fn farewells(&self, key: &ShippingKey) -> &[Farewell] {
        self.farewells.get(key).map(Vec::as_slice).unwrap_or_default()
    }

    /// It was told, or there is nobody to tell it to.
    pub(crate) fn forget_farewells(&mut self, key: &ShippingKey) {
        self.farewells.remove(key);
    }
}
