//! Names to addresses.
//!
//! The system's own resolver is asked, on tokio's blocking threads. It reads `resolv.conf` (search, ndots, timeouts) and
//! `/etc/hosts`, notices when they change, and needs nothing else in an empty root: since glibc 2.34 its `files` and
//! `dns` parts are in the library itself, so a static binary loads nothing (musl's always were). A resolver of our own
//! would be fifty crates more. Nothing is cached here: names are looked up for new connections only, and the cluster's
//! DNS caches.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::sync::Semaphore;

/// A look-up can't be cancelled, only abandoned; this bounds the threads that a dead name server can hold.
const LOOKUPS: usize = 4;

/// Resolves names, a few at a time.
#[derive(Clone, Debug)]
pub(super) struct Resolver {
    lookups: Arc<Semaphore>,
}

impl Default for Resolver {
    fn default() -> Self {
        Self {
            lookups: Arc::new(Semaphore::new(LOOKUPS)),
        }
    }
}

impl Resolver {
    /// All addresses of `host` in the order of preference, at least one. IP literals never reach the resolver.
    pub(super) async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let closed = |_| io::Error::other("the resolver is shut down");
        let permit = Arc::clone(&self.lookups).acquire_owned().await.map_err(closed)?;
        let host = host.to_owned();
        let lookup = tokio::task::spawn_blocking(move || {
            let addresses = std::net::ToSocketAddrs::to_socket_addrs(&(host.as_str(), port));
            // Held by the thread, not by whoever waits for it and may give up.
            drop(permit);
            addresses.map(Iterator::collect::<Vec<_>>)
        });
        let addresses = lookup.await.map_err(io::Error::other)??;
        if addresses.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no addresses"));
        }
        Ok(addresses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn literals_need_no_resolver() {
        let resolver = Resolver {
            lookups: Arc::new(Semaphore::new(0)),
        };
        assert_eq!(
            resolver.resolve("127.0.0.1", 80).await.unwrap(),
            ["127.0.0.1:80".parse().unwrap()]
        );
        assert_eq!(
            resolver.resolve("::1", 80).await.unwrap(),
            ["[::1]:80".parse().unwrap()]
        );
    }

    #[tokio::test]
    async fn names_are_looked_up() {
        let addresses = Resolver::default().resolve("localhost", 7).await.unwrap();
        assert!(
            addresses
                .iter()
                .all(|address| address.ip().is_loopback() && address.port() == 7),
            "{addresses:?}"
        );
    }
}
