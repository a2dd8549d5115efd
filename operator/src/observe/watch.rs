//! The watches: from the API server into the index, and from there to the queues. This file is all of the shell around
//! [`super::event::on_event`].

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crds::names;
use futures::StreamExt;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::runtime::WatchStreamExt;
use kube::runtime::utils::Backoff;
use kube::runtime::watcher as watch;
use kube::runtime::watcher::{self, DefaultBackoff, Event};
use kube::{Api, Client, Resource};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Cluster;
use super::event::{Relist, Watched, on_event};
use super::kinds::{ConfigMaps, Deployments, Pods, ReplicaSets, Shippings};
use super::seen::Seen;
use crate::client::WATCH_SECONDS;

/// Objects in one answer to a list. A page is in memory twice, as text and as objects, several pages of different kinds are at
/// once, and little of it is kept: with kube's 500, a thousand pods made the start take four times the memory of the rest.
const PAGE: u32 = 100;

/// How many watches haven't listed everything yet.
#[derive(Debug)]
struct Unlisted {
    watches: Mutex<usize>,
    ready: CancellationToken,
}

impl Unlisted {
    fn one_more(&self) {
        *self.watches.lock().unwrap_or_else(PoisonError::into_inner) += 1;
    }

    fn done(&self) {
        let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        *watches = watches.saturating_sub(1);
        if *watches == 0 {
            self.ready.cancel();
        }
    }
}

/// Starts the watches of all namespaces that are named, or of the whole cluster. `ready` is set once each has listed
/// everything: before that, absence means nothing and nobody may act on it.
pub(crate) fn start(
    tasks: &mut JoinSet<()>,
    client: &Client,
    namespaces: &[String],
    cluster: &Arc<Cluster>,
    ready: &CancellationToken,
) {
    let scopes: Vec<Option<String>> = match namespaces {
        [] => vec![None],
        named => named.iter().cloned().map(Some).collect(),
    };
    let unlisted = Arc::new(Unlisted {
        // One for this function: none may be the last before all are started.
        watches: Mutex::new(1),
        ready: ready.clone(),
    });
    let all = watcher::Config::default().timeout(WATCH_SECONDS).page_size(PAGE);
    let sidecar = all.clone().labels(&format!("{}={}", names::SIDECAR_LABEL, names::TRUE));
    let managed = all.clone().labels(&format!("{}={}", names::MANAGED_LABEL, names::TRUE));
    for scope in scopes {
        let root = Root {
            client,
            scope,
            cluster,
            unlisted: &unlisted,
        };
        root.follow::<Shippings>(tasks, &all);
        root.follow::<Deployments>(tasks, &all);
        root.follow::<ReplicaSets>(tasks, &sidecar);
        root.follow::<Pods>(tasks, &sidecar);
        root.follow::<ConfigMaps>(tasks, &managed);
    }
    unlisted.done();
}

/// What the watches of one scope have in common.
struct Root<'a> {
    client: &'a Client,
    scope: Option<String>,
    cluster: &'a Arc<Cluster>,
    unlisted: &'a Arc<Unlisted>,
}

impl Root<'_> {
    fn follow<W: Watched>(&self, tasks: &mut JoinSet<()>, config: &watcher::Config) {
        let api: Api<Seen<W>> = match &self.scope {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        };
        let kind = W::Api::kind(&());
        self.unlisted.one_more();
        let stream = watch(api, config.clone()).backoff(Capped::default());
        let (cluster, unlisted, scope) = (self.cluster.clone(), self.unlisted.clone(), self.scope.clone());
        tasks.spawn(async move {
            let mut relist = Relist::new(scope);
            let mut listed = false;
            let mut stream = std::pin::pin!(stream);
            while let Some(next) = stream.next().await {
                match next {
                    Ok(event) => {
                        let completes = matches!(event, Event::InitDone) && !listed;
                        cluster.change(|index| on_event::<W>(index, &mut relist, event));
                        if completes {
                            listed = true;
                            unlisted.done();
                        }
                    }
                    Err(error) => tracing::warn!(%kind, %error, "a watch was interrupted; it starts again"),
                }
            }
        });
    }
}

/// kube's own waits before a watch that broke is begun again go up to 30 s, for which the operator would be deaf.
#[derive(Default)]
struct Capped(DefaultBackoff);

const LONGEST_WAIT: Duration = Duration::from_secs(10);

impl Iterator for Capped {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.0.next().map(|wait| wait.min(LONGEST_WAIT))
    }
}

impl Backoff for Capped {
    fn reset(&mut self) {
        self.0.reset();
    }
}

/// The manifest that an owner applied, once more. In our own index it is of no use.
pub(super) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Leaves out what is large and of no use here.
pub(super) fn trim(metadata: &mut ObjectMeta) {
    metadata.managed_fields = None;
    if let Some(annotations) = &mut metadata.annotations {
        annotations.remove(LAST_APPLIED);
    }
}
