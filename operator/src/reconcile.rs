//! One target: observe, plan, apply, and remember how it stands for the status of the LogShippings.

use std::time::{Duration, Instant};

use crds::conditions::Reason;
use k8s_openapi::api::apps::v1::Deployment;
use kube::{Client, Resource};
use tokio_util::sync::CancellationToken;

use crate::apply::{ApplyError, Writes, Written, apply};
use crate::events::{EventReason, Events, Notice};
use crate::finalize;
use crate::metrics::{Controller, Metrics};
use crate::observe::{Cluster, ShippingKey, TargetKey, observe};
use crate::observed::Observed;
use crate::plan::{self, EventKind, Finding, Plan, Standing, TargetState, plan};
use crate::queue::{Next, random};
use crate::settings::Switch;

/// Everything is looked at again after this time, whatever the watches say.
const RESYNC: Duration = Duration::from_secs(600);
/// What can't be done is tried again after this time: what holds it up isn't always watched.
const RETRY_FAILED: Duration = Duration::from_secs(60);

/// What working on a target takes.
#[derive(Clone)]
pub(crate) struct Reconciler {
    pub(crate) client: Client,
    pub(crate) cluster: std::sync::Arc<Cluster>,
    pub(crate) settings: plan::Settings,
    pub(crate) nudge: Switch,
    pub(crate) events: Events,
    pub(crate) metrics: Metrics,
}

impl Reconciler {
    /// Works on targets until `stop`.
    pub(crate) async fn run(self, limit: usize, stop: CancellationToken) {
        tracing::info!("everything is listed; beginning to work");
        self.metrics.leads();
        let step = |target| {
            let this = self.clone();
            async move { this.reconcile(target).await }
        };
        self.cluster.targets.work(limit, &stop, step).await;
    }

    /// Works on a target once.
    #[tracing::instrument(name = "reconciling target", skip(self), fields(target = %target))]
    async fn reconcile(&self, target: TargetKey) -> Next {
        let start = Instant::now();
        let (result, next) = match observe(&self.client, &self.cluster, &target).await {
            Ok(Some(observed)) => self.carry_out(&target, &observed).await,
            Ok(None) => {
                self.cluster.change(|index| index.set_state(&target, None));
                ("ok", Next::Wait)
            }
            Err(error) => {
                tracing::warn!(%error, "the target could not be observed");
                ("unavailable", Next::Retry)
            }
        };
        self.metrics.reconciled(Controller::Target, result, start.elapsed());
        next
    }

    async fn carry_out(&self, target: &TargetKey, observed: &Observed) -> (&'static str, Next) {
        let Plan {
            config_map,
            patch,
            nudges,
            delete_config_map,
            events,
            mut state,
        } = plan(observed, &self.settings);
        let action = patch.as_ref().map(|patch| patch.action);
        let writes = Writes {
            config_map,
            patch,
            nudges,
            delete_config_map,
        };
        if writes.brings_something() {
            // From the first write until it is observed again it carries what it had and what it is given.
            let given = carried_after(&state);
            state.carried.extend(given);
        }
        match self.write(target, observed, writes).await {
            Ok(written) => {
                if let Some(action) = action {
                    tracing::info!(action = action.as_str(), "patched");
                }
                let next = self.next(&state, written.not_nudged.as_ref());
                self.learn(written);
                for event in &events {
                    self.tell(&observed.deployment, event.into());
                }
                self.remember(target, &observed.deployment, state);
                ("ok", next)
            }
            Err(error) => {
                self.failed(&error);
                let before = self.cluster.index().state(target).cloned();
                self.remember(target, &observed.deployment, after_failure(before, state, &error));
                (error.reason(), Next::Retry)
            }
        }
    }

    async fn write(&self, target: &TargetKey, observed: &Observed, writes: Writes) -> Result<Written, ApplyError> {
        if writes.is_empty() {
            return Ok(Written::default());
        }
        if writes.brings_something() {
            for shipping in observed.shippings.iter().filter(|shipping| shipping.verdict.is_ok()) {
                self.hold(&ShippingKey::new(&target.namespace, &shipping.name)).await?;
            }
        }
        let written = apply(&self.client, target, writes, self.nudge).await?;
        self.metrics.wrote("ok");
        Ok(written)
    }

