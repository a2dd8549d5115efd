//! The addresses of a cluster. They exist in its network namespace only, so every cluster has the same.

use std::fmt;
use std::net::Ipv4Addr;

/// The node's name.
pub const NODE_NAME: &str = "node1";
/// The node's address.
pub const NODE: Ipv4Addr = Ipv4Addr::new(10, 98, 0, 1);
/// The network of the node's address.
pub const NODES: Range = Range {
    first: Ipv4Addr::new(10, 98, 0, 0),
    prefix: 24,
};
/// Pods.
pub const PODS: Range = Range {
    first: Ipv4Addr::new(10, 244, 0, 0),
    prefix: 24,
};
/// The node's end of the bridge that pods hang on.
pub const BRIDGE: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 1);
/// Services.
pub const SERVICES: Range = Range {
    first: Ipv4Addr::new(10, 96, 0, 0),
    prefix: 16,
};
/// The API server as a service: by convention the first address of the range.
pub const KUBERNETES_SERVICE: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 1);

/// Where pods ask for names: by convention the tenth address of the range. Nobody answers there yet.
pub const DNS: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 10);

/// A range of addresses in CIDR notation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Range {
    /// The first address.
    pub first: Ipv4Addr,
    /// How many leading bits are fixed, at most 32.
    pub prefix: u8,
}

impl Range {
    /// Whether the two have an address in common.
    pub fn overlaps(self, other: Self) -> bool {
        let shorter = self.prefix.min(other.prefix);
        let network = |address: Ipv4Addr| address.to_bits() & mask(shorter);
        network(self.first) == network(other.first)
    }
}

fn mask(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)
}

impl fmt::Display for Range {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.first, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_overlap_when_one_is_within_the_other() {
        let range = |a, b, c, d, prefix| Range {
            first: Ipv4Addr::new(a, b, c, d),
            prefix,
        };
        let cases = [
            (SERVICES, range(10, 96, 7, 0, 24), true),
            (SERVICES, range(10, 0, 0, 0, 8), true),
            (SERVICES, range(10, 97, 0, 0, 16), false),
            (SERVICES, range(0, 0, 0, 0, 0), true),
            (PODS, range(10, 244, 0, 77, 32), true),
            (PODS, NODES, false),
        ];
        for (one, other, expected) in cases {
            assert_eq!(one.overlaps(other), expected, "{one} and {other}");
            assert_eq!(other.overlaps(one), expected, "{other} and {one}");
        }
    }

    #[test]
    fn the_cluster_s_own_ranges_are_apart() {
        assert!(!PODS.overlaps(SERVICES) && !PODS.overlaps(NODES) && !SERVICES.overlaps(NODES));
    }
}
