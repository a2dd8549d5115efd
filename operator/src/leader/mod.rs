//! Which of several operator processes acts: the one that holds a Lease.
//!
//! The holder renews every [`RETRY`] and may write for [`RENEW_WITHIN`] after the last renewal that it asked for; the
//! others wait until the lease has stood unchanged for [`LEASE_LASTS`]. So five seconds lie between the last write of a
//! process that can't renew and the first one of its successor. What bounds the writes is the [`Term`], see
//! [`fence`](fence::fenced); a process that has lost its lease ends, and is started again as a standby.
//!
//! Deliberately not here: a list of members, and trust in other machines' clocks ([`record`]). The crate
//! kube-lease-manager compares the time of the holder's clock with ours, and leaves the fence to its user.

mod fence;
mod record;

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

pub(crate) use self::fence::{Term, fenced};
use self::record::{Record, Standing};
use crds::names;

/// From one try to the next.
const RETRY: Duration = Duration::from_secs(2);
/// For how long nobody else may take the lease after it was renewed. What clients of Go use, as the other two.
const LEASE_LASTS: Duration = Duration::from_secs(15);
/// For how long the holder may act after it asked for the last renewal that succeeded.
const RENEW_WITHIN: Duration = Duration::from_secs(10);
/// A single call; several must fit into the above.
const CALL: Duration = Duration::from_secs(3);

/// Why a process that acted must not any more.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LeaseLost {
    #[error("process {holder} has taken the lease")]
    Taken { holder: String },
    #[error("the lease could not be renewed for {} s", RENEW_WITHIN.as_secs())]
    NotRenewed,
}

/// Why a try came to nothing.
#[derive(Debug, thiserror::Error)]
enum TryError {
    #[error("no answer within {} s", CALL.as_secs())]
    Timeout,
    #[error("the API server refuses")]
    Api(#[from] kube::Error),
}

/// One process that stands for election.
pub(crate) struct Candidate {
    api: Api<Lease>,
    namespace: String,
    name: String,
    identity: String,
    record: Record,
    term: watch::Sender<Option<Instant>>,
}

impl Candidate {
    /// The candidate, and its term of office, which hasn't begun.
    pub(crate) fn new(client: Client, namespace: &str, name: &str) -> (Self, Term) {
        let (term, receiver) = watch::channel(None);
        let candidate = Self {
            api: Api::namespaced(client, namespace),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            identity: identity(),
            record: Record::default(),
            term,
        };
        (candidate, Term::of(receiver))
    }

    /// Stands until it is elected, then renews until that fails for too long.
    pub(crate) async fn run(&mut self) -> LeaseLost {
        tracing::info!(lease = %self.lease(), identity = self.identity, "standing for election");
        let mut failed = false;
        loop {
            let tried = self.attempt().await;
            if let Some(lost) = self.lost() {
                return lost;
            }
            match tried {
                Err(error) if !failed => {
                    let error: &(dyn std::error::Error + 'static) = &error;
                    tracing::warn!(error, lease = %self.lease(), "the lease was not taken; trying again");
                    failed = true;
                }
                Err(error) => tracing::debug!(%error, "the lease was not taken"),
                Ok(()) => failed = false,
            }
            sleep(RETRY).await;
        }
    }

    /// Lets go of the lease, so that somebody else can take it at once. All that writes must have ended.
    pub(crate) async fn release(mut self) {
        if self.term.send_replace(None).is_none() {
            return;
        }
        let Some(released) = self.record.released() else { return };
        match self.write(Instant::now() + CALL, released).await {
            Ok(_) => tracing::info!("released the lease"),
            Err(error) => tracing::warn!(%error, "the lease was not released; it runs out by itself"),
        }
    }

    /// Tries once to take or to renew.
    async fn attempt(&mut self) -> Result<(), TryError> {
        let asked = Instant::now();
        let deadline = self.until().map_or(asked + CALL, |until| until.min(asked + CALL));
        if !self.record.is_fresh() {
            let lease = timeout_at(deadline, self.api.get_opt(&self.name)).await;
            self.record.saw(lease.map_err(|_| TryError::Timeout)??, Instant::now());
        }
        match self.record.standing(&self.identity, Instant::now()) {
            Standing::Held { holder } => {
                if self.record.is_news() {
                    tracing::info!(holder, "standing by");
                }
                return Ok(());
            }
            Standing::Free | Standing::Ours => {}
        }
        let desired = self.record.taken(&self.name, &self.identity, Timestamp::now());
        let written = self.write(deadline, desired).await?;
        self.record.wrote(written, Instant::now());
        if self.term.send_replace(Some(asked + RENEW_WITHIN)).is_none() {
            tracing::info!("elected");
        }
        Ok(())
    }

    /// Whether a term that had begun is over.
    fn lost(&self) -> Option<LeaseLost> {
        let until = self.until()?;
        let now = Instant::now();
        let lost = match self.record.standing(&self.identity, now) {
            Standing::Held { holder } => LeaseLost::Taken { holder },
            Standing::Free | Standing::Ours if now >= until => LeaseLost::NotRenewed,
            Standing::Free | Standing::Ours => return None,
        };
        self.term.send_replace(None);
        Some(lost)
    }

    fn until(&self) -> Option<Instant> {
        *self.term.borrow()
    }

    /// With the version that was read as precondition: of two that try, one wins.
    async fn write(&mut self, deadline: Instant, lease: Lease) -> Result<Lease, TryError> {
        // Whatever comes of it, it isn't as it was read any more.
        self.record.doubt();
        let parameters = PostParams {
            field_manager: Some(names::FIELD_MANAGER.to_owned()),
            ..PostParams::default()
        };
        let written = async {
            match lease.metadata.resource_version {
                None => self.api.create(&parameters, &lease).await,
                Some(_) => self.api.replace(&self.name, &parameters, &lease).await,
            }
        };
        let written = timeout_at(deadline, written).await;
        Ok(written.map_err(|_| TryError::Timeout)??)
    }

    fn lease(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

/// Never used before: after a restart it isn't known what the process before has still under way.
fn identity() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    // Every `RandomState` is seeded anew.
    format!("{}_{:016x}", host.trim(), RandomState::new().hash_one(0))
}
