//! Names to addresses.
//!
//! The system's own resolver is asked, on tokio's blocking threads. It reads `resolv.conf` (search, ndots, timeouts) and
//! `/etc/hosts`, notices when they change, and needs nothing else in an empty root: since glibc 2.34 its `files` and
//! `dns` parts are in the library itself, so a static binary loads nothing (musl's always were). A resolver of our own
//! would be fifty crates more. Nothing is cached here: names are looked up for new connections only, and the cluster's
//! DNS caches.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use tokio::sync::Mutex;
use tokio::task::{JoinHandle, spawn_blocking};

use super::connect::address_of;

type Answer = io::Result<Vec<SocketAddr>>;

/// Finds the addresses of one host.
#[derive(Debug)]
pub(super) struct Resolver {
    pub(super) host: String,
    port: u16,
    /// A look-up can't be cancelled. Where the first of several name servers is dead it takes longer than anybody waits
    /// (five seconds for each domain to search), so the next attempt goes on waiting for it, or finds its answer. That also
    /// bounds the threads that dead name servers can hold: one.
    under_way: Mutex<Option<JoinHandle<Answer>>>,
}

impl Resolver {
    pub(super) fn new(host: &str, port: u16) -> Self {
        Self {
            host: host.to_owned(),
            port,
            under_way: Mutex::default(),
        }
    }

    /// `host:port`, for messages.
    pub(super) fn address(&self) -> String {
        address_of(&self.host, self.port)
    }

    /// All addresses in the order of preference, at least one. IP literals never reach the system's resolver.
    pub(super) async fn resolve(&self) -> Answer {
        if let Ok(address) = self.host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, self.port)]);
        }
        let (host, port) = (self.host.clone(), self.port);
        let addresses = self.ask(move || Ok((host.as_str(), port).to_socket_addrs()?.collect()));
        let addresses = addresses.await?;
        if addresses.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no addresses"));
        }
        Ok(addresses)
    }

    /// What the look-up finds that is under way, or this one.
    async fn ask(&self, look_up: impl FnOnce() -> Answer + Send + 'static) -> Answer {
        let mut under_way = self.under_way.lock().await;
        let answer = under_way.get_or_insert_with(|| spawn_blocking(look_up)).await;
        *under_way = None;
        answer.map_err(io::Error::other)?
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn literals_need_no_resolver() {
        for (host, address) in [("127.0.0.1", "127.0.0.1:80"), ("::1", "[::1]:80")] {
            let resolver = Resolver::new(host, 80);
            assert_eq!(resolver.resolve().await.unwrap(), [address.parse().unwrap()]);
            assert_eq!(resolver.address(), address);
        }
    }

    #[tokio::test]
    async fn names_are_looked_up() {
        let resolver = Resolver::new("localhost", 7);
        // A second time, for nothing of the first may be left.
        for _ in 0..2 {
            let addresses = resolver.resolve().await.unwrap();
            assert!(
                addresses
                    .iter()
                    .all(|address| address.ip().is_loopback() && address.port() == 7),
                "{addresses:?}"
            );
        }
    }

    #[tokio::test]
    async fn an_answer_that_nobody_waited_for_is_found_by_the_next_attempt() {
        let resolver = Resolver::new("slow.example", 80);
        let address: SocketAddr = "192.0.2.1:80".parse().unwrap();
        let (answer, answered) = mpsc::channel();
        let slow = move || Ok(answered.recv().into_iter().collect());
        timeout(Duration::from_millis(20), resolver.ask(slow))
            .await
            .unwrap_err();
        let second = timeout(
            Duration::from_millis(20),
            resolver.ask(|| Err(io::Error::other("a second look-up"))),
        );
        second.await.unwrap_err();
        answer.send(address).unwrap();
        assert_eq!(resolver.ask(|| Ok(Vec::new())).await.unwrap(), [address]);
        assert_eq!(resolver.ask(|| Ok(Vec::new())).await.unwrap(), []);
    }
}
