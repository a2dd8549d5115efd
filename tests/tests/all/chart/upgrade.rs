//! `helm upgrade` from chart 0.1.0, which is kept as the archive that was released (`tests/charts`): the repository's
//! history isn't there in a shallow checkout. Nothing immutable may have changed, and what people made must survive.

use std::path::Path;

use cluster::control_plane::ControlPlane;
use serde_json::Value;
use tests::chart::{self, RELEASE};
use tests::kubectl::Namespace;
use tests::road;

use crate::operator::shop::LOG_SHIPPING;

fn helm(control_plane: &ControlPlane, namespace: &Namespace, action: &[&str], chart: &Path, values: &[&str]) {
    let mut helm = chart::helm();
    helm.env("KUBECONFIG", control_plane.kubeconfig())
        .args(action)
        .arg(RELEASE)
        .arg(chart)
        .args(["--namespace", namespace.name()])
        .args(values);
    let output = helm.output().unwrap();
    assert!(
        output.status.success(),
        "helm {action:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn uid(object: &Value) -> String {
    object["metadata"]["uid"].as_str().unwrap().to_owned()
}

#[test]
fn an_installation_of_the_first_version_can_be_upgraded() {
    let control_plane = cluster::control_plane::start().unwrap();
    let first = road::file("tests/charts/logshipping-0.1.0.tgz");
    let home = Namespace::create(&control_plane, "home");
    let shop = Namespace::create(&control_plane, "shop");
    let namespaces = format!("namespaces={{{}}}", shop.name());
    // The second one works in one namespace, where its binding once pointed to a ClusterRole.
    let tenant = Namespace::create(&control_plane, "tenant");
    let tenants = [
        "--set",
        &namespaces,
        "--set",
        "crd.install=false",
        "--set",
        "fullnameOverride=tenant",
    ];
    helm(&control_plane, &home, &["install"], &first, &[]);
    helm(&control_plane, &tenant, &["install"], &first, &tenants);
    shop.run(&[
        "wait",
        "--for=condition=Established",
        "crd/logshippings.logshipping.dev",
        "--timeout=30s",
    ]);
    shop.apply(LOG_SHIPPING);
    let look = || {
        (
            shop.get("logshipping", "logs").unwrap(),
            home.get("deployment", RELEASE).unwrap(),
        )
    };
    let (shipping, deployment) = look();
    assert_eq!(deployment["spec"]["replicas"], 1);

    helm(&control_plane, &home, &["upgrade"], &chart::folder(), &[]);
    helm(&control_plane, &tenant, &["upgrade"], &chart::folder(), &tenants);

    let (shipping_after, deployment_after) = look();
    assert_eq!(
        (uid(&shipping), &shipping["spec"]),
        (uid(&shipping_after), &shipping_after["spec"])
    );
    assert_eq!(uid(&deployment), uid(&deployment_after));
    assert_eq!(deployment_after["spec"]["replicas"], 2);
    assert_eq!(deployment_after["spec"]["strategy"]["type"], "RollingUpdate");
    assert!(home.get("poddisruptionbudget", RELEASE).is_some());
    let binding = shop.get("rolebinding", "tenant-operator").unwrap();
    assert_eq!(binding["roleRef"]["kind"], "Role");
    assert!(shop.get("rolebinding", "tenant").is_none());
    assert!(
        home.get("clusterrole", "tenant").is_none(),
        "its cluster-wide role is gone"
    );
}
