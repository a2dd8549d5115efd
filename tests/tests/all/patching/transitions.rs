//! From any shape to any other one: the API server does with each patch what the plan has in mind.

use tests::kubectl::Namespace;
use tests::planner::Planner;

use super::owner::{self, MANIFEST, Way, template};

const DESTINATION: &str = "destinations: [{name: out, stdout: {}}]";

/// What a LogShipping may ask for, each unlike the one before.
const SHAPES: [&str; 9] = [
    "sources: [{name: one, paths: [/var/log/a.log, /srv/logs/b.log]}]",
    "sources: [{name: one, container: proxy, paths: [/var/log/a.log]}], sidecar: {placement: Container}",
    "sources: [{name: one, paths: [/data/a.log]}], sidecar: {imagePullSecrets: [one, two]}",
    "sources: [{name: one, paths: ['/srv/{b,a}/x.log']}, {name: two, container: proxy, paths: [/srv/a/x.log]}], sidecar: {imagePullSecrets: [two, three]}",
    "sources: [{name: one, paths: [/var/log/a.log]}], volume: {sizeLimit: 1000000}, sidecar: {resources: {limits: {cpu: 0.5, memory: 1024Mi}}}",
    "sources: [{name: one, paths: [/var/log/a.log]}], volume: {sizeLimit: 1Gi}, sidecar: {resources: {limits: {memory: 1Gi}}, runAsUser: 5}",
    "sources: [{name: one, container: own, paths: [/own/a.log]}, {name: two, paths: [/data/deep/a.log]}], sidecar: {port: 20000}",
    "sources: [{name: one, container: own, paths: [/var/log/a.log]}, {name: two, container: proxy, paths: [/var/log/b.log]}], sidecar: {placement: Container, image: 'other:1'}",
    "sources: [{name: one, paths: [/var/log/a.log]}]",
];

fn walk(namespace: &Namespace, shapes: impl Iterator<Item = &'static str>) {
    let original = template(namespace);
    let mut planner = Planner::new(namespace, "server");
    for shape in shapes {
        planner.ship(&format!("{shape}, {DESTINATION}"));
        assert!(planner.carry_out().patch.is_some(), "{shape}");
        assert_eq!(planner.plan().patch, None, "{shape}");
    }
    planner.ship_nothing();
    planner.carry_out();
    assert_eq!(template(namespace), original);
}

/// The owner has a sidecar of its own among the init containers, as SHAPES expects.
fn with_a_sidecar_of_its_own(manifest: &str) -> String {
    let init = "      initContainers:\n";
    let own = "      - {name: own, image: \"registry.example/own:1\", restartPolicy: Always}\n";
    manifest.replace(init, &format!("{init}{own}"))
}

#[test]
fn every_change_of_shape_arrives_as_planned() {
    let namespace = owner::namespace(Way::ClientSide);
    owner::write(&namespace, Way::ClientSide, &with_a_sidecar_of_its_own(MANIFEST)).unwrap();
    walk(&namespace, SHAPES.into_iter());
    walk(&namespace, SHAPES.into_iter().rev());
}

#[test]
fn every_change_of_shape_arrives_as_planned_in_a_guaranteed_pod_of_another_user() {
    let namespace = owner::namespace(Way::ServerSide);
    let fixed = "resources: {limits: {cpu: 1, memory: 1Gi}}, securityContext: {runAsUser: 1000, runAsGroup: 1000}";
    let manifest = with_a_sidecar_of_its_own(MANIFEST)
        .replace(":1\"", &format!(":1\", {fixed}"))
        .replace(
            "image: registry.example/app:1\n",
            &format!(
                "image: registry.example/app:1\n        {}\n",
                fixed.replace("}}, ", "}}\n        ")
            ),
        )
        .replace(
            "{name: data, emptyDir: {}}",
            "{name: data, persistentVolumeClaim: {claimName: data}}",
        );
    owner::write(&namespace, Way::ServerSide, &manifest).unwrap();
    let mut planner = Planner::new(&namespace, "server");
    planner.ship(&format!("{}, {DESTINATION}", SHAPES[8]));
    let first = planner.plan().patch.unwrap().body.to_string();
    assert!(
        first.contains(r#""cpu":"200m""#) && first.contains(r#""runAsUser":1000"#),
        "{first}"
    );
    // Every second shape, then the others: other pairs of neighbours than above.
    let (even, odd) = (SHAPES.into_iter().step_by(2), SHAPES.into_iter().skip(1).step_by(2));
    walk(&namespace, even.chain(odd));
}
