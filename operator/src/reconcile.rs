//! One target: observe, plan, apply, and remember how it stands for the status of the LogShippings.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crds::conditions::Reason;
use k8s_openapi::api::apps::v1::Deployment;
use kube::{Client, Resource};
use tokio_util::sync::CancellationToken;

use crate::apply::{ApplyError, Writes, Written, apply};
use crate::contest::{self, Aim, Contests};
use crate::events::{Events, Notice};
use crate::finalize;
use crate::metrics::{Controller, Metrics};
use crate::observe::{Cluster, ShippingEntry, ShippingKey, TargetKey, observe};
use crate::observed::Observed;
use crate::pens::Pens;
use crate::plan::{self, DeploymentPatch, Finding, Plan, Standing, TargetState, plan};
use crate::queue::{Next, random};
use crate::settings::Switch;
use crate::transition::{Said, is_known, is_listed, transitions};

/// Everything is looked at again after this time, whatever the watches say.
const RESYNC: Duration = Duration::from_secs(600);
/// What can't be done is tried again after this time: what holds it up isn't always watched.
const RETRY_FAILED: Duration = Duration::from_secs(60);

/// Whether a ConfigMap of somebody else is still in the way: it lacks our label, so no watch tells of it.
const RETRY_UNWATCHED: Duration = Duration::from_secs(10);

/// A patch that changed nothing is looked at again after this time.
const UNDONE: Duration = Duration::from_secs(1);

/// What working on a target takes.
#[derive(Clone)]
pub(crate) struct Reconciler {
    pub(crate) client: Client,
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) settings: plan::Settings,
    pub(crate) nudge: Switch,
    pub(crate) events: Events,
    pub(crate) metrics: Metrics,
    pub(crate) contests: Arc<Mutex<Contests>>,
    pub(crate) pens: Arc<Pens>,
}

impl Reconciler {
    /// Works on targets until `stop`.
    pub(crate) async fn run(self, limit: usize, stop: CancellationToken) {
        tracing::info!("everything is listed; beginning to work");
        self.metrics.leads();
        let step = |target| {
            let this = self.clone();
            // On the heap: it is large, and there is one for each target that is worked on.
            async move { Box::pin(this.reconcile(target)).await }
        };
        self.cluster.targets.work(limit, &stop, step).await;
    }

