//! The operator's plan, carried out step by step by a test: what its loop does by itself, but with a look at every
//! patch and a chance for the owner to act in between.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod as ApiPod};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use operator::observed::{Observed, Pod, Shipping};
use operator::plan::{ConfigMapWrite, DeploymentPatch, HostPaths, Plan, Settings, plan};
use operator::validate::validate;
use serde_json::{Value, json};

use crate::in_process::SIDECAR_IMAGE;
use crate::kubectl::Namespace;
use crate::runtime;
use crate::wait::until;

/// Plans for one Deployment of a namespace.
#[allow(missing_debug_implementations, reason = "kube's client has none")]
pub struct Planner<'a> {
    namespace: &'a Namespace,
    client: Client,
    deployment: String,
    shippings: Vec<Shipping>,
    settings: Settings,
}

impl<'a> Planner<'a> {
    /// # Panics
    /// When there is no way to the API server.
    pub fn new(namespace: &'a Namespace, deployment: &str) -> Self {
        let connected = runtime::get().block_on(operator::client::connect(Some(namespace.kubeconfig())));
        Self {
            namespace,
            client: connected.unwrap_or_else(|error| panic!("no client: {error}")),
            deployment: deployment.to_owned(),
            shippings: Vec::new(),
            settings: Settings {
                sidecar_image: SIDECAR_IMAGE.to_owned(),
                host_paths: HostPaths::Refused,
            },
        }
    }

    /// Has one LogShipping select the Deployment, with this YAML as its spec but for the selector.
    ///
    /// # Panics
    /// When it isn't accepted.
    pub fn ship(&mut self, spec: &str) {
        let object = format!(
            "{{apiVersion: logshipping.dev/v1alpha1, kind: LogShipping, \
              metadata: {{name: logs, namespace: {}}}, spec: {{selector: {{matchLabels: {{app: server}}}}, {spec}}}}}",
            self.namespace.name()
        );
        let object = serde_saphyr::from_str::<Value>(&object).map(serde_json::from_value);
        let Ok(Ok(shipping)) = object else { panic!("{object:?}") };
        let verdict = validate(&shipping);
        assert!(verdict.is_ok(), "{verdict:?}");
        let name = "logs".to_owned();
        self.shippings = vec![Shipping { name, verdict }];
    }

    /// Lets logs be read from volumes of the node.
    pub fn allow_host_paths(&mut self) {
        self.settings.host_paths = HostPaths::Allowed;
    }

    /// Has no LogShipping select the Deployment.
    pub fn ship_nothing(&mut self) {
        self.shippings.clear();
    }

    /// The plan for what the API server has now.
    pub fn plan(&self) -> Plan {
        plan(&self.observe(), &self.settings)
    }

    /// Plans and writes, anew as long as somebody else is faster.
    ///
    /// # Panics
    /// When the API server refuses a write for good.
    pub fn carry_out(&self) -> Plan {
        until("a plan is carried out", Duration::from_secs(30), || {
            let plan = self.plan();
            match self.attempt(&plan) {
                Ok(()) => Some(plan),
                Err(kube::Error::Api(status)) if status.code == 409 => None,
                Err(error) => panic!("refused: {error}\n{plan:#?}"),
            }
        })
    }

    fn attempt(&self, plan: &Plan) -> kube::Result<()> {
        if let Some(write) = plan.config_map.clone() {
            self.write(write)?;
        }
        if let Some(patch) = &plan.patch {
            self.patch(patch)?;
        }
        if let Some(deletion) = &plan.delete_config_map {
            let config_maps = self.api::<ConfigMap>();
            runtime::get().block_on(config_maps.delete(&deletion.name, &DeleteParams::default()))?;
        }
        Ok(())
    }

    /// Sends a patch of a plan.
    ///
    /// # Errors
    /// The API server's answer.
    ///
    /// # Panics
    /// When the patch has a directive that must never be in one.
    pub fn patch(&self, patch: &DeploymentPatch) -> kube::Result<Deployment> {
        assert!(
            !patch.body.to_string().contains(r#""$patch":"replace""#),
            "{}",
            patch.body
        );
        self.send(&patch.body)
    }

    /// Sends any strategic merge patch in the operator's name.
    ///
    /// # Errors
    /// The API server's answer.
    pub fn send(&self, body: &Value) -> kube::Result<Deployment> {
        let parameters = PatchParams {
            field_manager: Some(crds::names::FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let api = self.api::<Deployment>();
        runtime::get().block_on(api.patch(&self.deployment, &parameters, &Patch::Strategic(body)))
    }

    /// Sends the patch of a plan once more, and returns the Deployment's generation and resourceVersion before and
    /// after. The precondition makes sure that nothing else was written in between.
    ///
    /// # Panics
    /// When the API server refuses it.
    pub fn repeat(&self, patch: &DeploymentPatch) -> [(Option<i64>, Option<String>); 2] {
        let versions = |deployment: Deployment| (deployment.metadata.generation, deployment.metadata.resource_version);
        until("a patch is repeated", Duration::from_secs(30), || {
            let before = versions(self.live());
            let mut body = patch.body.clone();
            body["metadata"]["resourceVersion"] = json!(before.1);
            match self.send(&body) {
                Ok(after) => Some([before, versions(after)]),
                Err(kube::Error::Api(status)) if status.code == 409 => None,
                Err(error) => panic!("refused: {error}"),
            }
        })
    }

    /// The Deployment as it is.
    ///
    /// # Panics
    /// When it isn't there.
    pub fn live(&self) -> Deployment {
        let api = self.api::<Deployment>();
        let live = runtime::get().block_on(api.get(&self.deployment));
        live.unwrap_or_else(|error| panic!("no Deployment: {error}"))
    }

    fn observe(&self) -> Observed {
        let name = crds::names::config_map(&self.deployment);
        let config_map = runtime::get().block_on(self.api::<ConfigMap>().get_opt(&name));
        let pods = runtime::get().block_on(self.api::<ApiPod>().list(&ListParams::default()));
        let pods = pods.unwrap_or_else(|error| panic!("no pods: {error}"));
        Observed {
            deployment: self.live(),
            shippings: self.shippings.clone(),
            retaining: BTreeSet::new(),
            config_map: config_map.unwrap_or_else(|error| panic!("no ConfigMap: {error}")),
            pods: pods.items.iter().map(|pod| Pod::view(pod, None)).collect(),
        }
    }

    fn write(&self, write: ConfigMapWrite) -> kube::Result<ConfigMap> {
        let api = self.api::<ConfigMap>();
        let post = PostParams {
            field_manager: Some(crds::names::FIELD_MANAGER.to_owned()),
            ..PostParams::default()
        };
        let name = crds::names::config_map(&self.deployment);
        runtime::get().block_on(async {
            match write {
                ConfigMapWrite::Create(new) => api.create(&post, &new).await,
                ConfigMapWrite::Replace(new) => api.replace(&name, &post, &new).await,
                ConfigMapWrite::Recreate(_, new) => {
                    api.delete(&name, &DeleteParams::default()).await?;
                    api.create(&post, &new).await
                }
            }
        })
    }

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), self.namespace.name())
    }
}
