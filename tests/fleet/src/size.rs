//! How large a fleet is, and which of its parts belong together.

use std::ops::Range;

/// Numbers of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Deployments, all of them selected.
    pub deployments: u32,
    /// Pods of all Deployments together.
    pub pods: u32,
    /// LogShippings. Each selects its share of the Deployments, and each Deployment is selected by one.
    pub shippings: u32,
    /// Namespaces that the LogShippings are spread over.
    pub namespaces: u32,
}

impl Size {
    /// The same proportions with another number of Deployments.
    #[must_use]
    pub fn with_deployments(self, deployments: u32) -> Self {
        let scaled = |number: u32| share(number, deployments, self.deployments).max(1);
        Self {
            deployments,
            pods: scaled(self.pods),
            shippings: scaled(self.shippings),
            namespaces: scaled(self.namespaces),
        }
    }

    /// The Deployments that a LogShipping selects.
    pub fn selected_by(self, shipping: u32) -> Range<u32> {
        let first = |shipping| share(self.deployments, shipping, self.shippings);
        first(shipping)..first(shipping + 1)
    }

    /// The namespace of a LogShipping and of the Deployments that it selects.
    pub fn namespace_of(self, shipping: u32) -> u32 {
        share(self.namespaces, shipping, self.shippings)
    }

    /// Pods of a Deployment.
    pub fn replicas(self, deployment: u32) -> u32 {
        share(self.pods, deployment + 1, self.deployments) - share(self.pods, deployment, self.deployments)
    }

    /// Pods of the Deployments that a LogShipping selects.
    pub fn pods_of(self, shipping: u32) -> u32 {
        self.selected_by(shipping)
            .map(|deployment| self.replicas(deployment))
            .sum()
    }
}

/// `part / of` of a number, rounded down.
fn share(number: u32, part: u32, of: u32) -> u32 {
    u32::try_from(u64::from(number) * u64::from(part) / u64::from(of.max(1))).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_deployment_and_every_pod_belongs_to_one() {
        let size = Size {
            deployments: 103,
            pods: 517,
            shippings: 20,
            namespaces: 3,
        };
        let selected: Vec<_> = (0..size.shippings)
            .flat_map(|shipping| size.selected_by(shipping))
            .collect();
        assert_eq!(selected, (0..103).collect::<Vec<_>>());
        assert_eq!((0..20).map(|shipping| size.pods_of(shipping)).sum::<u32>(), 517);
        let namespaces: Vec<_> = (0..20).map(|shipping| size.namespace_of(shipping)).collect();
        assert!(namespaces.is_sorted() && namespaces[0] == 0 && namespaces[19] == 2);
    }

    #[test]
    fn a_smaller_fleet_has_the_same_proportions() {
        let size = Size {
            deployments: 1000,
            pods: 10_000,
            shippings: 200,
            namespaces: 20,
        };
        let smaller = Size {
            deployments: 100,
            pods: 1000,
            shippings: 20,
            namespaces: 2,
        };
        assert_eq!(size.with_deployments(100), smaller);
    }
}
