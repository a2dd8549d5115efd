//! `logshipping-operator uninstall`: takes the sidecars out of every Deployment before the operator goes.
//!
//! It is the ordinary operator with one difference: every LogShipping counts as being deleted. So the ordinary plan
//! removes what is there, `deletionPolicy: Retain` holds, and finalizers go once nothing carries their object any more.
//! The objects themselves stay. [`turns`] decides how many Deployments restart at once, [`outcome`] what is left; this file
//! is the shell around them. Deliberately not here: giving up on a Deployment. Whatever can't be reverted is tried until
//! the time is over, and then told.

mod outcome;
mod settings;
mod stage;
mod standstill;
mod turns;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kube::Client;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

pub use self::outcome::Outcome;
pub use self::settings::Settings;
pub use self::standstill::StandstillError;
use self::turns::{Turn, Turns};
use crate::events::Events;
use crate::metrics::Metrics;
use crate::observe::{Cluster, TargetKey, watch};
use crate::pens::Pens;
use crate::queue::Next;
use crate::reconcile::Reconciler;
use crate::report::write::Written;
use crate::reporter::Reporter;
use crate::settings::Switch;
use crate::tell::Teller;

/// Deployments and LogShippings that are worked on at once. How many restart at once is a setting.
const WORKERS: usize = 8;
/// How often it is looked whether anything is left.
const LOOK: Duration = Duration::from_millis(500);
/// How long what is under way may take after the end.
const GRACE: Duration = Duration::from_secs(5);

/// Why it could not even begin.
#[derive(Debug, thiserror::Error)]
pub enum UninstallError {
    #[error("the running operator could not be stopped, and would undo all of this")]
    Standstill(#[from] StandstillError),
    #[error("the cluster could not be listed within the timeout; what the log says on level warn tells why")]
    NotListed,
    #[error("two metrics have one name")]
    Metrics(#[from] prometheus::Error),
}

/// Reverts everything, and tells what became of it once nothing is left or the time is over.
pub async fn uninstall(settings: Settings, client: Client) -> Result<Outcome, UninstallError> {
    let deadline = Instant::now() + settings.timeout.to_std();
    if let Some(operator) = settings.operator(&client) {
        standstill::stop(&client, &operator, deadline).await?;
    }
    let cluster = Arc::new(Cluster::leaving());
    let mut watches = JoinSet::new();
    let listed = CancellationToken::new();
    watch::start(&mut watches, &client, &settings.reach.namespaces, &cluster, &listed);
    timeout_at(deadline, listed.cancelled())
        .await
        .map_err(|_| UninstallError::NotListed)?;
    let turns = Arc::new(Mutex::new(Turns::new(settings.concurrency, settings.pause.to_std())));
    let stop = CancellationToken::new();
    let mut workers = work(client, &cluster, &turns, &stop)?;
    let outcome = await_nothing_left(&cluster, &turns, deadline).await;
    stop.cancel();
    // What doesn't end now was told to be left.
    let _ = timeout(GRACE, async { while workers.join_next().await.is_some() {} }).await;
    Ok(outcome)
}

async fn await_nothing_left(cluster: &Cluster, turns: &Mutex<Turns>, deadline: Instant) -> Outcome {
    loop {
        let outcome = outcome::look(&cluster.index(), lock(turns).begun());
        if outcome.is_complete() || Instant::now() >= deadline {
            return outcome;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The ordinary workers, but Deployments wait for their turn.
fn work(
    client: Client,
    cluster: &Arc<Cluster>,
    turns: &Arc<Mutex<Turns>>,
    stop: &CancellationToken,
) -> Result<JoinSet<()>, prometheus::Error> {
    let metrics = Metrics::new()?;
    let (events, publishing) = Events::new(client.clone());
    let pens = Arc::<Pens>::default();
    let teller = Teller {
        cluster: cluster.clone(),
        events,
    };
    let reconciler = Reconciler {
        client: client.clone(),
        cluster: cluster.clone(),
        settings: stage::settings(),
        nudge: Switch::Off,
        teller: teller.clone(),
        metrics: metrics.clone(),
        contests: Arc::default(),
        pens: pens.clone(),
    };
    let reporter = Reporter {
        client,
        cluster: cluster.clone(),
        polling: Switch::Off,
        // Nobody would go on trying.
        cleanup_deadline: None,
        metrics,
        teller,
        written: Arc::new(Mutex::new(Written::default())),
        news: Arc::default(),
        pens,
        began: Instant::now(),
    };
    let mut workers = JoinSet::new();
    workers.spawn(revert(reconciler, turns.clone(), stop.clone()));
    workers.spawn(reporter.run(WORKERS, stop.clone()));
    workers.spawn(publishing);
    Ok(workers)
}

async fn revert(reconciler: Reconciler, turns: Arc<Mutex<Turns>>, stop: CancellationToken) {
    let cluster = reconciler.cluster.clone();
    let step = |target: TargetKey| {
        let stage = stage::of(&reconciler.cluster.index(), &target);
        let turn = lock(&turns).ask(&target, stage.as_ref(), Instant::now());
        let reconciler = reconciler.clone();
        async move {
            match turn {
                Turn::Now => reconciler.reconcile(target).await,
                Turn::Later(wait) => Next::After(wait),
            }
        }
    };
    cluster.targets.work(WORKERS, &stop, step).await;
}

fn lock(turns: &Mutex<Turns>) -> std::sync::MutexGuard<'_, Turns> {
    turns.lock().unwrap_or_else(PoisonError::into_inner)
}
