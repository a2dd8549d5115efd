//! One look of Flux' kustomize-controller at its objects, as `fluxcd/pkg/ssa` does it: a dry run of a forced
//! server-side apply, then the metadata is rid of what kubectl left, then the apply where anything differs.
//!
//! Managers whose names begin with `kubectl` or `before-first-apply`, and its own from times before server-side apply,
//! lose their fields to Flux, so that what they hold and Git lacks goes. Everybody else's stay.

use serde_json::{Map, Value, json};

use crate::kubectl::Namespace;
use crate::server_side::ServerSide;

/// Flux' field manager.
const MANAGER: &str = "kustomize-controller";
/// Managers, by the beginning of their names and the operation, whose fields it takes over.
const STRIPPED: [(&str, &str); 4] = [
    ("kubectl", "Apply"),
    ("kubectl", "Update"),
    ("before-first-apply", "Update"),
    (MANAGER, "Update"),
];
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Flux, at work in one namespace.
#[allow(missing_debug_implementations, reason = "kube's client has none")]
pub struct Flux(ServerSide);

impl Flux {
    /// # Panics
    /// When there is no way to the API server.
    pub fn new(namespace: &Namespace) -> Self {
        Self(ServerSide::new(namespace, MANAGER))
    }

    /// Looks at an object once, and puts it right. Tells whether there was anything to do.
    ///
    /// # Panics
    /// When the API server refuses.
    pub fn reconcile(&self, object: &Value) -> bool {
        let drift = self.0.look(object);
        let cleaning = drift.live.as_ref().map(cleaning).unwrap_or_default();
        if !cleaning.is_empty() {
            self.0.patch(object, &Value::Array(cleaning.clone()));
        }
        let has_work = drift.differs() || !cleaning.is_empty();
        if has_work {
            self.0.apply(object);
        }
        has_work
    }
}

/// The JSON patch that removes kubectl's annotation and takes over the fields of others.
fn cleaning(live: &Value) -> Vec<Value> {
    let mut operations = Vec::new();
    if live["metadata"]["annotations"].get(LAST_APPLIED).is_some() {
        let path = format!("/metadata/annotations/{}", LAST_APPLIED.replace('/', "~1"));
        operations.push(json!({"op": "remove", "path": path}));
    }
    let entries = live["metadata"]["managedFields"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let (taken, mut rest): (Vec<_>, Vec<_>) = entries.into_iter().partition(is_taken_over);
    if taken.is_empty() {
        return operations;
    }
    let own = |entry: &Value| entry["manager"] == MANAGER && entry["operation"] == "Apply";
    let mut merged = match rest.iter().position(own) {
        Some(at) => rest.remove(at),
        None => taken[0].clone(),
    };
    for entry in &taken {
        merged["fieldsV1"] = union(&merged["fieldsV1"], &entry["fieldsV1"]);
    }
    merged["manager"] = json!(MANAGER);
    merged["operation"] = json!("Apply");
    rest.push(merged);
    operations.push(json!({"op": "replace", "path": "/metadata/managedFields", "value": rest}));
    operations
}

fn is_taken_over(entry: &Value) -> bool {
    let name = entry["manager"].as_str().unwrap_or_default();
    let of = |(begin, operation): &(&str, &str)| name.starts_with(begin) && entry["operation"] == **operation;
    entry["subresource"].is_null() && STRIPPED.iter().any(of)
}

/// All fields of both.
fn union(one: &Value, other: &Value) -> Value {
    let (Some(one), Some(other)) = (one.as_object(), other.as_object()) else {
        return one.clone();
    };
    let mut all: Map<String, Value> = one.clone();
    for (field, below) in other {
        let merged = all
            .get(field)
            .map_or_else(|| below.clone(), |known| union(known, below));
        all.insert(field.clone(), merged);
    }
    Value::Object(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_kubectl_loses_its_fields() {
        let entry = |manager: &str, operation: &str, field: &str| json!({"manager": manager, "operation": operation, "fieldsV1": {"f:spec": {field: {}}}});
        let ours = entry(crds::names::FIELD_MANAGER, "Update", "f:ours");
        let live = json!({"metadata": {"annotations": {LAST_APPLIED: "x"}, "managedFields": [
            entry("kubectl-edit", "Update", "f:edited"), ours.clone(), entry(MANAGER, "Apply", "f:git")]}});
        let operations = cleaning(&live);
        assert_eq!(operations[0]["op"], "remove");
        let mut merged = entry(MANAGER, "Apply", "f:git");
        merged["fieldsV1"]["f:spec"]["f:edited"] = json!({});
        assert_eq!(operations[1]["value"], json!([ours, merged]));
        let settled = json!({"metadata": {"managedFields": [ours, merged]}});
        assert_eq!(cleaning(&settled), Vec::<Value>::new());
    }
}
