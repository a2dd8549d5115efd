//! Who undoes what we write: to make the same change of the same Deployment again and again is a quarrel that nobody
//! wins and that restarts the application each time. After a few tries the operator gives way, says who writes
//! otherwise, and tries again ever more rarely.
//!
//! The judgement is pure: the time comes in as an argument. What is forgotten at a restart are the tries, so a quarrel
//! begins anew with as few of them.

use std::collections::BTreeMap;
use std::time::Duration;

use crds::conditions::Reason;
use crds::names;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use kube::{Api, Client};
use tokio::time::Instant;

use crate::observe::TargetKey;
use crate::plan::{Finding, Standing, TargetState};

/// The same change is made so often without a pause: an owner who replaces the whole object undoes it once.
const TRIES: u32 = 3;
/// The first pause; it doubles with each further try.
const PAUSE: Duration = Duration::from_secs(600);
const LONGEST: Duration = Duration::from_secs(3600);
/// What lasted so long is not a quarrel: an owner who replaces the whole object with each release may do so. Three tries
/// then stand within ten minutes.
const PEACE: Duration = Duration::from_secs(300);

/// What a patch leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Aim {
    /// A Deployment of the same name is another one.
    pub(crate) uid: Option<String>,
    /// Pod shape of the template afterwards; none where everything of ours goes.
    pub(crate) shape: Option<String>,
}

/// The last aim for each Deployment, and how often it was pursued.
#[derive(Debug, Default)]
pub(crate) struct Contests {
    tried: BTreeMap<TargetKey, Tried>,
}

#[derive(Debug)]
struct Tried {
    aim: Aim,
    times: u32,
    last: Instant,
}

impl Contests {
    /// How long to leave the Deployment as it is; none when the patch may be sent.
    pub(crate) fn pause(&self, target: &TargetKey, aim: &Aim, now: Instant) -> Option<Duration> {
        let tried = self.tried.get(target).filter(|tried| tried.aim == *aim)?;
        let left = (tried.last + tried.pause()).saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    pub(crate) fn wrote(&mut self, target: &TargetKey, aim: Aim, now: Instant) {
        let before = self.tried.get(target);
        let again = before.filter(|tried| tried.aim == aim && now < tried.last + tried.pause() + PEACE);
        let times = again.map_or(0, |tried| tried.times).saturating_add(1);
        self.tried.insert(target.clone(), Tried { aim, times, last: now });
    }

    pub(crate) fn forget(&mut self, target: &TargetKey) {
        self.tried.remove(target);
    }
}

impl Tried {
    /// From the last try to the next one.
    fn pause(&self) -> Duration {
        let beyond = self.times.checked_sub(TRIES);
        beyond.map_or(Duration::ZERO, |beyond| {
            LONGEST.min(PAUSE.saturating_mul(2_u32.saturating_pow(beyond)))
        })
    }
}

/// How a target stands whose patch isn't sent.
pub(crate) fn concede(state: &mut TargetState, by: Option<&str>) {
    let who = by.map_or_else(
        || "an admission webhook, most likely".to_owned(),
        |manager| format!("the last other writer on record is field manager {manager:?}"),
    );
    let message = format!(
        "what the operator writes into the pod template was undone {TRIES} times in a row: {who}. It is tried again ever \
         more rarely; have that writer leave alone what is named logshipping, or set annotation {}: \"false\" on the \
         Deployment",
        names::INJECT
    );
    let finding = Finding {
        reason: Reason::Conflict,
        message,
    };
    state.held_up = Some(finding.message.clone());
    for shipping in state.shippings.values_mut() {
        if shipping.standing == Standing::InProgress {
            shipping.standing = Standing::Failed(finding.clone());
        }
    }
}

/// The field manager, other than ours, that wrote the pod template last. Asks the API server: the index doesn't keep it.
pub(crate) async fn last_writer(client: &Client, target: &TargetKey) -> Option<String> {
    let api: Api<Deployment> = Api::namespaced(client.clone(), &target.namespace);
    match api.get_opt(&target.name).await {
        Ok(deployment) => last_other(&deployment?.metadata),
        Err(error) => {
            tracing::warn!(%error, "the field managers of a Deployment could not be read");
            None
        }
    }
}

fn last_other(metadata: &ObjectMeta) -> Option<String> {
    let writes_template = |entry: &&ManagedFieldsEntry| {
        let fields = entry.fields_v1.as_ref().map(|fields| &fields.0);
        fields.is_some_and(|fields| fields.pointer("/f:spec/f:template").is_some())
    };
    let others = metadata.managed_fields.iter().flatten();
    others
        .filter(|entry| entry.manager.as_deref() != Some(names::FIELD_MANAGER))
        .filter(writes_template)
        .max_by_key(|entry| entry.time.as_ref().map(|time| time.0))
        .and_then(|entry| entry.manager.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn aim(shape: &str) -> Aim {
        Aim {
            uid: None,
            shape: Some(shape.to_owned()),
        }
    }

    #[test]
    fn the_same_change_is_made_a_few_times_and_then_ever_more_rarely() {
        let (mut contests, target) = (Contests::default(), TargetKey::new("shop", "server"));
        let mut now = Instant::now();
        for _ in 0..TRIES {
            assert_eq!(contests.pause(&target, &aim("a"), now), None);
            contests.wrote(&target, aim("a"), now);
        }
        for minutes in [10, 20, 40, 60, 60] {
            let pause = contests.pause(&target, &aim("a"), now);
            assert_eq!(pause, Some(Duration::from_secs(minutes * 60)));
            now += pause.unwrap_or_default();
            assert_eq!(contests.pause(&target, &aim("a"), now), None);
            contests.wrote(&target, aim("a"), now);
        }
        now += LONGEST + PEACE;
        contests.wrote(&target, aim("a"), now);
        assert_eq!(contests.pause(&target, &aim("a"), now), None, "it had lasted");
    }

    #[test]
    fn changes_that_are_asked_for_are_no_quarrel() {
        let (mut contests, target) = (Contests::default(), TargetKey::new("shop", "server"));
        let now = Instant::now();
        for number in 0..20 {
            let aim = aim(if number % 2 == 0 { "a" } else { "b" });
            assert_eq!(contests.pause(&target, &aim, now), None);
            contests.wrote(&target, aim, now);
        }
    }

    #[test]
    fn the_other_writer_of_the_template_is_named() -> Result<(), serde_json::Error> {
        let entry = |manager: &str, second: u32, fields: serde_json::Value| {
            json!({"manager": manager, "operation": "Update",
            "time": format!("2026-01-01T00:00:{second:02}Z"), "fieldsType": "FieldsV1", "fieldsV1": fields})
        };
        let template = json!({"f:spec": {"f:template": {}}});
        let metadata = json!({"managedFields": [
            entry("helm", 1, template.clone()),
            entry("tenant-controller", 2, template.clone()),
            entry(names::FIELD_MANAGER, 3, template),
            entry("kube-controller-manager", 4, json!({"f:status": {}})),
        ]});
        let metadata = serde_json::from_value(metadata)?;
        assert_eq!(last_other(&metadata).as_deref(), Some("tenant-controller"));
        assert_eq!(last_other(&ObjectMeta::default()), None);
        Ok(())
    }
}
