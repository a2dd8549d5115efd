//! A Deployment, its ConfigMap and its pods as a value on which plans are carried out.

use std::collections::BTreeSet;

use crds::{LogShipping, names};
use k8s_openapi::api::apps::v1::Deployment;
use serde_json::Value;

use super::strategic_merge::merge;
use crate::observed::{Observed, Pod, Shipping};
use crate::plan::{ConfigMapWrite, HostPaths, Plan, Settings, plan};
use crate::validate::{Accepted, validate};

/// Two init containers, two containers, a volume of each sort that the tests speak of.
pub(super) const OWNER: &str = "
metadata: {name: server, namespace: shop, uid: d-1, resourceVersion: '7', labels: {app: server}}
spec:
  selector: {matchLabels: {app: server}}
  template:
    metadata: {labels: {app: server, app.kubernetes.io/name: web-shop}, annotations: {team: shop}}
    spec:
      initContainers:
      - {name: migrate, image: 'migrate:1'}
      - {name: second, image: 'second:1'}
      containers:
      - name: app
        image: 'app:1'
        ports: [{containerPort: 8080, protocol: TCP}]
        volumeMounts: [{name: data, mountPath: /data}]
      - {name: proxy, image: 'proxy:1'}
      volumes:
      - {name: data, persistentVolumeClaim: {claimName: data}}
";

pub(super) const SIMPLE: &str =
    "sources: [{name: access, paths: [/var/log/access.log]}], destinations: [{name: out, stdout: {}}]";

pub(super) fn settings() -> Settings {
    Settings {
        sidecar_image: "registry.example/logshipping-sidecar:0.1.0".to_owned(),
        host_paths: HostPaths::Refused,
    }
}

pub(super) fn yaml<T: serde::de::DeserializeOwned>(text: &str) -> T {
    let value: Value = serde_saphyr::from_str(text).unwrap();
    serde_json::from_value(value).unwrap()
}

fn object(name: &str, spec: &str) -> LogShipping {
    yaml(&format!(
        "{{apiVersion: logshipping.dev/v1alpha1, kind: LogShipping, metadata: {{name: {name}, namespace: shop}}, \
          spec: {{selector: {{matchLabels: {{app: server}}}}, {spec}}}}}"
    ))
}

pub(super) fn shipping(name: &str, spec: &str) -> Shipping {
    Shipping {
        name: name.to_owned(),
        verdict: validate(&object(name, spec)),
    }
}

/// One whose specification the plan can carry out, whether this version's sidecar can or not.
pub(super) fn unjudged(name: &str, spec: &str) -> Shipping {
    let accepted = Accepted {
        namespace: "shop".to_owned(),
        name: name.to_owned(),
        revision: format!("{name}-{}", names::short_hash(spec)),
        spec: object(name, spec).spec,
    };
    Shipping {
        name: name.to_owned(),
        verdict: Ok(accepted),
    }
}

pub(super) fn observed(owner: &str, shippings: Vec<Shipping>) -> Observed {
    Observed {
        deployment: yaml(owner),
        shippings,
        retaining: BTreeSet::new(),
        config_map: None,
        pods: Vec::new(),
    }
}

/// Carries a plan out, as the API server would have it done.
pub(super) fn carry_out(observed: &mut Observed, plan: &Plan) {
    match plan.config_map.clone() {
        Some(ConfigMapWrite::Create(new) | ConfigMapWrite::Replace(new) | ConfigMapWrite::Recreate(_, new)) => {
            observed.config_map = Some(new);
        }
        None => {}
    }
    if let Some(patch) = &plan.patch {
        let mut object = serde_json::to_value(&observed.deployment).unwrap();
        merge(&mut object, &patch.body);
        observed.deployment = serde_json::from_value::<Deployment>(object).unwrap();
    }
    for nudge in &plan.nudges {
        let pod = observed
            .pods
            .iter_mut()
            .find(|pod: &&mut Pod| pod.name == nudge.pod)
            .unwrap();
        pod.nudged = Some(nudge.revision.clone());
    }
    if plan.delete_config_map.is_some() {
        observed.config_map = None;
    }
}

/// Plans and carries out.
pub(super) fn reconcile(observed: &mut Observed) -> Plan {
    let plan = plan(observed, &settings());
    carry_out(observed, &plan);
    plan
}

pub(super) fn template(observed: &Observed) -> Value {
    serde_json::to_value(&observed.deployment.spec.as_ref().unwrap().template).unwrap()
}

pub(super) fn body(plan: &Plan) -> &Value {
    &plan
        .patch
        .as_ref()
        .unwrap_or_else(|| panic!("there is no patch in {plan:#?}"))
        .body
}

/// What pods of the template load.
pub(super) fn config(observed: &Observed) -> pipeline::Config {
    let data = observed.config_map.as_ref().unwrap().data.as_ref().unwrap();
    serde_json::from_str(&data[&names::config_key(&shape(observed))]).unwrap()
}

/// Pod shape of the template.
pub(super) fn shape(observed: &Observed) -> String {
    let template = template(observed);
    template["metadata"]["annotations"][names::POD_SHAPE]
        .as_str()
        .unwrap()
        .to_owned()
}
