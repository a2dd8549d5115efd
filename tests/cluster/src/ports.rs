//! Ports of the host's loopback that nobody uses.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::net::TcpListener;
use std::ops::Range;

/// Below the range from which Linux takes ports for outgoing connections (32768 and up, unless told otherwise). A port
/// from that range may be gone by the time a component listens on it, which takes the API server two seconds.
const CANDIDATES: Range<u16> = 15_000..32_000;
/// So many in a row are never all taken, unless listening is impossible altogether.
const ATTEMPTS: usize = 200;

/// That many ports, all different. Chosen at random, so that clusters that start at the same time don't meet.
pub(crate) fn free<const COUNT: usize>() -> io::Result<[u16; COUNT]> {
    let mut found = BTreeSet::new();
    let mut failure = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..ATTEMPTS {
        let port = candidate();
        match TcpListener::bind(("127.0.0.1", port)) {
            Ok(_) => found.insert(port),
            Err(error) => {
                failure = error;
                false
            }
        };
        if found.len() == COUNT {
            break;
        }
    }
    let found: Vec<u16> = found.into_iter().collect();
    found.try_into().map_err(|_| failure)
}

fn candidate() -> u16 {
    // The standard library's only source of randomness.
    let random = RandomState::new().build_hasher().finish();
    let offset = random % u64::from(CANDIDATES.end - CANDIDATES.start);
    CANDIDATES.start + u16::try_from(offset).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_ports_differ_and_can_be_listened_on() {
        let ports: [u16; 3] = free().unwrap();
        let listeners: Vec<_> = ports
            .iter()
            .map(|port| TcpListener::bind(("127.0.0.1", *port)).unwrap())
            .collect();
        assert_eq!(listeners.len(), 3);
        assert!(ports.iter().all(|port| CANDIDATES.contains(port)));
    }
}
