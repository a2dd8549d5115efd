//! Puts the parts together and takes them apart again: watches first, then the election once everything was listed,
//! then the workers of the one that is elected; at the end no new work is begun, what is under way is finished, and only
//! then is the lease let go of.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kube::Client;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::admin::{self, Admin};
use crate::contest::Contests;
use crate::events::Events;
use crate::leader::{Candidate, LeaseLost, Term, fenced};
use crate::metrics::Metrics;
use crate::observe::{Cluster, watch};
use crate::pens::Pens;
use crate::plan::{self, HostPaths};
use crate::poll;
use crate::reconcile::Reconciler;
use crate::report::write::Written;
use crate::reporter::Reporter;
use crate::settings::{Settings, Switch};
use crate::sweep::Sweep;
use crate::tell::Teller;

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
    /// Another process may act by now. This one has stopped, and begins anew as a standby.
    #[error("this process must not act any more")]
    LeaseLost(#[from] LeaseLost),
}

/// Runs the operator until `shutdown`.
pub async fn run(settings: Settings, client: Client, shutdown: impl Future<Output = ()>) -> Result<(), RunError> {
    let listen = settings.listen;
    let listener = admin::bind(listen).await.map_err(|source| RunError::Listen {
        address: listen,
        source,
    })?;
    let stop = CancellationToken::new();
    let ready = CancellationToken::new();
    let (mut candidate, term) = stand(&settings, &client);
    let mut parts = Parts::start(settings, &client, listener, Phases { ready, stop, term })?;
    let ended = parts.run(candidate.as_mut(), shutdown).await;
    // Nothing of this process may write when the lease is somebody else's.
    parts.end().await;
    match candidate {
        Some(candidate) if !matches!(ended, Err(RunError::LeaseLost(_))) => candidate.release().await,
        _ => {}
    }
    ended
}

fn stand(settings: &Settings, client: &Client) -> (Option<Candidate>, Term) {
    if settings.leader_election == Switch::Off {
        return (None, Term::endless());
    }
    let namespace = settings.lease_namespace.as_deref();
    let namespace = namespace.unwrap_or(client.default_namespace()).to_owned();
    let (candidate, term) = Candidate::new(client.clone(), &namespace, &settings.lease_name);
    (Some(candidate), term)
}

/// What the parts wait for.
#[derive(Clone)]
struct Phases {
    /// Everything is listed.
    ready: CancellationToken,
    /// No new work is begun.
    stop: CancellationToken,
    /// Nothing is written outside of it.
    term: Term,
}

/// The running parts.
struct Parts {
    /// They never end by themselves.
    tasks: JoinSet<()>,
    /// These end after `stop`, when they have finished their work.
    workers: JoinSet<()>,
    phases: Phases,
}

impl Parts {
    fn start(
        settings: Settings,
        client: &Client,
        listener: tokio::net::TcpListener,
        phases: Phases,
    ) -> Result<Self, prometheus::Error> {
        let cluster = Arc::new(Cluster::new(settings.poll));
        let metrics = Metrics::new()?;
        let mut tasks = JoinSet::new();
        watch::start(&mut tasks, client, &settings.reach.namespaces, &cluster, &phases.ready);
        // From here on everything that may write is given this one.
        let client = fenced(client, phases.term.clone());
        let (events, publishing) = Events::new(client.clone());
        let admin = Admin {
            metrics: metrics.clone(),
            ready: phases.ready.clone(),
            cluster: cluster.clone(),
        };
        tasks.spawn(admin::serve(listener, admin));
        let work = Work {
            settings,
            client,
            cluster,
            metrics,
            events,
            pens: Arc::default(),
            phases: phases.clone(),
        };
        let mut workers = work.start();
        // Ends when nobody is left who could tell anything.
        workers.spawn(publishing);
        Ok(Self { tasks, workers, phases })
    }

