//! The finalizer of LogShippings: on the object before the first Deployment is changed for it, off once no Deployment
//! carries it any more. So nothing stays behind when an object is deleted while the operator is down.
//!
//! Other people's finalizers stay: the list is replaced as a whole, with the resource version as precondition. Whoever
//! writes takes the pen before ([`crate::pens`]).

use crds::{LogShipping, names};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;

use crate::apply::ApplyError;
use crate::observe::{ShippingEntry, ShippingKey};

/// Adds the finalizer, which isn't there yet. Returns the object's metadata as the API server has it then.
pub(crate) async fn hold(client: &Client, key: &ShippingKey, entry: &ShippingEntry) -> Result<ObjectMeta, ApplyError> {
    let mut finalizers = entry.finalizers.clone();
    finalizers.push(names::FINALIZER.to_owned());
    write(client, key, entry, finalizers).await
}

/// Takes the finalizer off.
pub(crate) async fn release(client: &Client, key: &ShippingKey, entry: &ShippingEntry) -> Result<(), ApplyError> {
    if !entry.is_held() {
        return Ok(());
    }
    let others = entry
        .finalizers
        .iter()
        .filter(|finalizer| *finalizer != names::FINALIZER);
    write(client, key, entry, others.cloned().collect()).await.map(drop)
}

async fn write(
    client: &Client,
    key: &ShippingKey,
    entry: &ShippingEntry,
    finalizers: Vec<String>,
) -> Result<ObjectMeta, ApplyError> {
    let api: Api<LogShipping> = Api::namespaced(client.clone(), &key.namespace);
    let body = json!({"metadata": {
        "uid": entry.uid,
        "resourceVersion": entry.resource_version,
        "finalizers": finalizers,
    }});
    let parameters = PatchParams {
        field_manager: Some(names::FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let patched = api.patch_metadata(&key.name, &parameters, &Patch::Merge(body)).await;
    patched
        .map(|object| object.metadata)
        .map_err(|error| ApplyError::of("the finalizer of the LogShipping", error))
}
