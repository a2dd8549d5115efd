//! Deployments that are left alone on purpose, and why. The first reason that applies counts.

use crds::conditions::Reason;
use crds::names;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::PodSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::state::Finding;

/// A Deployment is left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Skip {
    pub finding: Finding,
    pub sidecar: Existing,
}

/// What happens to a sidecar that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Existing {
    Stays,
    /// The owner has declared that there must be none.
    Goes,
}

/// Why nothing of ours belongs into this Deployment.
pub(super) fn skip(deployment: &Deployment) -> Option<Skip> {
    let spec = deployment.spec.as_ref();
    let pod = spec.and_then(|spec| spec.template.spec.as_ref());
    whose_it_is(&deployment.metadata).or_else(|| where_it_runs(pod?))
}

fn left_alone(reason: Reason, sidecar: Existing, message: impl Into<String>) -> Skip {
    let message = message.into();
    Skip {
        finding: Finding { reason, message },
        sidecar,
    }
}

fn whose_it_is(metadata: &ObjectMeta) -> Option<Skip> {
    let annotation = metadata.annotations.as_ref().and_then(|map| map.get(names::INJECT));
    let controller = metadata
        .owner_references
        .iter()
        .flatten()
        .find(|owner| owner.controller == Some(true));
    if metadata.deletion_timestamp.is_some() {
        return Some(left_alone(
            Reason::BeingDeleted,
            Existing::Stays,
            "the Deployment is being deleted",
        ));
    }
    if metadata.namespace.as_deref() == Some("kube-system") {
        let message = "Deployments in kube-system are never changed";
        return Some(left_alone(Reason::SystemNamespace, Existing::Stays, message));
    }
    if annotation.is_some_and(|value| value == "false") {
        let message = format!(
            "annotation {}: \"false\" on the Deployment keeps the sidecar out; remove it to have its logs shipped",
            names::INJECT
        );
        return Some(left_alone(Reason::OptedOut, Existing::Goes, message));
    }
    if let Some(owner) = controller {
        let message = format!(
            "{} {} controls the Deployment and would undo any change: ship from what it creates, or select another Deployment",
            owner.kind, owner.name
        );
        return Some(left_alone(Reason::OwnedByController, Existing::Stays, message));
    }
    None
}

fn where_it_runs(pod: &PodSpec) -> Option<Skip> {
    if is_windows(pod) {
        return Some(left_alone(
            Reason::Windows,
            Existing::Goes,
            "its pods run on Windows, where the sidecar can't run",
        ));
    }
    if pod.host_network == Some(true) {
        let message = "its pods use the host's network, where the sidecar's port would be the host's: switch hostNetwork off, or collect on the node";
        return Some(left_alone(Reason::HostNetwork, Existing::Goes, message));
    }
    None
}

fn is_windows(pod: &PodSpec) -> bool {
    let labels = ["kubernetes.io/os", "beta.kubernetes.io/os"];
    let selector = pod.node_selector.as_ref();
    let selected = labels.into_iter().find_map(|label| selector?.get(label));
    let declared = pod.os.as_ref().map(|os| os.name.as_str());
    let context = pod.security_context.as_ref();
    declared == Some("windows")
        || selected.is_some_and(|os| os == "windows")
        || context.is_some_and(|context| context.windows_options.is_some())
}

/// Why the template must not change now, though the configuration may.
pub(super) fn restraint(deployment: &Deployment, recreate: Recreate) -> Option<Finding> {
    let spec = deployment.spec.as_ref()?;
    let strategy = spec.strategy.as_ref().and_then(|strategy| strategy.type_.as_deref());
    let finding = |reason, message: &str| {
        Some(Finding {
            reason,
            message: message.to_owned(),
        })
    };
    if spec.paused == Some(true) {
        let message = "the Deployment is paused, so its pods would not change: run `kubectl rollout resume`";
        return finding(Reason::DeploymentPaused, message);
    }
    if strategy == Some("Recreate") && recreate == Recreate::Forbidden {
        let message = "strategy Recreate makes the restart that this change needs an outage: set rollout.allowRecreate: true on every LogShipping that selects it, or use strategy RollingUpdate";
        return finding(Reason::RecreateStrategy, message);
    }
    None
}

/// Whether all LogShippings of a Deployment accept an outage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recreate {
    Allowed,
    Forbidden,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(yaml: &str) -> Deployment {
        let value: serde_json::Value = serde_saphyr::from_str(yaml).unwrap();
        serde_json::from_value(value).unwrap()
    }

    const TEMPLATE: &str = "selector: {}, template: {spec: {containers: []";

    #[test]
    fn each_reason_to_leave_a_deployment_alone() {
        use Existing::{Goes, Stays};
        for (metadata, pod, reason, sidecar) in [
            (
                "deletionTimestamp: 2026-01-01T00:00:00Z",
                "",
                Reason::BeingDeleted,
                Stays,
            ),
            ("namespace: kube-system", "", Reason::SystemNamespace, Stays),
            (
                "annotations: {logshipping.dev/inject: 'false'}",
                "",
                Reason::OptedOut,
                Goes,
            ),
            (
                "ownerReferences: [{apiVersion: v1, kind: Tenant, name: t, uid: u, controller: true}]",
                "",
                Reason::OwnedByController,
                Stays,
            ),
            ("name: a", ", os: {name: windows}", Reason::Windows, Goes),
            (
                "name: a",
                ", nodeSelector: {kubernetes.io/os: windows}",
                Reason::Windows,
                Goes,
            ),
            (
                "name: a",
                ", nodeSelector: {beta.kubernetes.io/os: windows}",
                Reason::Windows,
                Goes,
            ),
            (
                "name: a",
                ", securityContext: {windowsOptions: {runAsUserName: a}}",
                Reason::Windows,
                Goes,
            ),
            ("name: a", ", hostNetwork: true", Reason::HostNetwork, Goes),
        ] {
            let found = deployment(&format!("{{metadata: {{{metadata}}}, spec: {{{TEMPLATE}{pod}}}}}}}}}"));
            let found = skip(&found).unwrap_or_else(|| panic!("{metadata}{pod}"));
            assert_eq!(
                (found.finding.reason, found.sidecar),
                (reason, sidecar),
                "{metadata}{pod}"
            );
        }
    }

    #[test]
    fn an_ordinary_deployment_is_not_skipped() {
        for metadata in [
            "namespace: shop",
            "annotations: {logshipping.dev/inject: 'true'}",
            "ownerReferences: [{apiVersion: v1, kind: App, name: t, uid: u}]",
        ] {
            let found = deployment(&format!(
                "{{metadata: {{{metadata}}}, spec: {{{TEMPLATE}, nodeSelector: {{kubernetes.io/os: linux}}}}}}}}}}"
            ));
            assert_eq!(skip(&found), None, "{metadata}");
        }
    }

    #[test]
    fn a_paused_or_recreated_deployment_holds_back_its_template() {
        for (spec, recreate, reason) in [
            ("paused: true", Recreate::Allowed, Some(Reason::DeploymentPaused)),
            (
                "strategy: {type: Recreate}",
                Recreate::Forbidden,
                Some(Reason::RecreateStrategy),
            ),
            ("strategy: {type: Recreate}", Recreate::Allowed, None),
            ("strategy: {type: RollingUpdate}", Recreate::Forbidden, None),
        ] {
            let found = deployment(&format!("{{spec: {{{spec}, {TEMPLATE}}}}}}}}}"));
            assert_eq!(
                restraint(&found, recreate).map(|finding| finding.reason),
                reason,
                "{spec}"
            );
        }
    }
}
