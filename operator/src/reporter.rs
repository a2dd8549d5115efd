//! One LogShipping: its status summed up and written, and, when it is being deleted, its finalizer taken off once no
//! Deployment carries it any more.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crds::{LogShippingStatus, names};
use jiff::Timestamp;
use kube::{Client, Resource};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::apply::ApplyError;
use crate::events::EventReason;
use crate::finalize;
use crate::metrics::{Controller, Metrics};
use crate::observe::{Cluster, Farewell, Index, ShippingEntry, ShippingKey, ShippingLife, SpecNames, TargetKey, Wakes};
use crate::pens::Pens;
use crate::queue::Next;
use crate::report::news::{News, Tiding, Vitals};
use crate::report::write::{Decision, Object, Written, write};
use crate::report::{Overview, Report, blocked, report};
use crate::settings::Switch;
use crate::tell::Teller;
use crate::transition::Said;

/// How long the first look at all Deployments and sidecars may take before it counts that some weren't seen.
const SURVEY: Duration = Duration::from_secs(60);
const SURVEY_STEP: Duration = Duration::from_millis(500);

/// What working on a LogShipping takes.
#[derive(Clone)]
pub(crate) struct Reporter {
    pub(crate) client: Client,
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) polling: Switch,
    /// From the deletion of a LogShipping; none where it waits for as long as it takes.
    pub(crate) cleanup_deadline: Option<Duration>,
    pub(crate) metrics: Metrics,
    pub(crate) teller: Teller,
    pub(crate) written: Arc<Mutex<Written>>,
    pub(crate) news: Arc<Mutex<News>>,
    pub(crate) pens: Arc<Pens>,
    /// When the work began: a standby may have waited for days.
    pub(crate) began: Instant,
}

impl Reporter {
    /// Works on LogShippings until `stop`.
    pub(crate) async fn run(mut self, limit: usize, stop: CancellationToken) {
        self.began = Instant::now();
        let step = |key| {
            let this = self.clone();
            async move { this.reconcile(key).await }
        };
        self.cluster.shippings.work(limit, &stop, step).await;
    }

    /// Works on a LogShipping once.
    #[tracing::instrument(name = "reporting", skip(self), fields(shipping = %key))]
    async fn reconcile(&self, key: ShippingKey) -> Next {
        let start = Instant::now();
        let entry = self.cluster.index().shipping(&key).cloned();
        let done = match entry {
            None => {
                self.forget(&key);
                Ok(Next::Wait)
            }
            Some(entry) if entry.life == ShippingLife::Deleting => self.release(&key, &entry).await,
            Some(entry) => self.report(&key, &entry).await,
        };
        let (result, next) = match done {
            Ok(next) => ("ok", next),
            Err(error) => {
                error.log();
                (error.reason(), Next::Retry)
            }
        };
        self.metrics.reconciled(Controller::Status, result, start.elapsed());
        next
    }

    /// Targets wake it when they are clean, and when they can't be cleaned.
    async fn release(&self, key: &ShippingKey, entry: &ShippingEntry) -> Result<Next, ApplyError> {
        let carrying = self.cluster.index().not_yet_clean(key, entry);
        let Some(first) = carrying.first() else {
            finalize::release(&self.client, key, entry).await?;
            return Ok(Next::Wait);
        };
        tracing::info!(deployments = carrying.len(), %first, "being deleted, but Deployments still carry it");
        let Some(message) = what_blocks(&self.cluster.index(), &carrying, self.cleanup_deadline) else {
            return Ok(Next::Wait);
        };
        let now = Timestamp::now();
        let left = self.cleanup_deadline.map(|deadline| time_left(entry, deadline, now));
        if left == Some(Duration::ZERO) && nothing_moves(&self.cluster.index(), &carrying) {
            tracing::warn!(message, "let go of a LogShipping; its Deployments are tried again");
            finalize::release(&self.client, key, entry).await?;
            return Ok(Next::Wait);
        }
        let object = Object {
            key,
            uid: &entry.uid,
            read: entry.status.as_ref(),
        };
        let status = blocked(self.written().previous(object, Instant::now()), &message, now);
        let wait = match self.publish(object, status).await? {
            Decision::Later(wait) => Some(wait),
            Decision::Now | Decision::Unchanged => None,
        };
        // Where something still moves, its target wakes us.
        let deadline = left.filter(|left| !left.is_zero());
        Ok(wait.into_iter().chain(deadline).min().map_or(Next::Wait, Next::After))
    }

    /// Right after the beginning little is known, and what was said before is a better account than that.
    fn is_too_early(&self, key: &ShippingKey, entry: &ShippingEntry) -> bool {
        let said = entry
            .status
            .as_ref()
            .is_some_and(|status| status.observed_generation == entry.generation);
        said && self.began.elapsed() < SURVEY && !self.cluster.index().is_surveyed(key, entry, self.polling)
    }

    async fn report(&self, key: &ShippingKey, entry: &ShippingEntry) -> Result<Next, ApplyError> {
        if self.is_too_early(key, entry) {
            return Ok(Next::After(SURVEY_STEP));
        }
        let now = Timestamp::now();
        let object = Object {
            key,
            uid: &entry.uid,
            read: entry.status.as_ref(),
        };
        if let Some(wait) = self.written().pause(object, Instant::now()) {
            // A sum that could not be written is not worth its work: while Deployments roll out there are many.
            return Ok(Next::After(wait));
        }
        self.say_farewells(key, entry);
        let Report {
            status,
            changes_at,
            vitals,
        } = self.sum_up(object, entry, now);
        match self.publish(object, status).await? {
            Decision::Later(wait) => return Ok(Next::After(wait)),
            Decision::Now => self.tell(object, vitals),
            Decision::Unchanged => {}
        }
        let wait = changes_at.map(|at| at.duration_since(now).unsigned_abs() + Duration::from_millis(100));
        Ok(wait.map_or(Next::Wait, Next::After))
    }

