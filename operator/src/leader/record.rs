//! What is known about the lease. Pure: the time comes in as an argument.
//!
//! The holder's clock isn't trusted: a lease has run out when this process has seen it unchanged for as long as it
//! lasts, by its own monotonic clock. The times in the lease are for people.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use tokio::time::Instant;

use super::LEASE_LASTS;

/// The lease as it was last read or written.
#[derive(Debug, Default)]
pub(super) struct Record {
    lease: Option<Lease>,
    /// Since when it has stood like that.
    since: Option<Instant>,
    is_fresh: bool,
    is_news: bool,
}

/// Whose the lease is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Ours,
    Held {
        holder: String,
    },
    /// Nobody's, or it has run out.
    Free,
}

impl Record {
    /// Takes in what was read.
    pub(super) fn saw(&mut self, lease: Option<Lease>, now: Instant) {
        let spec = |lease: &Option<Lease>| lease.as_ref().and_then(|lease| lease.spec.clone());
        let holder = |lease: &Option<Lease>| spec(lease).and_then(|spec| spec.holder_identity);
        if self.since.is_none() || spec(&lease) != spec(&self.lease) {
            self.is_news = self.since.is_none() || holder(&lease) != holder(&self.lease);
            self.since = Some(now);
        } else {
            self.is_news = false;
        }
        self.lease = lease;
    }

    /// Takes in the answer to a write of ours: there is no need to read it again before the next one.
    pub(super) fn wrote(&mut self, lease: Lease, now: Instant) {
        self.saw(Some(lease), now);
        self.is_fresh = true;
    }

    /// It may not be as it was read: nobody knows what came of a write without an answer.
    pub(super) const fn doubt(&mut self) {
        self.is_fresh = false;
    }

    /// Whether the next write may go without reading.
    pub(super) const fn is_fresh(&self) -> bool {
        self.is_fresh
    }

    /// Whether the last reading found another holder than the one before.
    pub(super) const fn is_news(&self) -> bool {
        self.is_news
    }

    pub(super) fn standing(&self, identity: &str, now: Instant) -> Standing {
        let spec = self.lease.as_ref().and_then(|lease| lease.spec.as_ref());
        let holder = spec
            .and_then(|spec| spec.holder_identity.as_deref())
            .unwrap_or_default();
        let lasts = spec.and_then(|spec| u64::try_from(spec.lease_duration_seconds?).ok());
        let lasts = lasts.map_or(LEASE_LASTS, Duration::from_secs);
        match self.since {
            _ if holder.is_empty() => Standing::Free,
            _ if holder == identity => Standing::Ours,
            Some(since) if now < since + lasts => Standing::Held {
                holder: holder.to_owned(),
            },
            _ => Standing::Free,
        }
    }

    /// The lease as this process would hold it from `now` on.
    pub(super) fn taken(&self, name: &str, identity: &str, now: Timestamp) -> Lease {
        let before = self.lease.as_ref().and_then(|lease| lease.spec.as_ref());
        let same = before.filter(|spec| spec.holder_identity.as_deref() == Some(identity));
        let transitions = before.and_then(|spec| spec.lease_transitions);
        let spec = LeaseSpec {
            holder_identity: Some(identity.to_owned()),
            lease_duration_seconds: i32::try_from(LEASE_LASTS.as_secs()).ok(),
            acquire_time: same.map_or(Some(MicroTime(now)), |spec| spec.acquire_time.clone()),
            renew_time: Some(MicroTime(now)),
            lease_transitions: match (same, before) {
                (Some(_), _) => transitions,
                (None, Some(_)) => Some(transitions.unwrap_or(0).saturating_add(1)),
                (None, None) => Some(0),
            },
            ..before.cloned().unwrap_or_default()
        };
        Lease {
            metadata: self.lease.as_ref().map_or_else(
                || ObjectMeta {
                    name: Some(name.to_owned()),
                    ..ObjectMeta::default()
                },
                |lease| ObjectMeta {
                    managed_fields: None,
                    ..lease.metadata.clone()
                },
            ),
            spec: Some(spec),
        }
    }

    /// The lease as nobody's; none where there is no lease.
    pub(super) fn released(&self) -> Option<Lease> {
        let mut lease = self.lease.clone()?;
        lease.metadata.managed_fields = None;
        lease.spec.get_or_insert_default().holder_identity = None;
        Some(lease)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The record of a process that read a lease, held by `holder`, `seconds` after the start.
    fn read(record: &mut Record, holder: &str, renewed: i64, at: Instant) {
        let renewed = Timestamp::from_second(renewed).unwrap_or_default();
        let mut other = Record::default().taken("lease", holder, renewed);
        other.metadata.resource_version = Some(renewed.to_string());
        record.saw(Some(other), at);
    }

    fn held(holder: &str) -> Standing {
        Standing::Held {
            holder: holder.to_owned(),
        }
    }

    #[test]
    fn a_lease_runs_out_by_our_clock_when_it_stands_unchanged_whatever_times_are_in_it() {
        let (mut record, start) = (Record::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(record.standing("me", start), Standing::Free, "there is none");
        // Its holder's clock is years behind.
        read(&mut record, "other", 1, start);
        assert_eq!(record.standing("me", after(14)), held("other"));
        read(&mut record, "other", 2, after(14));
        assert_eq!(record.standing("me", after(28)), held("other"), "it was renewed");
        read(&mut record, "other", 2, after(28));
        assert_eq!(record.standing("me", after(29)), Standing::Free);
        assert_eq!(record.standing("other", after(29)), Standing::Ours);
    }

    #[test]
    fn who_takes_over_says_so_and_keeps_the_version_as_precondition() {
        let (mut record, start) = (Record::default(), Instant::now());
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(record.taken("lease", "me", now).metadata.resource_version, None);
        read(&mut record, "other", 1, start);
        let taken = record.taken("lease", "me", now);
        assert!(taken.metadata.resource_version.is_some());
        let spec = taken.spec.clone().unwrap_or_default();
        assert_eq!(
            (spec.holder_identity.as_deref(), spec.lease_transitions),
            (Some("me"), Some(1))
        );
        record.wrote(taken, start);
        let later = Timestamp::from_second(5).unwrap_or_default();
        let renewed = record.taken("lease", "me", later).spec.unwrap_or_default();
        assert_eq!(
            (renewed.lease_transitions, renewed.acquire_time),
            (Some(1), Some(MicroTime(now)))
        );
        assert_eq!(renewed.renew_time, Some(MicroTime(later)));
    }

    #[test]
    fn a_released_lease_is_free_at_once() {
        let (mut record, start) = (Record::default(), Instant::now());
        read(&mut record, "other", 1, start);
        let released = record.released();
        record.saw(released, start);
        assert_eq!(record.standing("me", start), Standing::Free);
    }
}