    /// Runs until `shutdown` and the end of the work that is under way then, or until something ends that must not.
    async fn run(
        &mut self,
        candidate: Option<&mut Candidate>,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), RunError> {
        let ready = self.phases.ready.clone();
        let election = async move {
            ready.cancelled().await;
            match candidate {
                Some(candidate) => candidate.run().await,
                None => std::future::pending().await,
            }
        };
        let mut election = std::pin::pin!(election);
        tokio::select! {
            () = shutdown => {}
            _ = self.tasks.join_next() => return Err(RunError::PartEnded),
            _ = self.workers.join_next() => return Err(RunError::PartEnded),
            lost = &mut election => return Err(lost.into()),
        }
        self.phases.stop.cancel();
        tokio::select! {
            () = self.finish() => Ok(()),
            lost = &mut election => Err(lost.into()),
        }
    }

    async fn finish(&mut self) {
        let all = async { while self.workers.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, all).await.is_err() {
            tracing::warn!("work was under way at the end of the grace time; it is done again at the next start");
        }
    }

    /// Ends whatever still runs.
    async fn end(mut self) {
        self.workers.shutdown().await;
        self.tasks.shutdown().await;
    }
}

/// What the workers need.
struct Work {
    settings: Settings,
    client: Client,
    cluster: Arc<Cluster>,
    metrics: Metrics,
    events: Events,
    pens: Arc<Pens>,
    phases: Phases,
}

impl Work {
    fn start(self) -> JoinSet<()> {
        let mut workers = JoinSet::new();
        let limit = usize::from(self.settings.concurrency.max(1));
        workers.spawn(self.once_elected(self.reconciler().run(limit, self.phases.stop.clone())));
        workers.spawn(self.once_elected(self.reporter().run(limit, self.phases.stop.clone())));
        let sweep = Sweep {
            client: self.client.clone(),
            cluster: self.cluster.clone(),
        };
        workers.spawn(self.once_elected(sweep.run(self.phases.stop.clone())));
        if self.settings.poll == Switch::On {
            let interval = self.settings.poll_interval.to_std();
            let polling = poll::run(
                self.cluster.clone(),
                self.metrics.clone(),
                interval,
                self.phases.stop.clone(),
            );
            workers.spawn(self.once_elected(polling));
        }
        workers
    }

    /// Before everything is listed absence means nothing: a LogShipping that isn't known yet is not one that was
    /// deleted. And whoever doesn't hold the lease leaves the work to the one who does.
    fn once_elected<W>(&self, work: W) -> impl Future<Output = ()> + Send + use<W>
    where
        W: Future<Output = ()> + Send,
    {
        let Phases { ready, stop, term } = self.phases.clone();
        async move {
            let begun = async {
                ready.cancelled().await;
                term.begun().await;
            };
            if stop.run_until_cancelled(begun).await.is_some() {
                work.await;
            }
        }
    }

    fn teller(&self) -> Teller {
        Teller {
            cluster: self.cluster.clone(),
            events: self.events.clone(),
        }
    }

    fn reconciler(&self) -> Reconciler {
        Reconciler {
            client: self.client.clone(),
            cluster: self.cluster.clone(),
            settings: plan::Settings {
                sidecar_image: self.settings.sidecar_image.clone(),
                host_paths: match self.settings.allow_host_path {
                    Switch::On => HostPaths::Allowed,
                    Switch::Off => HostPaths::Refused,
                },
            },
            nudge: self.settings.nudge,
            teller: self.teller(),
            metrics: self.metrics.clone(),
            contests: Arc::new(Mutex::new(Contests::new(self.settings.patience))),
            pens: self.pens.clone(),
        }
    }

    fn reporter(&self) -> Reporter {
        Reporter {
            client: self.client.clone(),
            cluster: self.cluster.clone(),
            polling: self.settings.poll,
            cleanup_deadline: Some(self.settings.cleanup_deadline.to_std()),
            metrics: self.metrics.clone(),
            teller: self.teller(),
            written: Arc::new(Mutex::new(Written::default())),
            news: Arc::default(),
            pens: self.pens.clone(),
            began: Instant::now(),
        }
    }
}
