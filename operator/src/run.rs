//! Puts the parts together and takes them apart again: watches first, then the workers once everything was listed; at
//! the end no new work is begun and what is under way is finished.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kube::Client;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::admin::{self, Admin};
use crate::events::Events;
use crate::metrics::Metrics;
use crate::observe::{Cluster, watch};
use crate::plan;
use crate::poll;
use crate::reconcile::Reconciler;
use crate::report::write::Written;
use crate::reporter::Reporter;
use crate::settings::{Settings, Switch};

/// How long work that is under way may take after the end was asked for.
const GRACE: Duration = Duration::from_secs(20);

/// Why the operator ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("cannot listen on {address}")]
    Listen {
        address: std::net::SocketAddr,
        source: std::io::Error,
    },
    #[error("two metrics have one name")]
    Metrics(#[from] prometheus::Error),
    /// Without all of its parts the operator would look alive and do nothing: it ends, and is started again.
    #[error("a part of the operator ended unexpectedly")]
    PartEnded,
}

/// Runs the operator until `shutdown`.
pub async fn run(settings: Settings, client: Client, shutdown: impl Future<Output = ()>) -> Result<(), RunError> {
    let listen = settings.listen;
    let listener = admin::bind(listen).await.map_err(|source| RunError::Listen {
        address: listen,
        source,
    })?;
    let stop = CancellationToken::new();
    let mut parts = Parts::start(settings, client, listener, &stop)?;
    tokio::select! {
        () = shutdown => {}
        _ = parts.tasks.join_next() => return Err(RunError::PartEnded),
        _ = parts.workers.join_next() => return Err(RunError::PartEnded),
    }
    stop.cancel();
    parts.finish().await;
    Ok(())
}

/// The running parts.
struct Parts {
    /// They never end by themselves.
    tasks: JoinSet<()>,
    /// These end after `stop`, when they have finished their work.
    workers: JoinSet<()>,
}

impl Parts {
    fn start(
        settings: Settings,
        client: Client,
        listener: tokio::net::TcpListener,
        stop: &CancellationToken,
    ) -> Result<Self, prometheus::Error> {
        let cluster = Arc::new(Cluster::new());
        let metrics = Metrics::new()?;
        let ready = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let (events, publishing) = Events::new(client.clone());
        watch::start(&mut tasks, &client, &settings.namespaces, &cluster, &ready);
        let admin = Admin {
            metrics: metrics.clone(),
            ready: ready.clone(),
            cluster: cluster.clone(),
        };
        tasks.spawn(admin::serve(listener, admin));
        let work = Work {
            settings,
            client,
            cluster,
            metrics,
            events,
            stop: stop.clone(),
            ready,
        };
        let mut workers = work.start();
        // Ends when nobody is left who could tell anything.
        workers.spawn(publishing);
        Ok(Self { tasks, workers })
    }

    async fn finish(mut self) {
        let all = async { while self.workers.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, all).await.is_err() {
            tracing::warn!("work was under way at the end of the grace time; it is done again at the next start");
        }
    }
}

/// What the workers need.
struct Work {
    settings: Settings,
    client: Client,
    cluster: Arc<Cluster>,
    metrics: Metrics,
    events: Events,
    stop: CancellationToken,
    ready: CancellationToken,
}

impl Work {
    fn start(self) -> JoinSet<()> {
        let mut workers = JoinSet::new();
        let limit = usize::from(self.settings.concurrency.max(1));
        workers.spawn(self.once_listed(self.reconciler().run(limit, self.stop.clone())));
        workers.spawn(self.once_listed(self.reporter().run(limit, self.stop.clone())));
        if self.settings.poll == Switch::On {
            let interval = self.settings.poll_interval.to_std();
            let polling = poll::run(self.cluster.clone(), self.metrics.clone(), interval, self.stop.clone());
            workers.spawn(self.once_listed(polling));
        }
        workers
    }

    /// Before everything is listed absence means nothing: a LogShipping that isn't known yet is not one that was deleted.
    fn once_listed<W>(&self, work: W) -> impl Future<Output = ()> + Send + use<W>
    where
        W: Future<Output = ()> + Send,
    {
        let (ready, stop) = (self.ready.clone(), self.stop.clone());
        async move {
            if stop.run_until_cancelled(ready.cancelled()).await.is_some() {
                work.await;
            }
        }
    }

    fn reconciler(&self) -> Reconciler {
        Reconciler {
            client: self.client.clone(),
            cluster: self.cluster.clone(),
            settings: plan::Settings {
                sidecar_image: self.settings.sidecar_image.clone(),
            },
            nudge: self.settings.nudge,
            events: self.events.clone(),
            metrics: self.metrics.clone(),
            contests: Arc::default(),
        }
    }

    fn reporter(&self) -> Reporter {
        Reporter {
            client: self.client.clone(),
            cluster: self.cluster.clone(),
            polling: self.settings.poll,
            metrics: self.metrics.clone(),
            written: Arc::new(Mutex::new(Written::default())),
            started: Instant::now(),
        }
    }
}
