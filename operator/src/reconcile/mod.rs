//! One target: observe, plan, apply, and remember how it stands for the status of the LogShippings.

mod outcome;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, Client, Resource};
use tokio_util::sync::CancellationToken;

use self::outcome::{after_failure, aim, carried_after, has_failed};
use crate::apply::{ApplyError, Writes, Written, apply};
use crate::contest::{self, Contests};
use crate::finalize;
use crate::metrics::{Controller, Metrics};
use crate::observe::{Cluster, Learnt, ShippingEntry, ShippingKey, TargetKey, find_config_map, snapshot};
use crate::observed::Observed;
use crate::pens::Pens;
use crate::plan::{self, ConfigMapWrite, Finding, Plan, TargetState, plan};
use crate::queue::{Next, random};
use crate::settings::Switch;
use crate::tell::Teller;
use crate::transition::{Said, is_known, is_listed, transitions};

/// Everything is looked at again after this time, whatever the watches say.
const RESYNC: Duration = Duration::from_secs(600);
/// What can't be done is tried again after this time: what holds it up isn't always watched.
const RETRY_FAILED: Duration = Duration::from_secs(60);

/// Whether a ConfigMap of somebody else is still in the way: it lacks our label, so no watch tells of it.
const RETRY_UNWATCHED: Duration = Duration::from_secs(10);

/// A patch that changed nothing is looked at again after this time.
const UNDONE: Duration = Duration::from_secs(1);

/// How often a target is looked at anew at once when somebody else has just written it: its owner's controllers write a
/// Deployment several times within the first second of its life.
const TRIES: u32 = 5;

/// What working on a target takes.
#[derive(Clone)]
pub(crate) struct Reconciler {
    pub(crate) client: Client,
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) settings: plan::Settings,
    pub(crate) nudge: Switch,
    pub(crate) teller: Teller,
    pub(crate) metrics: Metrics,
    pub(crate) contests: Arc<Mutex<Contests>>,
    pub(crate) pens: Arc<Pens>,
}

/// Outcome for the metrics, and when to look again.
type Done = (&'static str, Next);

/// How a ConfigMap of our name that is somebody else's is found before anything is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Search {
    /// The API server refuses to create a second one: no request more for the many where there is none.
    Create,
    /// By asking for it.
    Get,
}

/// A plan that was not carried out.
struct Failure {
    error: ApplyError,
    deployment: Deployment,
    planned: TargetState,
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
    pub(crate) async fn reconcile(&self, target: TargetKey) -> Next {
        let start = Instant::now();
        let (result, next) = self.work_on(&target).await;
        self.metrics.reconciled(Controller::Target, result, start.elapsed());
        next
    }

    /// Observes again at once what has changed meanwhile, and only then leaves it to the backoff.
    async fn work_on(&self, target: &TargetKey) -> Done {
        let is_new = self.cluster.index().state(target).is_none();
        let mut search = if is_new { Search::Create } else { Search::Get };
        let mut tries = 1;
        loop {
            let failure = match self.attempt(target, search).await {
                Ok(done) => return done,
                Err(failure) => failure,
            };
            self.failed(&failure.error);
            let again = failure.error.is_stale() && tries < TRIES;
            let was_taken = std::mem::replace(&mut search, Search::Get) == Search::Create;
            if !(again && (self.look_again(target).await || was_taken)) {
                return self.give_up(target, failure);
            }
            tries += 1;
        }
    }

    async fn attempt(&self, target: &TargetKey, search: Search) -> Result<Done, Box<Failure>> {
        let Some(mut observed) = snapshot(&self.cluster.index(), target) else {
            self.cluster.change(|index| index.set_state(target, None));
            self.contests().forget(target);
            return Ok(("ok", Next::Wait));
        };
        let mut made = plan(&observed, &self.settings);
        let will_tell = search == Search::Create && matches!(made.config_map, Some(ConfigMapWrite::Create(_)));
        if observed.config_map.is_none() && !will_tell {
            observed.config_map = match find_config_map(&self.client, target).await {
                Ok(found) => found,
                Err(error) => {
                    tracing::warn!(%error, "the target could not be observed");
                    return Ok(("unavailable", Next::Retry));
                }
            };
            if observed.config_map.is_some() {
                made = plan(&observed, &self.settings);
            }
        }
        // On the heap: it is large.
        Box::pin(self.carry_out(target, observed, made)).await
    }

    /// Takes in what the watch will deliver later. Whether that is news.
    async fn look_again(&self, target: &TargetKey) -> bool {
        let api: Api<Deployment> = Api::namespaced(self.client.clone(), &target.namespace);
        match api.get_opt(&target.name).await {
            Ok(Some(deployment)) => self.cluster.learn_deployment(deployment) == Learnt::News,
            Ok(None) | Err(_) => false,
        }
    }

    async fn carry_out(&self, target: &TargetKey, observed: Observed, mut plan: Plan) -> Result<Done, Box<Failure>> {
        let pause = self.give_way(target, &observed.deployment, &mut plan).await;
        let Plan {
            config_map,
            patch,
            nudges,
            delete_config_map,
            events,
            mut state,
        } = plan;
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
        let (written, result) = self.write(target, &given, &observed.deployment, writes).await;
        if let Err(error) = result {
            self.learn(written);
            return Err(Box::new(Failure {
                error,
                deployment: observed.deployment,
                planned: state,
            }));
        }
        let next = self.next(&state, target, &observed, &written, pause);
        self.learn(written);
        for event in &events {
            self.teller.tell(&observed.deployment.object_ref(&()), event.into());
        }
        self.remember(target, &observed.deployment, state);
        Ok(("ok", next))
    }

    fn give_up(&self, target: &TargetKey, failure: Box<Failure>) -> Done {
        let Failure {
            error,
            deployment,
            planned,
        } = *failure;
        let before = self.cluster.index().state(target).cloned();
        self.remember(target, &deployment, after_failure(before, planned, &error));
        (error.reason(), Next::Retry)
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

    /// `given` are the names of the LogShippings that the target carries afterwards. What was written is there also where
    /// the rest of it was not.
    async fn write(
        &self,
        target: &TargetKey,
        given: &[String],
        deployment: &Deployment,
        writes: Writes,
    ) -> (Written, Result<(), ApplyError>) {
        let mut written = Written::default();
        if writes.is_empty() {
            return (written, Ok(()));
        }
        if writes.brings_something() {
            for name in given {
                if let Err(error) = self.hold(&ShippingKey::new(&target.namespace, name)).await {
                    return (written, Err(error));
                }
            }
        }
        let sent = writes
            .patch
            .as_ref()
            .map(|patch| (patch.action, aim(deployment, patch)));
        let result = apply(&self.client, target, writes, self.nudge, &mut written).await;
        if let (Some((action, aim)), Some(patched)) = (sent, &written.deployment) {
            tracing::info!(action = action.as_str(), "patched");
            let recorded = contest::recorded(&patched.metadata);
            self.contests()
                .wrote(target, aim, tokio::time::Instant::now(), recorded);
        }
        if result.is_ok() {
            self.metrics.wrote("ok");
        }
        (written, result)
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
            let _ = self.cluster.learn_deployment(deployment);
        }
    }

    fn remember(&self, target: &TargetKey, deployment: &Deployment, state: TargetState) {
        for transition in self.news(target, &state) {
            self.teller.tell(&deployment.object_ref(&()), transition);
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
}
