//! What about the sidecars of a Deployment is worth an event: they run another revision, their logs stop arriving, or arrive
//! again. Pure.
//!
//! Only transitions are told, and only together with a status that says the same. What a process before this one told is
//! known by the status that it left behind.

use std::collections::BTreeMap;

use crds::conditions::{ConditionType, Reason, Truth, truth};
use crds::status::{LogShippingStatus, MAX_WORST};

use super::pods::PodHealth;
use super::write::Object;
use super::{Stand, Summed, TargetView, rank};
use crate::events::EventReason;
use crate::observe::ShippingKey;
use crate::settings::Switch;

/// How the sidecars of one Deployment do, seen from one LogShipping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Vitals {
    deployment: String,
    pods: usize,
    /// The revision that all of them run.
    loaded: Option<String>,
    arrival: Arrival,
}

/// Whether the logs of a Deployment arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Arrival {
    /// Of some pods nothing is known, or there are none.
    Unseen,
    Arrive,
    /// Why not, as the worst pod has it.
    Fail(String),
}

/// Something to tell about a Deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tiding {
    pub(crate) deployment: String,
    pub(crate) reason: EventReason,
    pub(crate) message: String,
}

/// What was told, by LogShipping.
#[derive(Debug, Default)]
pub(crate) struct News {
    known: BTreeMap<ShippingKey, Known>,
}

#[derive(Debug)]
struct Known {
    /// An object of the same name is another one.
    uid: String,
    targets: BTreeMap<String, KnownTarget>,
    /// The status that was left behind was full, and may not list all that failed.
    unlisted: Unlisted,
}

#[derive(Debug, Default)]
struct KnownTarget {
    loaded: Option<String>,
    fails: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unlisted {
    None,
    MayFail,
}

/// How the sidecars of each Deployment do; nothing where they aren't asked.
pub(super) fn vitals(summed: &Summed<'_>) -> Vec<Vitals> {
    if summed.overview.polling == Switch::Off {
        return Vec::new();
    }
    let targets = summed.overview.targets.iter();
    targets.map(|target| vitals_of(summed, target)).collect()
}

fn vitals_of(summed: &Summed<'_>, target: &TargetView<'_>) -> Vitals {
    let pods: Vec<_> = summed.pods.iter().filter(|pod| pod.target == target.name).collect();
    let complete = target.stand == Stand::Injected && super::number(pods.len()) >= target.replicas && !pods.is_empty();
    let loaded = complete && pods.iter().all(|pod| pod.has_loaded());
    Vitals {
        deployment: target.name.to_owned(),
        pods: pods.len(),
        loaded: target.revision.filter(|_| loaded).map(str::to_owned),
        arrival: Arrival::of(target.name, &pods),
    }
}

impl Arrival {
    fn of(deployment: &str, pods: &[&PodHealth<'_>]) -> Self {
        let failing = pods.iter().flat_map(|pod| pod.undelivered());
        if let Some(worst) = failing.min_by_key(|finding| rank::of(finding.reason)) {
            let message = worst.message.strip_prefix(&format!("Deployment {deployment}, "));
            return Self::Fail(message.unwrap_or(&worst.message).to_owned());
        }
        if !pods.is_empty() && pods.iter().all(|pod| pod.delivers()) {
            Self::Arrive
        } else {
            Self::Unseen
        }
    }
}

impl News {
    /// What is new, which is known from now on. `object` carries the status that was read last.
    pub(crate) fn learn(&mut self, object: Object<'_>, vitals: Vec<Vitals>) -> Vec<Tiding> {
        let known = self.known.entry(object.key.clone());
        let known = known.or_insert_with(|| Known::left_behind(object));
        if known.uid != object.uid {
            *known = Known::left_behind(object);
        }
        known.learn(vitals)
    }

    /// Forgets a LogShipping that is gone.
    pub(crate) fn forget(&mut self, key: &ShippingKey) {
        self.known.remove(key);
    }
}

impl Known {
    fn left_behind(object: Object<'_>) -> Self {
        let status = object.read.filter(|status| says_failing(status));
        let worst = status.map(|status| status.worst.as_slice()).unwrap_or_default();
        let is_about_delivery = |reason: &str| {
            let mut reasons = Reason::ALL.iter().filter(|listed| listed.as_str() == reason);
            reasons.any(|reason| truth(ConditionType::Delivering, *reason) == Some(Truth::False))
        };
        let failing = worst.iter().filter(|row| is_about_delivery(&row.reason));
        let fails = || KnownTarget {
            loaded: None,
            fails: true,
        };
        Self {
            uid: object.uid.to_owned(),
            targets: failing.map(|row| (row.target.name.clone(), fails())).collect(),
            unlisted: if worst.len() >= MAX_WORST {
                Unlisted::MayFail
            } else {
                Unlisted::None
            },
        }
    }

