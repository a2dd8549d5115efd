//! One injection: one rollout, in the right places, nothing that isn't ours.

use std::time::Duration;

use serde_json::{Value, json};
use tests::kubectl::Namespace;
use tests::planner::Planner;
use tests::wait::until;

use super::owner::{self, MANIFEST, SHIPPED, Way, names, rollouts, template};

#[test]
fn one_injection_is_one_rollout() {
    let namespace = owner::namespace(Way::ClientSide);
    let original = template(&namespace);
    let planner = owner::injected(&namespace);
    assert_eq!(rollouts(&namespace), 2, "the owner's own and ours");
    let template = template(&namespace);
    assert_eq!(
        names(&template, "initContainers"),
        ["logshipping-sidecar", "migrate", "second"]
    );
    assert_eq!(names(&template, "containers"), ["app", "proxy"]);
    assert_eq!(template["spec"]["containers"][1], original["spec"]["containers"][1]);
    assert_eq!(owner::mounted(&template, "app"), ["/var/log", "/data"]);
    assert_eq!(planner.plan().patch, None);
}

#[test]
fn a_plain_container_comes_last() {
    let namespace = owner::namespace(Way::ClientSide);
    let mut planner = Planner::new(&namespace, "server");
    planner.ship(&format!("{SHIPPED}, sidecar: {{placement: Container}}"));
    planner.carry_out();
    let plain = template(&namespace);
    assert_eq!(names(&plain, "containers"), ["app", "proxy", "logshipping-sidecar"]);
    assert_eq!(names(&plain, "initContainers"), ["migrate", "second"]);
    planner.ship(SHIPPED);
    planner.carry_out();
    let native = template(&namespace);
    assert_eq!(
        names(&native, "initContainers"),
        ["logshipping-sidecar", "migrate", "second"]
    );
    assert_eq!(names(&native, "containers"), ["app", "proxy"]);
    assert_eq!(rollouts(&namespace), 3);
}

/// The API server refuses a patch whose items stand in another order than it says the list should have.
#[test]
fn containers_of_any_order_are_served_at_once() {
    let namespace = owner::namespace(Way::ClientSide);
    let proxy = "      - {name: proxy, image: \"registry.example/proxy:1\"}\n";
    let init = "      initContainers:\n";
    let manifest = MANIFEST
        .replace(proxy, "      - {name: a, image: \"registry.example/a:1\"}\n")
        .replace(
            init,
            &format!("{init}      - {{name: own, image: \"registry.example/own:1\", restartPolicy: Always}}\n"),
        );
    owner::write(&namespace, Way::ClientSide, &manifest).unwrap();
    let mut planner = Planner::new(&namespace, "server");
    planner.ship(
        "sources: [{name: one, container: app, paths: [/x/x.log]}, {name: two, container: a, paths: [/y/y.log]}, \
         {name: three, container: own, paths: [/z/z.log]}], destinations: [{name: out, stdout: {}}]",
    );
    for placement in ["Auto", "Container", "Auto"] {
        planner.carry_out();
        let now = template(&namespace);
        assert_eq!(
            (owner::mounted(&now, "a"), owner::mounted(&now, "own")),
            (vec!["/y".to_owned()], vec!["/z".to_owned()])
        );
        assert_eq!(planner.plan().patch, None);
        planner.ship(&format!(
            "sources: [{{name: one, paths: [/x/x.log]}}, {{name: two, container: a, paths: [/y/y.log]}}, \
             {{name: three, container: own, paths: [/z/z.log]}}], destinations: [{{name: out, stdout: {{}}}}], \
             sidecar: {{placement: {placement}}}"
        ));
    }
}

#[test]
fn carrying_out_a_plan_again_changes_nothing() {
    let namespace = owner::namespace(Way::ClientSide);
    let mut planner = Planner::new(&namespace, "server");
    planner.ship(SHIPPED);
    let plan = planner.carry_out();
    let patch = plan.patch.unwrap();
    let [before, after] = planner.repeat(&patch);
    assert_eq!(after, before);
    let again = planner.carry_out();
    assert_eq!((again.patch, again.config_map), (None, None));
    assert_eq!(rollouts(&namespace), 2);
}

/// The server rewrites quantities and fills in defaults; neither is a difference.
#[test]
fn what_is_read_back_equals_what_was_sent() {
    for spec in [
        "sidecar: {resources: {limits: {cpu: 0.5, memory: 1024Mi}, requests: {cpu: 1000u}}}",
        "volume: {sizeLimit: 1000000}",
        "volume: {sizeLimit: 1.5Gi}, sidecar: {placement: Container, runAsUser: 1000, runAsGroup: 1000}",
        "sidecar: {imagePullSecrets: [regcred], imagePullPolicy: Always, port: 20000}",
    ] {
        let spec = spec.replace("1000u", "1m");
        let namespace = owner::namespace(Way::ClientSide);
        let mut planner = Planner::new(&namespace, "server");
        planner.ship(&format!("{SHIPPED}, {spec}"));
        assert!(planner.carry_out().patch.is_some());
        let next = planner.plan();
        assert_eq!((next.patch, next.config_map), (None, None), "{spec}");
    }
}