    /// When to look again though nothing happens.
    fn next(&self, state: &TargetState, not_nudged: Option<&ApplyError>) -> Next {
        if let Some(error) = not_nudged {
            self.failed(error);
            return Next::Retry;
        }
        let wait = if has_failed(state) { RETRY_FAILED } else { RESYNC };
        Next::After(wait.mul_f64(0.9 + random() / 5.0))
    }

    /// Puts the finalizer on a LogShipping before anything is changed for it.
    async fn hold(&self, key: &ShippingKey) -> Result<(), ApplyError> {
        let entry = self.cluster.index().shipping(key).cloned();
        match entry {
            Some(entry) => finalize::hold(&self.client, key, &entry).await,
            None => Ok(()),
        }
    }

    fn failed(&self, error: &ApplyError) {
        self.metrics.wrote(error.reason());
        error.log();
    }

    /// Takes in what was written before the watches deliver it, so that the next plan isn't made from something old.
    fn learn(&self, written: Written) {
        let Written {
            config_map,
            deployment,
            not_nudged: _,
        } = written;
        if let Some(config_map) = config_map {
            self.cluster.learn_config_map(config_map);
        }
        if let Some(deployment) = deployment {
            self.cluster.learn_deployment(deployment);
        }
    }

    fn remember(&self, target: &TargetKey, deployment: &Deployment, state: TargetState) {
        let before = self.cluster.index().state(target).cloned().unwrap_or_default();
        for transition in transitions(&before, &state) {
            self.tell(deployment, transition);
        }
        self.cluster.change(|index| index.set_state(target, Some(state)));
    }

    fn tell(&self, deployment: &Deployment, said: Said) {
        let Said {
            reason,
            shippings,
            message,
        } = said;
        let on_deployment = deployment.object_ref(&());
        let namespace = deployment.metadata.namespace.clone().unwrap_or_default();
        for name in &shippings {
            let uid = self
                .cluster
                .index()
                .shipping(&ShippingKey::new(&namespace, name))
                .map(|entry| entry.uid.clone());
            // A LogShipping that is gone has nobody who would read it.
            let Some(uid) = uid else { continue };
            let mut regarding = crate::report::reference(&namespace, name);
            regarding.uid = Some(uid);
            self.events.tell(Notice {
                reason,
                message: format!(
                    "Deployment {}: {message}",
                    on_deployment.name.as_deref().unwrap_or_default()
                ),
                regarding,
                related: Some(on_deployment.clone()),
            });
        }
        self.events.tell(Notice {
            reason,
            message,
            regarding: on_deployment,
            related: None,
        });
    }
}

/// Something to tell about a Deployment.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    reason: EventReason,
    shippings: Vec<String>,
    message: String,
}

impl From<&plan::Event> for Said {
    fn from(event: &plan::Event) -> Self {
        Self {
            reason: match event.kind {
                EventKind::Injected => EventReason::Injected,
                EventKind::CleanedUp => EventReason::CleanedUp,
            },
            shippings: event.shippings.clone(),
            message: event.message.clone(),
        }
    }
}

fn carried_after(state: &TargetState) -> Vec<String> {
    let carried = state
        .shippings
        .iter()
        .filter(|(_, shipping)| shipping.revision.is_some());
    carried.map(|(name, _)| name.clone()).collect()
}

fn has_failed(state: &TargetState) -> bool {
    state
        .shippings
        .values()
        .any(|shipping| matches!(shipping.standing, Standing::Failed(_)))
}

