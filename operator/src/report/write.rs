//! Writes the status: on change only, and at most every five seconds for one object. The first change after a quiet
//! time is written at once, unless it is one that usually passes within a second or two.

use std::collections::BTreeMap;
use std::time::Duration;

use crds::{LogShipping, LogShippingStatus, names};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, Resource};
use serde_json::json;
use tokio::time::Instant;

use crate::apply::ApplyError;
use crate::observe::ShippingKey;
use crds::conditions::{ConditionType, Reason};

/// Between two writes about one object.
const PAUSE: Duration = Duration::from_secs(5);
/// A state that passes by itself is only worth a write when it has lasted so long.
const PASSING: Duration = Duration::from_secs(2);

/// What was written last, by object.
#[derive(Debug, Default)]
pub(crate) struct Written {
    entries: BTreeMap<ShippingKey, Entry>,
}

#[derive(Debug, Default)]
struct Entry {
    /// An object of the same name is another one.
    uid: String,
    status: Option<LogShippingStatus>,
    at: Option<Instant>,
    differs_since: Option<Instant>,
}

/// The object that a status is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Object<'a> {
    pub(crate) key: &'a ShippingKey,
    pub(crate) uid: &'a str,
    /// Its status as the watch last delivered it.
    pub(crate) read: Option<&'a LogShippingStatus>,
}

/// Whether a status is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Unchanged,
    Now,
    Later(Duration),
}

impl Written {
    /// What is known to stand in the object: what was written a moment ago, which the watch may not have delivered yet, else
    /// what was read. Somebody else may have written since, and times are taken over from this.
    pub(crate) fn previous<'a>(&'a self, object: Object<'a>, now: Instant) -> Option<&'a LogShippingStatus> {
        let entry = self.entries.get(object.key).filter(|entry| entry.uid == object.uid);
        let written = entry.and_then(|entry| entry.status.as_ref());
        match self.pause(object, now) {
            Some(_) => written.or(object.read),
            None => object.read.or(written),
        }
    }