#[test]
fn a_stale_resource_version_is_refused() {
    let namespace = owner::namespace(Way::ClientSide);
    let mut planner = Planner::new(&namespace, "server");
    planner.ship(SHIPPED);
    let patch = planner.plan().patch.unwrap();
    namespace.run(&["annotate", "deployment/server", "touched=yes"]);
    match planner.patch(&patch) {
        Err(kube::Error::Api(status)) => assert_eq!(status.code, 409, "{}", status.message),
        other => panic!("{other:?}"),
    }
    assert_eq!(rollouts(&namespace), 1);
}

#[test]
fn a_deployment_of_the_same_name_that_is_another_one_is_not_patched() {
    let namespace = owner::namespace(Way::ClientSide);
    let mut planner = Planner::new(&namespace, "server");
    planner.ship(SHIPPED);
    let mut patch = planner.plan().patch.unwrap();
    patch.body["metadata"]["uid"] = json!("00000000-0000-0000-0000-000000000000");
    match planner.patch(&patch) {
        Err(kube::Error::Api(status)) => assert!([409, 422].contains(&status.code), "{}", status.message),
        other => panic!("{other:?}"),
    }
}

/// What the API server has recorded as ours, by field manager.
fn owned(namespace: &Namespace) -> Option<Value> {
    let deployment = namespace.get("deployment", "server")?;
    let entries = deployment["metadata"]["managedFields"].as_array()?.clone();
    let mut ours = entries
        .into_iter()
        .filter(|entry| entry["manager"] == crds::names::FIELD_MANAGER);
    let only = ours.next();
    assert!(ours.next().is_none(), "one manager, one operation");
    only
}

#[test]
fn no_scalar_of_the_pod_spec_is_ever_ours() {
    let namespace = owner::namespace(Way::ServerSide);
    owner::injected(&namespace);
    let ours = owned(&namespace).unwrap();
    assert_eq!(ours["operation"], "Update");
    let keys = |value: &Value| {
        value
            .as_object()
            .map(|map| map.keys().cloned().collect::<Vec<_>>())
            .unwrap_or_default()
    };
    let fields = &ours["fieldsV1"]["f:spec"];
    assert_eq!(keys(fields), ["f:template"]);
    let mut spec = keys(&fields["f:template"]["f:spec"]);
    spec.sort();
    assert_eq!(spec, ["f:containers", "f:initContainers", "f:volumes"]);
    let app = &fields["f:template"]["f:spec"]["f:containers"];
    assert_eq!(keys(app), [r#"k:{"name":"app"}"#]);
    assert_eq!(keys(&app[r#"k:{"name":"app"}"#]), ["f:volumeMounts"]);
}

#[test]
fn removal_leaves_no_trace_in_the_managed_fields() {
    let namespace = owner::namespace(Way::ServerSide);
    let mut planner = owner::injected(&namespace);
    assert!(owned(&namespace).is_some());
    planner.ship_nothing();
    planner.carry_out();
    assert_eq!(owned(&namespace), None);
}

#[test]
fn a_restricted_namespace_admits_the_injected_pod() {
    let namespace = Namespace::create(tests::in_process::control_plane(), "restricted");
    namespace.run(&[
        "label",
        "namespace",
        namespace.name(),
        "pod-security.kubernetes.io/enforce=restricted",
    ]);
    let restricted = "
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      containers:";
    let context = "securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}";
    let manifest = MANIFEST
        .replace("\n      containers:", restricted)
        .replace(":1\"}", &format!(":1\", {context}}}"))
        .replace(
            "image: registry.example/app:1",
            &format!("image: registry.example/app:1\n        {context}"),
        );
    owner::write(&namespace, Way::ClientSide, &manifest).unwrap();
    owner::injected(&namespace);
    until("a pod with the sidecar is admitted", Duration::from_secs(30), || {
        let pods = namespace.list("pods", &format!("{}=true", crds::names::SIDECAR_LABEL));
        (!pods.is_empty()).then_some(())
    });
}

#[test]
fn the_token_of_the_service_account_stays_out_of_our_container() {
    let namespace = owner::namespace(Way::ClientSide);
    owner::injected(&namespace);
    let pod = until("an injected pod is there", Duration::from_secs(30), || {
        let pods = namespace.list("pods", &format!("{}=true", crds::names::SIDECAR_LABEL));
        pods.into_iter().next()
    });
    let at_the_token = |container: &Value| -> Vec<String> {
        let mounts = container["volumeMounts"].as_array().cloned().unwrap_or_default();
        let at = mounts
            .iter()
            .filter(|mount| mount["mountPath"] == crds::names::paths::SERVICE_ACCOUNT);
        at.filter_map(|mount| mount["name"].as_str().map(str::to_owned))
            .collect()
    };
    assert_eq!(at_the_token(&owner::sidecar(&pod)), [crds::names::NO_TOKEN_VOLUME]);
    let application = at_the_token(&pod["spec"]["containers"][0]);
    assert!(application[0].starts_with("kube-api-access-"), "{application:?}");
}
