//! The operator needs every right that the chart grants, and no other: what it does in everything that can happen to it
//! is read from the API server's audit log and compared with the rendered roles.

use std::collections::BTreeSet;
use std::path::PathBuf;

use cluster::control_plane::ControlPlane;
use operator::settings::Switch;
use serde_json::{Value, json};
use tests::chart::{self, RELEASE, granted, used};
use tests::in_process::{self, Operator};
use tests::kubectl::Namespace;
use tests::pods::Pods;
use tests::road::OPERATOR_NAMESPACE;
use tests::wait;

use crate::operator::shop::{CONFIG_MAP, DEPLOYMENT, LOG_SHIPPING, PATIENCE, Shop, text};

/// What no version of the operator may ever be given, as beginnings and parts of rights.
const NEVER: [&str; 10] = [
    "*",
    "secrets",
    "pods/exec",
    "pods/attach",
    "pods/portforward",
    "pods/proxy",
    "nodes/proxy",
    "escalate",
    "bind",
    "impersonate",
];

fn shop(control_plane: &ControlPlane) -> Shop {
    let namespace = Namespace::create(control_plane, "rights");
    let pods = Pods::run(namespace.kubeconfig(), namespace.name());
    Shop { namespace, pods }
}

/// An operator that is somebody else than that of the other tests.
fn operator(shop: &Shop, kubeconfig: PathBuf, home: &str, namespaces: Vec<String>, switches: Switch) -> Operator {
    Operator::start_with(&shop.namespace, |settings| {
        settings.leader_election = Switch::On;
        settings.lease_namespace = Some(home.to_owned());
        settings.reach.kubeconfig = Some(kubeconfig);
        settings.reach.namespaces = namespaces;
        settings.nudge = switches;
        settings.poll = switches;
    })
}

/// Everything that makes the operator write or ask: a ConfigMap of somebody else, injection, status, events, finalizer, a change of the configuration,
/// removal, an event that is repeated, and a quarrel. The lease is in use all the time.
fn live_through_everything(shop: &Shop) {
    let carries = |yes: bool| {
        let what = if yes {
            "the sidecar is there"
        } else {
            "the sidecar is gone"
        };
        let look = || shop.template()["spec"]["initContainers"].is_array();
        wait::until_is(what, PATIENCE, look, |found| *found == yes);
    };
    shop.namespace.apply(DEPLOYMENT);
    shop.namespace.run(&["create", "configmap", CONFIG_MAP]);
    shop.namespace.apply(LOG_SHIPPING);
    shop.await_condition("Stalled", "True Conflict");
    shop.namespace.run(&["delete", "configmap", CONFIG_MAP]);
    shop.await_condition("Ready", "True Healthy");
    let revision = || text(&shop.namespace.get("logshipping", "logs").unwrap()["status"]["revision"]);
    let first = revision();
    shop.namespace.apply(&LOG_SHIPPING.replace("access", "audit"));
    wait::until_is("another revision is reported", PATIENCE, revision, |found| {
        *found != first
    });
    shop.await_condition("Ready", "True Healthy");

    let original = DEPLOYMENT;
    shop.namespace.run(&["delete", "logshipping", "logs", "--timeout=30s"]);
    carries(false);
    wait::until("the ConfigMap is gone", PATIENCE, || {
        shop.config_map().is_none().then_some(())
    });
    shop.namespace.apply(LOG_SHIPPING);
    for _ in 0..3 {
        carries(true);
        let replaced = shop.namespace.feed_again(&["replace", "--filename=-"], original);
        replaced.unwrap();
    }
    shop.await_condition("Stalled", "True Conflict");
}

/// Waits until a right that is used late has been used, and returns all that were used.
fn await_used(control_plane: &ControlPlane, user: &str, all: &BTreeSet<String>) -> BTreeSet<String> {
    let look = || used(control_plane, user);
    let missing = |found: &BTreeSet<String>| all.difference(found).next().is_some();
    let deadline = std::time::Instant::now() + PATIENCE;
    wait::until("every right that is granted was used", PATIENCE * 2, || {
        let found = look();
        // What is missing at the end is told by the comparison.
        (!missing(&found) || std::time::Instant::now() > deadline).then_some(found)
    })
}

fn all_roles(_: &Value) -> bool {
    true
}

#[test]
fn in_the_whole_cluster_the_rights_used_are_those_granted() {
    let control_plane = cluster::control_plane::start().unwrap();
    let kubeconfig = in_process::install(&control_plane);
    let shop = shop(&control_plane);
    let _operator = operator(&shop, kubeconfig, OPERATOR_NAMESPACE, Vec::new(), Switch::On);
    live_through_everything(&shop);

    let values = json!({"rbac": {"aggregate": false}});
    let granted = granted(&chart::objects(OPERATOR_NAMESPACE, &values), |role| {
        !chart::is_hook(role)
    });
    let used = await_used(&control_plane, in_process::USER, &granted);
    eprintln!("rights used: {used:#?}");
    assert_eq!(used, granted);
}

#[test]
fn in_a_few_namespaces_it_needs_no_right_in_the_cluster_and_none_for_what_is_switched_off() {
    let control_plane = in_process::control_plane();
    let shop = shop(control_plane);
    let home = Namespace::create(control_plane, "tenant");
    let values = json!({
        "namespaces": [shop.namespace.name()], "nudge": false, "poll": false,
        "crd": {"install": false}, "admissionPolicy": {"create": false}, "rbac": {"aggregate": false},
    });
    let objects = chart::objects(home.name(), &values);
    for object in &objects {
        let namespace = &object["metadata"]["namespace"];
        assert!(
            namespace == home.name() || namespace == shop.namespace.name(),
            "an administrator of these namespaces alone can't install {}",
            object["kind"]
        );
    }
    let kubeconfig = chart::install_rights(control_plane, home.name(), &values);
    let namespaces = vec![shop.namespace.name().to_owned()];
    let _operator = operator(&shop, kubeconfig, home.name(), namespaces, Switch::Off);
    live_through_everything(&shop);

    let granted = granted(&objects, |role| !chart::is_hook(role));
    let used = await_used(control_plane, &chart::user(home.name(), RELEASE), &granted);
    assert_eq!(used, granted);
    assert!(!granted.contains("patch pods"), "there is no nudge");
}

#[test]
fn no_role_reaches_for_what_only_administrators_have() {
    for values in [json!({}), json!({"namespaces": ["shop"]})] {
        let rights = granted(&chart::objects(OPERATOR_NAMESPACE, &values), all_roles);
        assert!(rights.contains("patch deployments.apps"), "{rights:?}");
        for right in &rights {
            let forbidden = NEVER.iter().find(|part| right.contains(**part));
            assert_eq!(forbidden, None, "{right}");
        }
    }
}

/// The rows of the table in the documentation, as rights.
fn documented() -> BTreeSet<String> {
    let page = std::fs::read_to_string(tests::road::file("docs/security.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let rights = rows.flat_map(|row| {
        let (resource, rest) = row.split_once("` | ").unwrap();
        let (verbs, _) = rest.split_once(" | ").unwrap();
        verbs.split(", ").map(move |verb| format!("{verb} {resource}"))
    });
    rights.collect()
}

#[test]
fn the_documentation_explains_every_right() {
    let objects = chart::objects(OPERATOR_NAMESPACE, &json!({"rbac": {"aggregate": false}}));
    assert_eq!(documented(), granted(&objects, |role| !chart::is_hook(role)));
}