    /// For how long nothing can be written about an object, whatever there is to say.
    pub(crate) fn pause(&self, object: Object<'_>, now: Instant) -> Option<Duration> {
        let entry = self.entries.get(object.key).filter(|entry| entry.uid == object.uid)?;
        let left = (entry.at? + PAUSE).saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    /// Judges a new status against the one that was read from the object.
    pub(crate) fn decide(&mut self, object: Object<'_>, status: &LogShippingStatus, now: Instant) -> Decision {
        let entry = self.entries.entry(object.key.clone()).or_default();
        if entry.uid != object.uid {
            *entry = Entry {
                uid: object.uid.to_owned(),
                ..Entry::default()
            };
        }
        // Also when somebody else wrote it; a write of ours that isn't seen yet is as good as one that is.
        let recent = entry.at.is_some_and(|at| now.duration_since(at) < PAUSE);
        let stands = if recent { entry.status.as_ref() } else { object.read };
        if stands == Some(status) {
            entry.differs_since = None;
            return Decision::Unchanged;
        }
        let since = *entry.differs_since.get_or_insert(now);
        let paused = entry
            .at
            .map_or(Duration::ZERO, |at| (at + PAUSE).saturating_duration_since(now));
        let passing = if passes(status) {
            (since + PASSING).saturating_duration_since(now)
        } else {
            Duration::ZERO
        };
        match paused.max(passing) {
            Duration::ZERO => Decision::Now,
            wait => Decision::Later(wait),
        }
    }

    pub(crate) fn wrote(&mut self, object: Object<'_>, status: LogShippingStatus, now: Instant) {
        let entry = Entry {
            uid: object.uid.to_owned(),
            status: Some(status),
            at: Some(now),
            differs_since: None,
        };
        self.entries.insert(object.key.clone(), entry);
    }

    /// Forgets an object that is gone.
    pub(crate) fn forget(&mut self, key: &ShippingKey) {
        self.entries.remove(key);
    }
}

/// States that come and go with every change.
fn passes(status: &LogShippingStatus) -> bool {
    let ready = status
        .conditions
        .iter()
        .find(|condition| condition.type_ == ConditionType::Ready.as_str());
    let passing = [Reason::InProgress, Reason::Loading, Reason::NotObserved];
    ready.is_some_and(|ready| passing.iter().any(|reason| reason.as_str() == ready.reason))
}

/// Writes the status, and returns the object's metadata as the API server has it then. Fields that are left out vanish,
/// since nobody else owns them.
pub(crate) async fn write(
    client: &Client,
    key: &ShippingKey,
    status: &LogShippingStatus,
) -> Result<ObjectMeta, ApplyError> {
    let api: Api<LogShipping> = Api::namespaced(client.clone(), &key.namespace);
    let body = json!({
        "apiVersion": LogShipping::api_version(&()),
        "kind": LogShipping::kind(&()),
        "metadata": {"name": key.name, "namespace": key.namespace},
        "status": status,
    });
    let parameters = PatchParams::apply(names::FIELD_MANAGER).force();
    let patched = api.patch_status(&key.name, &parameters, &Patch::Apply(body)).await;
    patched
        .map(|object| object.metadata)
        .map_err(|error| ApplyError::of("the status", error))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

    use super::*;

    fn status(reason: Reason, matched: i32) -> LogShippingStatus {
        let mut status = LogShippingStatus {
            conditions: vec![Condition {
                type_: ConditionType::Ready.as_str().to_owned(),
                reason: reason.to_string(),
                status: "True".to_owned(),
                message: String::new(),
                observed_generation: None,
                last_transition_time: Time(jiff::Timestamp::UNIX_EPOCH),
            }],
            ..LogShippingStatus::default()
        };
        status.targets.matched = matched;
        status
    }

    /// Decides about one object with this status in it.
    struct Desk {
        written: Written,
        key: ShippingKey,
        start: Instant,
    }

    impl Desk {
        fn new() -> Self {
            Self {
                written: Written::default(),
                key: ShippingKey::new("shop", "logs"),
                start: Instant::now(),
            }
        }

        fn decide(&mut self, status: &LogShippingStatus, read: Option<&LogShippingStatus>, seconds: u64) -> Decision {
            let object = Object {
                key: &self.key,
                uid: "u",
                read,
            };
            let now = self.start + Duration::from_secs(seconds);
            self.written.decide(object, status, now)
        }

        fn wrote(&mut self, uid: &str, status: &LogShippingStatus) {
            let object = Object {
                key: &self.key,
                uid,
                read: None,
            };
            self.written.wrote(object, status.clone(), self.start);
        }
    }

    #[test]
    fn a_change_is_written_at_once_and_the_next_one_after_the_pause() {
        let (mut desk, first, second) = (Desk::new(), status(Reason::Healthy, 1), status(Reason::Healthy, 2));
        assert_eq!(desk.decide(&first, None, 0), Decision::Now);
        desk.wrote("u", &first);
        assert_eq!(desk.decide(&first, None, 0), Decision::Unchanged, "the watch is behind");
        assert_eq!(
            desk.decide(&second, Some(&first), 1),
            Decision::Later(Duration::from_secs(4))
        );
        assert_eq!(desk.decide(&second, Some(&first), 5), Decision::Now);
    }

    #[test]
    fn what_passes_is_written_only_when_it_lasts() {
        let (mut desk, loading, healthy) = (Desk::new(), status(Reason::Loading, 1), status(Reason::Healthy, 1));
        assert_eq!(desk.decide(&loading, None, 0), Decision::Later(PASSING));
        assert_eq!(desk.decide(&healthy, None, 1), Decision::Now);
        assert_eq!(desk.decide(&loading, None, 2), Decision::Now);
    }

    #[test]
    fn a_status_that_somebody_else_overwrote_is_written_again() {
        let (mut desk, ours) = (Desk::new(), status(Reason::Healthy, 1));
        desk.wrote("u", &ours);
        assert_eq!(desk.decide(&ours, Some(&ours), 5), Decision::Unchanged);
        assert_eq!(desk.decide(&ours, Some(&status(Reason::Healthy, 9)), 5), Decision::Now);
    }

    #[test]
    fn times_are_taken_over_from_what_stands_in_the_object() {
        let (mut desk, ours, theirs) = (Desk::new(), status(Reason::Healthy, 1), status(Reason::Healthy, 9));
        desk.wrote("u", &ours);
        let object = Object {
            key: &desk.key,
            uid: "u",
            read: Some(&theirs),
        };
        let previous = |seconds| desk.written.previous(object, desk.start + Duration::from_secs(seconds));
        assert_eq!((previous(1), previous(5)), (Some(&ours), Some(&theirs)));
    }

    #[test]
    fn a_new_object_of_the_same_name_gets_its_own_status() {
        let (mut desk, ours) = (Desk::new(), status(Reason::Healthy, 1));
        desk.wrote("before", &ours);
        assert_eq!(desk.decide(&ours, None, 1), Decision::Now);
    }
}