/// How a target stands whose plan was not carried out: as before, unless somebody has to act.
fn after_failure(before: Option<TargetState>, mut planned: TargetState, error: &ApplyError) -> TargetState {
    let standing = match error {
        ApplyError::Refused { .. } => Standing::Failed(Finding {
            reason: Reason::PatchFailed,
            message: format!("{error}: {}; it is tried again", error.words()),
        }),
        ApplyError::Stale { .. } | ApplyError::Unavailable { .. } => match before {
            Some(mut before) => {
                // A part of the plan may have been carried out.
                before.carried.append(&mut planned.carried);
                return before;
            }
            None => Standing::InProgress,
        },
    };
    for shipping in planned.shippings.values_mut() {
        if matches!(shipping.standing, Standing::Injected | Standing::InProgress) {
            shipping.standing = standing.clone();
        }
    }
    planned
}

/// What is worth an event: a LogShipping is newly kept from a Deployment.
fn transitions(before: &TargetState, after: &TargetState) -> Vec<Said> {
    let changed = after.shippings.iter().filter_map(|(name, shipping)| {
        let (reason, finding) = worth_telling(&shipping.standing)?;
        let was = before
            .shippings
            .get(name)
            .and_then(|shipping| worth_telling(&shipping.standing));
        let same = was.is_some_and(|(_, was)| was.reason == finding.reason);
        (!same).then(|| Said {
            reason,
            shippings: vec![name.clone()],
            message: finding.message.clone(),
        })
    });
    changed.collect()
}

fn worth_telling(standing: &Standing) -> Option<(EventReason, &Finding)> {
    match standing {
        Standing::Skipped(finding) => Some((EventReason::Skipped, finding)),
        Standing::Failed(finding) if finding.reason == Reason::Conflict => {
            Some((EventReason::ConflictDetected, finding))
        }
        Standing::Injected | Standing::InProgress | Standing::Failed(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::ShippingState;

    fn state(standing: Standing) -> TargetState {
        let shipping = ShippingState {
            revision: None,
            standing,
        };
        TargetState {
            shippings: [("logs".to_owned(), shipping)].into(),
            ..TargetState::default()
        }
    }

    fn finding(reason: Reason, message: &str) -> Finding {
        Finding {
            reason,
            message: message.to_owned(),
        }
    }

    fn refused() -> ApplyError {
        let mut status = kube::core::Status::failure("the webhook says no", "Forbidden");
        status.code = 403;
        ApplyError::of("the Deployment", kube::Error::Api(Box::new(status)))
    }

    #[test]
    fn what_is_refused_is_told_in_the_servers_words_and_what_is_late_changes_nothing() {
        let failed = after_failure(None, state(Standing::InProgress), &refused());
        let Standing::Failed(finding) = &failed.shippings["logs"].standing else {
            panic!("{failed:?}");
        };
        assert_eq!(finding.reason, Reason::PatchFailed);
        assert_eq!(
            finding.message,
            "the Deployment was refused: the webhook says no; it is tried again"
        );

        let late = ApplyError::of("the Deployment", kube::Error::LinesCodecMaxLineLengthExceeded);
        let before = state(Standing::Injected);
        assert_eq!(
            after_failure(Some(before.clone()), state(Standing::InProgress), &late),
            before
        );
        assert_eq!(
            after_failure(None, state(Standing::Injected), &late),
            state(Standing::InProgress),
            "nothing was seen yet"
        );
    }

    #[test]
    fn only_transitions_are_told() {
        let conflict = state(Standing::Failed(finding(Reason::Conflict, "ours?")));
        let other_words = state(Standing::Failed(finding(Reason::Conflict, "still")));
        let skipped = state(Standing::Skipped(finding(Reason::OptedOut, "no")));
        let reasons = |before: &TargetState, after: &TargetState| -> Vec<_> {
            transitions(before, after).into_iter().map(|said| said.reason).collect()
        };
        assert_eq!(
            reasons(&TargetState::default(), &conflict),
            [EventReason::ConflictDetected]
        );
        assert_eq!(reasons(&conflict, &other_words), []);
        assert_eq!(reasons(&conflict, &skipped), [EventReason::Skipped]);
        assert_eq!(reasons(&skipped, &state(Standing::Injected)), []);
    }
}
