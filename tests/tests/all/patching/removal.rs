//! Removal: one patch, and nothing of us is left.

use tests::planner::Planner;

use super::owner::{self, MANIFEST, Way, rollouts, template};

#[test]
fn the_template_is_as_before_and_its_replica_set_is_reused() {
    for way in [Way::ClientSide, Way::ServerSide] {
        let namespace = owner::namespace(way);
        let original = template(&namespace);
        let first = owner::settled(&namespace)["metadata"]["uid"].clone();
        let mut planner = Planner::new(&namespace, "server");
        planner.ship(&format!("{}, sidecar: {{imagePullSecrets: [regcred]}}", owner::SHIPPED));
        planner.carry_out();
        assert_ne!(owner::settled(&namespace)["metadata"]["uid"], first, "{way:?}");

        planner.ship_nothing();
        planner.carry_out();
        assert_eq!(template(&namespace), original, "{way:?}");
        assert_eq!(
            owner::settled(&namespace)["metadata"]["uid"],
            first,
            "{way:?}: no new ReplicaSet"
        );
        assert_eq!(rollouts(&namespace), 2, "{way:?}");
        let labels = planner.live().metadata.labels.unwrap();
        assert!(!labels.contains_key(crds::names::SIDECAR_LABEL), "{way:?}");
        owner::sees_no_drift(&namespace, way, MANIFEST);
    }
}

#[test]
fn an_owner_without_lists_of_its_own_gets_none() {
    let namespace = owner::namespace(Way::ClientSide);
    let bare = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: bare}
spec:
  selector: {matchLabels: {app: bare}}
  template:
    metadata: {labels: {app: bare}}
    spec: {containers: [{name: app, image: registry.example/app:1}]}
";
    owner::write(&namespace, Way::ClientSide, bare).unwrap();
    let get = || namespace.get("deployment", "bare").unwrap()["spec"].clone();
    let original = get();
    let mut planner = Planner::new(&namespace, "bare");
    planner.ship(owner::SHIPPED);
    planner.carry_out();
    assert_ne!(get(), original);
    assert_eq!(planner.plan().patch, None);
    planner.ship_nothing();
    planner.carry_out();
    assert_eq!(get(), original);
}
