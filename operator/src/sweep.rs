//! Clears up what no event tells of, at the start and every ten minutes: see [`Strays`].
//!
//! It reads nothing but the index, so it costs nothing where there is nothing to clear up. Whether a Deployment may keep
//! what it has (`deletionPolicy: Retain`) is for the plan to say; here it is only woken.

use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::apply;
use crate::observe::{Cluster, Strays};

const PERIOD: Duration = Duration::from_secs(600);

/// What a sweep takes.
pub(crate) struct Sweep {
    pub(crate) client: Client,
    pub(crate) cluster: Arc<Cluster>,
}

impl Sweep {
    /// Sweeps until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let sweep = async {
            loop {
                self.once().await;
                sleep(PERIOD).await;
            }
        };
        stop.run_until_cancelled(sweep).await;
    }

    async fn once(&self) {
        let Strays { targets, config_maps } = self.cluster.index().strays();
        self.cluster.targets.wake_all(targets);
        for (namespace, deletion) in config_maps {
            let name = deletion.name.clone();
            match apply::delete(&self.client, &namespace, deletion).await {
                Ok(()) => tracing::info!(namespace, name, "deleted a ConfigMap whose Deployment is gone"),
                Err(error) => error.log(),
            }
        }
    }
}
