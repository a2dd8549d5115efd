//! Who undid a write, as far as the API server has it on record in the Deployment's managed fields.
//!
//! A write that sets a field of the template is recorded with its time. One that only takes fields away is not: then
//! everybody else who has fields of the template is a suspect.

use std::collections::BTreeSet;
use std::fmt;

use crds::names;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta, Time};
use kube::{Api, Client};

use crate::observe::TargetKey;

/// Field managers other than ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Undoer {
    /// Wrote the template since.
    Recorded(String),
    /// All who have fields of the template; none of them wrote since.
    AmongOthers(BTreeSet<String>),
}

impl fmt::Display for Undoer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::AmongOthers(others) = self else {
            let Self::Recorded(manager) = self else { return Ok(()) };
            return write!(f, "field manager {manager:?} has written it since");
        };
        let quoted: Vec<_> = others.iter().map(|manager| format!("{manager:?}")).collect();
        match quoted.as_slice() {
            [] => write!(
                f,
                "by an admission webhook, most likely, since nobody else is on record"
            ),
            [only] => write!(f, "the only other writer on record is field manager {only}"),
            _ => write!(
                f,
                "a write that only takes away is not recorded; the other writers on record are field managers {}",
                quoted.join(", ")
            ),
        }
    }
}

/// Asks the API server: the index doesn't keep managed fields. None when it doesn't say.
pub(crate) async fn undoer(client: &Client, target: &TargetKey, written: Option<&Time>) -> Option<Undoer> {
    let api: Api<Deployment> = Api::namespaced(client.clone(), &target.namespace);
    match api.get_opt(&target.name).await {
        Ok(deployment) => Some(judge(&deployment?.metadata, written)),
        Err(error) => {
            tracing::warn!(%error, "the field managers of a Deployment could not be read");
            None
        }
    }
}

/// When the API server recorded our last write, in seconds.
pub(crate) fn recorded(metadata: &ObjectMeta) -> Option<Time> {
    let mut ours = entries(metadata).filter(|entry| entry.manager.as_deref() == Some(names::FIELD_MANAGER));
    ours.find_map(|entry| entry.time.clone())
}

fn judge(metadata: &ObjectMeta, written: Option<&Time>) -> Undoer {
    let others = entries(metadata).filter(|entry| entry.manager.as_deref() != Some(names::FIELD_MANAGER));
    let others: Vec<_> = others.filter(|entry| writes_template(entry)).collect();
    let last = others.iter().max_by_key(|entry| entry.time.as_ref().map(|time| time.0));
    let since = last.filter(|entry| {
        let times = entry.time.as_ref().zip(written);
        times.is_some_and(|(theirs, ours)| theirs.0 >= ours.0)
    });
    match since.and_then(|entry| entry.manager.clone()) {
        Some(manager) => Undoer::Recorded(manager),
        None => Undoer::AmongOthers(others.iter().filter_map(|entry| entry.manager.clone()).collect()),
    }
}

fn entries(metadata: &ObjectMeta) -> impl Iterator<Item = &ManagedFieldsEntry> {
    metadata.managed_fields.iter().flatten()
}

fn writes_template(entry: &ManagedFieldsEntry) -> bool {
    let fields = entry.fields_v1.as_ref().map(|fields| &fields.0);
    fields.is_some_and(|fields| fields.pointer("/f:spec/f:template").is_some())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn entry(manager: &str, second: u32, fields: &Value) -> Value {
        json!({"manager": manager, "operation": "Update", "time": format!("2026-01-01T00:00:{second:02}Z"),
            "fieldsType": "FieldsV1", "fieldsV1": fields})
    }

    fn said(entries: &[Value], written: u32) -> String {
        let metadata = serde_json::from_value(json!({"managedFields": entries})).unwrap();
        let ours = json!({"managedFields": [entry(names::FIELD_MANAGER, written, &json!({}))]});
        let written = recorded(&serde_json::from_value(ours).unwrap());
        assert!(written.is_some());
        judge(&metadata, written.as_ref()).to_string()
    }

    #[test]
    fn whoever_wrote_since_is_named_and_otherwise_all_others_are() {
        let template = json!({"f:spec": {"f:template": {}}});
        let status = entry("kube-controller-manager", 9, &json!({"f:status": {}}));
        let ours = entry(names::FIELD_MANAGER, 3, &template);
        let (helm, tenant) = (entry("helm", 1, &template), entry("tenant-controller", 4, &template));
        assert_eq!(
            said(&[helm.clone(), tenant.clone(), ours.clone(), status.clone()], 3),
            "field manager \"tenant-controller\" has written it since"
        );
        let others = said(&[helm.clone(), tenant, ours.clone(), status.clone()], 5);
        assert!(
            others.ends_with("are field managers \"helm\", \"tenant-controller\""),
            "{others}"
        );
        assert_eq!(
            said(&[helm, ours.clone(), status.clone()], 3),
            "the only other writer on record is field manager \"helm\""
        );
        assert!(said(&[ours, status], 3).starts_with("by an admission webhook"));
    }
}