    fn learn(&mut self, vitals: Vec<Vitals>) -> Vec<Tiding> {
        let mut tidings = Vec::new();
        let unlisted = std::mem::replace(&mut self.unlisted, Unlisted::None);
        let mut before = std::mem::take(&mut self.targets);
        for vitals in vitals {
            let known = before.remove(&vitals.deployment);
            let known = known.unwrap_or_else(|| KnownTarget {
                loaded: None,
                fails: unlisted == Unlisted::MayFail && matches!(vitals.arrival, Arrival::Fail(_)),
            });
            let Vitals { deployment, pods, .. } = &vitals;
            let tell = |(reason, message)| Tiding {
                deployment: deployment.clone(),
                reason,
                message,
            };
            tidings.extend(reloaded(&known, vitals.loaded.as_ref(), *pods).map(tell));
            tidings.extend(turned(&known, &vitals.arrival, *pods).map(tell));
            let now = KnownTarget {
                fails: match vitals.arrival {
                    Arrival::Unseen => known.fails,
                    Arrival::Arrive => false,
                    Arrival::Fail(_) => true,
                },
                loaded: vitals.loaded.or(known.loaded),
            };
            self.targets.insert(vitals.deployment, now);
        }
        tidings
    }
}

fn says_failing(status: &LogShippingStatus) -> bool {
    let mut conditions = status.conditions.iter();
    let delivering = conditions.find(|condition| condition.type_ == ConditionType::Delivering.as_str());
    delivering.is_some_and(|condition| condition.status == Truth::False.as_str())
}

/// The first revision that is seen is no change.
fn reloaded(known: &KnownTarget, loaded: Option<&String>, pods: usize) -> Option<(EventReason, String)> {
    let (before, now) = (known.loaded.as_ref()?, loaded?);
    (before != now).then(|| {
        let message = format!("{pods} of {pods} sidecars run revision {now} now, before it was {before}");
        (EventReason::ConfigReloaded, message)
    })
}

fn turned(known: &KnownTarget, arrival: &Arrival, pods: usize) -> Option<(EventReason, String)> {
    match (known.fails, arrival) {
        (false, Arrival::Fail(message)) => Some((EventReason::DeliveryFailing, message.clone())),
        (true, Arrival::Arrive) => {
            let message = format!("the logs of {pods} of {pods} pods reach every destination again");
            Some((EventReason::DeliveryRecovered, message))
        }
        (true, Arrival::Fail(_)) | (false, Arrival::Arrive) | (_, Arrival::Unseen) => None,
    }
}

#[cfg(test)]
mod tests {
    use crds::status::{TargetRef, WorstTarget};
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

    use super::*;

    fn vitals(loaded: Option<&str>, arrival: Arrival) -> Vec<Vitals> {
        vec![Vitals {
            deployment: "server".to_owned(),
            pods: 2,
            loaded: loaded.map(str::to_owned),
            arrival,
        }]
    }

    /// Reasons of what is told of one Deployment, look by look.
    fn told(read: Option<&LogShippingStatus>, looks: Vec<Vec<Vitals>>) -> Vec<&'static str> {
        let (mut news, key) = (News::default(), ShippingKey::new("shop", "logs"));
        let object = Object {
            key: &key,
            uid: "u",
            read,
        };
        let tidings = looks.into_iter().flat_map(|vitals| news.learn(object, vitals));
        tidings.map(|tiding| tiding.reason.as_str()).collect()
    }

    #[test]
    fn only_transitions_are_told() {
        use Arrival::{Arrive, Unseen};
        let fail = || Arrival::Fail("pod p: no".to_owned());
        for (looks, expected) in [
            (vec![vitals(Some("a"), Arrive), vitals(Some("a"), Arrive)], vec![]),
            (
                vec![
                    vitals(Some("a"), Arrive),
                    vitals(None, Unseen),
                    vitals(Some("b"), Arrive),
                ],
                vec!["ConfigReloaded"],
            ),
            (
                vec![
                    vitals(None, fail()),
                    vitals(None, fail()),
                    vitals(None, Unseen),
                    vitals(None, Arrive),
                ],
                vec!["DeliveryFailing", "DeliveryRecovered"],
            ),
            // A Deployment that is selected no more and then again begins anew.
            (
                vec![vitals(None, fail()), Vec::new(), vitals(None, fail())],
                vec!["DeliveryFailing", "DeliveryFailing"],
            ),
        ] {
            assert_eq!(told(None, looks.clone()), expected, "{looks:?}");
        }
    }

    fn left_behind(truth: &str, rows: usize) -> LogShippingStatus {
        let row = |number: usize| WorstTarget {
            target: TargetRef {
                kind: "Deployment".to_owned(),
                name: if number == 0 {
                    "server".to_owned()
                } else {
                    number.to_string()
                },
            },
            reason: "Undelivered".to_owned(),
            ..WorstTarget::default()
        };
        LogShippingStatus {
            worst: (1..=rows).rev().map(|number| row(number - 1)).collect(),
            conditions: vec![Condition {
                type_: "Delivering".to_owned(),
                status: truth.to_owned(),
                reason: "Undelivered".to_owned(),
                message: String::new(),
                observed_generation: None,
                last_transition_time: Time(jiff::Timestamp::UNIX_EPOCH),
            }],
            ..LogShippingStatus::default()
        }
    }

    #[test]
    fn what_the_status_said_before_a_restart_is_not_told_again() {
        let fail = || vitals(None, Arrival::Fail("pod p: no".to_owned()));
        let arrive = || vitals(None, Arrival::Arrive);
        let mut full = left_behind("False", MAX_WORST + 1);
        full.worst.retain(|row| row.target.name != "server");
        for (status, looks, expected) in [
            (left_behind("False", 1), vec![fail()], vec![]),
            (left_behind("False", 1), vec![arrive()], vec!["DeliveryRecovered"]),
            (left_behind("False", 0), vec![fail()], vec!["DeliveryFailing"]),
            (full, vec![fail()], vec![]),
            (left_behind("True", 0), vec![arrive(), fail()], vec!["DeliveryFailing"]),
        ] {
            assert_eq!(told(Some(&status), looks), expected);
        }
    }
}
