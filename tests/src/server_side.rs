//! Server-side apply as tools do it: what a dry run would change, and the forced apply. The manager is the tool's.

use kube::api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::Value;

use crate::kubectl::Namespace;
use crate::runtime;

/// A tool that applies on the server.
#[allow(missing_debug_implementations, reason = "kube's client has none")]
pub struct ServerSide {
    client: Client,
    namespace: String,
    manager: &'static str,
}

/// What a dry run of an apply found.
#[derive(Clone, Debug)]
pub struct Drift {
    pub live: Option<Value>,
    pub applied: Value,
}

impl ServerSide {
    /// # Panics
    /// When there is no way to the API server.
    pub fn new(namespace: &Namespace, manager: &'static str) -> Self {
        let client = runtime::get().block_on(operator::client::connect(Some(namespace.kubeconfig())));
        Self {
            client: client.unwrap_or_else(|error| panic!("no client: {error}")),
            namespace: namespace.name().to_owned(),
            manager,
        }
    }

    /// The object as it is, and as an apply would leave it: both of one moment, so that no write of anybody else in
    /// between looks like drift.
    ///
    /// # Panics
    /// When the API server refuses the dry run.
    pub fn look(&self, object: &Value) -> Drift {
        loop {
            let live = self.live(object);
            let applied = self.send(object, &PatchParams::apply(self.manager).force().dry_run());
            let version = |object: &Value| object["metadata"]["resourceVersion"].as_str().map(str::to_owned);
            if live
                .as_ref()
                .and_then(version)
                .is_none_or(|before| Some(before) == version(&applied))
            {
                return Drift { live, applied };
            }
        }
    }

    /// Applies by force.
    ///
    /// # Panics
    /// When the API server refuses.
    pub fn apply(&self, object: &Value) {
        self.send(object, &PatchParams::apply(self.manager).force());
    }

    /// Sends a JSON patch (RFC 6902).
    ///
    /// # Panics
    /// When the API server refuses.
    pub fn patch(&self, object: &Value, operations: &Value) {
        let path = format!("{}/{}", self.api(object).resource_url(), name(object));
        let request = http::Request::patch(format!("{path}?fieldManager={}", self.manager))
            .header(http::header::CONTENT_TYPE, "application/json-patch+json")
            .body(operations.to_string().into_bytes());
        let request = request.unwrap_or_else(|error| panic!("no request: {error}"));
        let answer = runtime::get().block_on(self.client.request::<Value>(request));
        assert!(
            answer.is_ok(),
            "{} was refused: {answer:?}\n{operations:#}",
            self.manager
        );
    }

    fn live(&self, object: &Value) -> Option<Value> {
        let found = runtime::get().block_on(self.api(object).get_opt(&name(object)));
        let found = found.unwrap_or_else(|error| panic!("not read: {error}"));
        found.map(|found| serde_json::json!(found))
    }

    fn send(&self, object: &Value, parameters: &PatchParams) -> Value {
        let (api, name, patch) = (self.api(object), name(object), Patch::Apply(object));
        let answer = runtime::get().block_on(api.patch(&name, parameters, &patch));
        serde_json::json!(answer.unwrap_or_else(|error| panic!("{} was refused: {error}\n{object:#}", self.manager)))
    }

    fn api(&self, object: &Value) -> Api<DynamicObject> {
        let text = |key: &str| object[key].as_str().unwrap_or_default();
        let (group, version) = text("apiVersion").split_once('/').unwrap_or(("", text("apiVersion")));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, text("kind")));
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
    }
}

impl Drift {
    /// Whether the tool would report a difference: labels, annotations and everything but metadata and status count.
    pub fn differs(&self) -> bool {
        let relevant = |object: &Value| {
            let mut rest = object.clone();
            let metadata = rest["metadata"].take();
            rest["status"] = Value::Null;
            (rest, metadata["labels"].clone(), metadata["annotations"].clone())
        };
        self.live.as_ref().map(relevant) != Some(relevant(&self.applied))
    }
}

fn name(object: &Value) -> String {
    object["metadata"]["name"].as_str().unwrap_or_default().to_owned()
}