    /// Tells what is new about the sidecars of the Deployments.
    fn tell(&self, object: Object<'_>, vitals: Vec<Vitals>) {
        let tidings = lock(&self.news).learn(object, vitals);
        for Tiding {
            deployment,
            reason,
            message,
        } in tidings
        {
            self.tell_of(object.key, &deployment, reason, message);
        }
    }

    fn tell_of(&self, key: &ShippingKey, deployment: &str, reason: EventReason, message: String) {
        let target = TargetKey::new(&key.namespace, deployment);
        let reference = self
            .cluster
            .index()
            .deployment(&target)
            .map(|found| found.object_ref(&()));
        if let Some(reference) = reference {
            let shippings = vec![key.name.clone()];
            self.teller.tell(
                &reference,
                Said {
                    reason,
                    shippings,
                    message,
                },
            );
        }
    }

    /// Tells which pods went with logs that a destination didn't take.
    fn say_farewells(&self, key: &ShippingKey, entry: &ShippingEntry) {
        let farewells = self.cluster.index().farewells(key).to_vec();
        if farewells.is_empty() {
            return;
        }
        self.drop_farewells(key);
        for farewell in farewells {
            let message = left_behind(&farewell, &entry.names);
            self.tell_of(key, &farewell.deployment, EventReason::LogsLeftBehind, message);
        }
    }

    fn drop_farewells(&self, key: &ShippingKey) {
        self.cluster.change(|index| {
            index.forget_farewells(key);
            Wakes::default()
        });
    }

    /// Writes a status that differs, unless that has to wait.
    async fn publish(&self, object: Object<'_>, status: LogShippingStatus) -> Result<Decision, ApplyError> {
        let key = object.key;
        let decision = self.written().decide(object, &status, Instant::now());
        match decision {
            Decision::Later(_) => return Ok(decision),
            Decision::Unchanged => {}
            Decision::Now => {
                let _pen = self.pens.take(key).await;
                let metadata = write(&self.client, key, &status).await?;
                self.cluster.change(|index| index.learn_shipping(key, &metadata));
                self.metrics.wrote("ok");
                self.written().wrote(object, status.clone(), Instant::now());
            }
        }
        self.metrics
            .set_conditions(&key.namespace, &key.name, &status.conditions);
        Ok(decision)
    }

    fn sum_up(&self, object: Object<'_>, entry: &ShippingEntry, now: Timestamp) -> Report {
        let written = self.written();
        let index = self.cluster.index();
        let previous = written.previous(object, Instant::now());
        report(&Overview::of(&index, object.key, entry, previous, self.polling), now)
    }

    fn forget(&self, key: &ShippingKey) {
        self.written().forget(key);
        lock(&self.news).forget(key);
        self.drop_farewells(key);
        self.metrics.set_conditions(&key.namespace, &key.name, &[]);
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        lock(&self.written)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The name of the destination is the sidecar's, so it counts only if the specification has it.
fn left_behind(farewell: &Farewell, names: &SpecNames) -> String {
    let Farewell {
        deployment: _,
        pod,
        destination,
        pending_bytes,
    } = farewell;
    let destination = if names.destinations.contains(destination) {
        format!("destination {destination}")
    } else {
        "a destination".to_owned()
    };
    format!(
        "pod {pod} ended while {destination} failed: when its sidecar was last asked, {pending_bytes} bytes of logs were not \
         delivered. They are gone if their volume was the pod's own"
    )
}

/// Why Deployments can't be cleaned; none as long as that is only under way.
fn what_blocks(index: &Index, carrying: &BTreeSet<TargetKey>, deadline: Option<Duration>) -> Option<String> {
    let blocked: Vec<_> = carrying
        .iter()
        .filter_map(|target| Some((&target.name, index.state(target)?.held_up.as_ref()?)))
        .collect();
    let (name, why) = blocked.first()?;
    let more = match blocked.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more Deployments)"),
    };
    let goes = deadline.map_or_else(String::new, |deadline| {
        format!(
            " The LogShipping goes all the same {} s after its deletion.",
            deadline.as_secs()
        )
    });
    Some(format!(
        "the sidecar can't be taken out of Deployment {name}{more}: {why}. The operator goes on trying.{goes} To delete the \
         LogShipping at once remove its finalizer {}",
        names::FINALIZER
    ))
}

fn time_left(entry: &ShippingEntry, deadline: Duration, now: Timestamp) -> Duration {
    let waited = entry.deleted_at.map_or(Duration::ZERO, |at| {
        Duration::try_from(now.duration_since(at)).unwrap_or_default()
    });
    deadline.saturating_sub(waited)
}

/// Whether each of the Deployments waits for somebody who acts.
fn nothing_moves(index: &Index, carrying: &BTreeSet<TargetKey>) -> bool {
    let held_up = |target| index.state(target).is_some_and(|state| state.held_up.is_some());
    carrying.iter().all(held_up)
}
