//! The owner does something that concerns us.

use tests::planner::Planner;

use super::owner::{self, MANIFEST, SHIPPED, Way, mounted, names, rollouts, template};

#[test]
fn the_owner_renames_the_container() {
    for way in [Way::ClientSide, Way::ServerSide, Way::ForcedServerSide] {
        let namespace = owner::namespace(way);
        let planner = owner::injected(&namespace);
        let renamed = MANIFEST.replace("name: app\n", "name: web\n");
        owner::write(&namespace, way, &renamed).unwrap_or_else(|error| panic!("{way:?}: {error}"));
        let between = template(&namespace);
        assert_eq!(
            names(&between, "containers"),
            ["web", "proxy"],
            "{way:?}: the old container is gone as a whole"
        );
        let patch = planner.carry_out().patch.unwrap();
        let touched = &patch.body["spec"]["template"]["spec"]["containers"];
        assert_eq!(touched[0]["name"], "web", "{way:?}");
        assert!(
            mounted(&template(&namespace), "web").contains(&"/var/log".to_owned()),
            "{way:?}"
        );
        assert_eq!(planner.plan().patch, None, "{way:?}");
        owner::sees_no_drift(&namespace, way, &renamed);
    }
}

#[test]
fn a_replace_takes_us_away_and_we_come_back_once() {
    let namespace = owner::namespace(Way::ClientSide);
    let planner = owner::injected(&namespace);
    owner::write(&namespace, Way::Replace, MANIFEST).unwrap();
    assert_eq!(names(&template(&namespace), "initContainers"), ["migrate", "second"]);
    rollouts(&namespace);
    planner.carry_out();
    assert_eq!(
        names(&template(&namespace), "initContainers"),
        ["logshipping-sidecar", "migrate", "second"]
    );
    assert_eq!(planner.plan().patch, None);
    assert_eq!(
        rollouts(&namespace),
        2,
        "the same templates as before, so no new ReplicaSet"
    );
}

/// Helm 4 applies on the server and doesn't force: its release then fails with words that name us.
#[test]
fn an_owner_who_later_wants_our_path_is_told_who_has_it() {
    let namespace = owner::namespace(Way::ServerSide);
    let planner = owner::injected(&namespace);
    let wants = MANIFEST.replace(
        "mountPath: /data}",
        "mountPath: /data}, {name: data, mountPath: /var/log}",
    );
    let error = owner::write(&namespace, Way::ServerSide, &wants).unwrap_err();
    assert!(error.contains("conflict with \"logshipping-operator\""), "{error}");
    owner::write(&namespace, Way::ForcedServerSide, &wants).unwrap();
    planner.carry_out();
    let after = template(&namespace);
    assert!(
        !names(&after, "volumes").contains(&crds::names::logs_volume("/var/log")),
        "{after:#}"
    );
    assert!(
        owner::sidecar(&after)["volumeMounts"]
            .to_string()
            .contains(r#""name":"data""#),
        "{after:#}"
    );
    assert_eq!(planner.plan().patch, None);
}

/// Only an admission webhook could heal this: it is documented, and the owner's error says where to look.
#[test]
fn an_owner_cannot_drop_a_volume_that_we_mount() {
    for way in [Way::ClientSide, Way::ForcedServerSide] {
        let namespace = owner::namespace(way);
        let mut planner = Planner::new(&namespace, "server");
        planner.ship(&SHIPPED.replace("/var/log/access.log", "/data/access.log"));
        planner.carry_out();
        let mounts = owner::sidecar(&template(&namespace))["volumeMounts"].clone();
        assert!(
            mounts.to_string().contains(r#""name":"data""#),
            "the owner's volume is used: {mounts}"
        );
        let dropped = MANIFEST
            .replace("        volumeMounts: [{name: data, mountPath: /data}]\n", "")
            .replace("      volumes:\n      - {name: data, emptyDir: {}}\n", "");
        let error = owner::write(&namespace, way, &dropped).unwrap_err();
        assert!(
            error.contains("initContainers[0].volumeMounts[") && error.contains("Not found"),
            "{way:?}: {error}"
        );
        planner.ship_nothing();
        planner.carry_out();
        owner::write(&namespace, way, &dropped).unwrap_or_else(|error| panic!("{way:?}: {error}"));
    }
}

#[test]
fn the_owners_own_pull_secrets_and_autoscaler_annotation_stay_the_owners() {
    let namespace = owner::namespace(Way::ClientSide);
    let manifest = MANIFEST
        .replace(
            "      volumes:",
            "      imagePullSecrets: [{name: owners}]\n      volumes:",
        )
        .replace(
            "      annotations: {team: shop}\n",
            "      annotations: {team: shop, cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes: data}\n",
        );
    owner::write(&namespace, Way::ClientSide, &manifest).unwrap();
    let original = template(&namespace);
    let mut planner = Planner::new(&namespace, "server");
    planner.ship(&format!("{SHIPPED}, sidecar: {{imagePullSecrets: [owners, ours]}}"));
    planner.carry_out();
    let mut secrets = names(&template(&namespace), "imagePullSecrets");
    secrets.sort();
    assert_eq!(secrets, ["ours", "owners"]);
    assert_eq!(planner.plan().patch, None);
    planner.ship_nothing();
    planner.carry_out();
    assert_eq!(template(&namespace), original);
}

#[test]
fn an_undo_takes_only_the_sidecar_away_and_a_restart_leaves_it() {
    let namespace = owner::namespace(Way::ClientSide);
    let original = template(&namespace);
    let planner = owner::injected(&namespace);
    rollouts(&namespace);
    namespace.run(&["rollout", "undo", "deployment/server"]);
    assert_eq!(template(&namespace), original, "as the event says");
    planner.carry_out();
    namespace.run(&["rollout", "restart", "deployment/server"]);
    assert_eq!(planner.plan().patch, None);
    namespace.run(&["set", "image", "deployment/server", "app=registry.example/app:2"]);
    assert_eq!(planner.plan().patch, None);
}
