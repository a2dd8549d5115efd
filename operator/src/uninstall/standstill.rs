//! Stops the running operator: its Deployment is scaled to 0, and its pods are waited for. Until the last of them is gone
//! it could put back what was just taken out.
//!
//! It stays stopped when the uninstallation fails; starting it again would restart every Deployment once more.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, Patch, PatchParams};
use kube::core::Selector;
use kube::{Api, Client};
use serde_json::json;
use tokio::time::Instant;

use super::settings::Operator;
use crds::names;

const LOOK: Duration = Duration::from_millis(500);

/// Why the operator isn't known to stand still.
#[derive(Debug, thiserror::Error)]
pub enum StandstillError {
    #[error("Deployment {namespace}/{deployment} could not be read or scaled to 0")]
    Api {
        namespace: String,
        deployment: String,
        source: kube::Error,
    },
    #[error("Deployment {namespace}/{deployment} has a selector that can't be read")]
    Selector { namespace: String, deployment: String },
    #[error("Deployment {namespace}/{deployment} was scaled to 0, but {pods} of its pods are still there")]
    StillRuns {
        namespace: String,
        deployment: String,
        pods: usize,
    },
}

/// Returns once no pod of the operator is left. An operator that doesn't exist stands still.
pub(super) async fn stop(client: &Client, operator: &Operator, deadline: Instant) -> Result<(), StandstillError> {
    let Operator { namespace, deployment } = operator.clone();
    let failed = |source| StandstillError::Api {
        namespace: namespace.clone(),
        deployment: deployment.clone(),
        source,
    };
    let Some(selector) = scale_to_zero(client, operator).await.map_err(failed)? else {
        return Ok(());
    };
    let Ok(selector) = Selector::try_from(selector) else {
        return Err(StandstillError::Selector { namespace, deployment });
    };
    let api: Api<Pod> = Api::namespaced(client.clone(), &namespace);
    let selected = ListParams::default().labels_from(&selector);
    loop {
        let pods = api.list_metadata(&selected).await.map_err(failed)?.items.len();
        if pods == 0 {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(StandstillError::StillRuns {
                namespace,
                deployment,
                pods,
            });
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The selector of its pods; none when there is no such Deployment.
async fn scale_to_zero(
    client: &Client,
    operator: &Operator,
) -> kube::Result<Option<k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector>> {
    let api: Api<Deployment> = Api::namespaced(client.clone(), &operator.namespace);
    let parameters = PatchParams {
        field_manager: Some(names::FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let body = json!({"spec": {"replicas": 0}});
    match api.patch(&operator.deployment, &parameters, &Patch::Merge(body)).await {
        Ok(deployment) => Ok(deployment.spec.map(|spec| spec.selector)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(error),
    }
}