    /// Works on a target once.
    #[tracing::instrument(name = "reconciling target", skip(self), fields(target = %target))]
    pub(crate) async fn reconcile(&self, target: TargetKey) -> Next {
        let start = Instant::now();
        let (result, next) = match observe(&self.client, &self.cluster, &target).await {
            Ok(Some(observed)) => self.carry_out(&target, &observed).await,
            Ok(None) => {
                self.cluster.change(|index| index.set_state(&target, None));
                self.contests().forget(&target);
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
        let mut plan = plan(observed, &self.settings);
        let pause = self.give_way(target, &observed.deployment, &mut plan).await;
        let Plan {
            config_map,
            patch,
            nudges,
            delete_config_map,
            events,
            mut state,
        } = plan;
        let sent = patch
            .as_ref()
            .map(|patch| (patch.action, aim(&observed.deployment, patch)));
        let writes = Writes {
            config_map,
            patch,
            nudges,
            delete_config_map,
        };
        let given = carried_after(&state);
        if writes.brings_something() {
            // From the first write until it is observed again it carries what it had and what it is given.
            state.carried.extend(given.iter().cloned());
        }
        match self.write(target, &given, writes).await {
            Ok(written) => {
                if let Some((action, aim)) = sent {
                    tracing::info!(action = action.as_str(), "patched");
                    let recorded = written.deployment.as_ref();
                    let recorded = recorded.and_then(|deployment| contest::recorded(&deployment.metadata));
                    self.contests()
                        .wrote(target, aim, tokio::time::Instant::now(), recorded);
                }
                let next = self.next(&state, target, observed, &written, pause);
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

    /// Takes the patch out of a plan when the same one was undone again and again, and tells how long to wait.
    async fn give_way(&self, target: &TargetKey, deployment: &Deployment, plan: &mut Plan) -> Option<Duration> {
        let Some(patch) = &plan.patch else {
            if plan.state.carried.is_empty() {
                self.contests().forget(target);
            }
            return None;
        };
        let aim = aim(deployment, patch);
        let pause = self.contests().judge(target, &aim, tokio::time::Instant::now())?;
        let mut by = pause.by;
        if by.is_none() {
            by = contest::undoer(&self.client, target, pause.written.as_ref()).await;
            if let Some(by) = &by {
                self.contests().blame(target, by);
            }
        }
        plan.patch = None;
        plan.events.clear();
        contest::concede(&mut plan.state, by.as_ref());
        Some(pause.left)
    }

    fn contests(&self) -> MutexGuard<'_, Contests> {
        self.contests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `given` are the names of the LogShippings that the target carries afterwards.
    async fn write(&self, target: &TargetKey, given: &[String], writes: Writes) -> Result<Written, ApplyError> {
        if writes.is_empty() {
            return Ok(Written::default());
        }
        if writes.brings_something() {
            for name in given {
                self.hold(&ShippingKey::new(&target.namespace, name)).await?;
            }
        }
        let written = apply(&self.client, target, writes, self.nudge).await?;
        self.metrics.wrote("ok");
        Ok(written)
    }

    /// When to look again though nothing happens.
    fn next(
        &self,
        state: &TargetState,
        target: &TargetKey,
        observed: &Observed,
        written: &Written,
        pause: Option<Duration>,
    ) -> Next {
        if let Some(error) = &written.not_nudged {
            self.failed(error);
            return Next::Retry;
        }
        let version = |deployment: &Deployment| deployment.metadata.resource_version.clone();
        if written.deployment.as_ref().map(version) == Some(version(&observed.deployment)) {
            // Something on its way has undone it, and no watch tells of that.
            return Next::After(UNDONE);
        }
        let unwatched = observed.config_map.is_some() && self.cluster.index().config_map(target).is_none();
        let wait = match has_failed(state) {
            true if unwatched => RETRY_UNWATCHED,
            true => RETRY_FAILED,
            false => RESYNC,
        };
        Next::After(pause.unwrap_or_else(|| wait.mul_f64(0.9 + random() / 5.0)))
    }

    /// Puts the finalizer on a LogShipping before anything is changed for it.
    async fn hold(&self, key: &ShippingKey) -> Result<(), ApplyError> {
        if self.not_held(key).is_none() {
            return Ok(());
        }
        let _pen = self.pens.take(key).await;
        // Who had it before may have done it.
        if let Some(entry) = self.not_held(key) {
            let metadata = finalize::hold(&self.client, key, &entry).await?;
            self.cluster.change(|index| index.learn_shipping(key, &metadata));
        }
        Ok(())
    }

    fn not_held(&self, key: &ShippingKey) -> Option<ShippingEntry> {
        let index = self.cluster.index();
        index.shipping(key).filter(|entry| !entry.is_held()).cloned()
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
        for transition in self.news(target, &state) {
            self.tell(deployment, transition);
        }
        self.cluster.change(|index| index.set_state(target, Some(state)));
    }

    /// Since the start only what was seen is known; before that it is what the status says.
    fn news(&self, target: &TargetKey, state: &TargetState) -> Vec<Said> {
        let index = self.cluster.index();
        let before = index.state(target);
        let left_behind = |name: &str, finding: &Finding| {
            let entry = index.shipping(&ShippingKey::new(&target.namespace, name));
            let status = entry.and_then(|entry| entry.status.as_ref());
            status.is_some_and(|status| is_listed(status, &target.name, finding))
        };
        transitions(state, |name, finding| {
            before.map_or_else(|| left_behind(name, finding), |before| is_known(before, name, finding))
        })
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

fn aim(deployment: &Deployment, patch: &DeploymentPatch) -> Aim {
    Aim {
        uid: deployment.metadata.uid.clone(),
        shape: patch.shape.clone(),
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
        ApplyError::Refused { .. } => {
            let message = format!("{error}: {}; it is tried again", error.words());
            planned.held_up = Some(message.clone());
            Standing::Failed(Finding {
                reason: Reason::PatchFailed,
                message,
            })
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> ApplyError {
        let mut status = kube::core::Status::failure("the webhook says no", "Forbidden");
        status.code = 403;
        ApplyError::of("the Deployment", kube::Error::Api(Box::new(status)))
    }

    #[test]
    fn what_is_refused_is_told_in_the_servers_words_and_what_is_late_changes_nothing() {
        let failed = after_failure(None, TargetState::of_one(Standing::InProgress), &refused());
        let Standing::Failed(finding) = &failed.shippings["logs"].standing else {
            panic!("{failed:?}");
        };
        assert_eq!(finding.reason, Reason::PatchFailed);
        assert_eq!(
            finding.message,
            "the Deployment was refused: the webhook says no; it is tried again"
        );

        let late = ApplyError::of("the Deployment", kube::Error::LinesCodecMaxLineLengthExceeded);
        let before = TargetState::of_one(Standing::Injected);
        assert_eq!(
            after_failure(Some(before.clone()), TargetState::of_one(Standing::InProgress), &late),
            before
        );
        assert_eq!(
            after_failure(None, TargetState::of_one(Standing::Injected), &late),
            TargetState::of_one(Standing::InProgress),
            "nothing was seen yet"
        );
    }
}
