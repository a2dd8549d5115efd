//! What goes over the wire, in full.

use insta::{assert_json_snapshot, assert_snapshot};
use serde_json::json;

use super::world::{OWNER, SIMPLE, body, config, observed, reconcile, shipping};
use crate::plan::Action;

#[test]
fn the_configuration_of_a_simple_specification() {
    let mut world = observed(OWNER, vec![shipping("logs", SIMPLE)]);
    reconcile(&mut world);
    assert_json_snapshot!(config(&world));
    let config_map = world.config_map.unwrap();
    assert_json_snapshot!("config_map_metadata", config_map.metadata);
}

#[test]
fn a_change_of_the_configuration_only_is_no_patch_at_all() {
    let mut world = observed(OWNER, vec![shipping("logs", SIMPLE)]);
    reconcile(&mut world);
    let hash = config(&world).hash;
    world.shippings = vec![shipping("logs", &SIMPLE.replace("access.log", "error.log"))];
    let plan = reconcile(&mut world);
    assert_eq!(plan.patch, None);
    assert!(plan.config_map.is_some());
    assert_ne!(config(&world).hash, hash);
}

#[test]
fn a_shrinking_sidecar_is_deleted_and_added_in_one_patch() {
    let large = "sources: [{name: access, paths: [/var/log/access.log]}, {name: audit, paths: [/audit/*.log], container: proxy}], \
                 destinations: [{name: out, stdout: {}}], volume: {sizeLimit: 1Gi}";
    let mut world = observed(OWNER, vec![shipping("logs", large)]);
    reconcile(&mut world);
    world.shippings = vec![shipping(
        "logs",
        &format!("{SIMPLE}, sidecar: {{resources: {{limits: {{}}}}}}"),
    )];
    let plan = reconcile(&mut world);
    assert_eq!(plan.patch.as_ref().unwrap().action, Action::Update);
    assert_json_snapshot!(body(&plan));
}

#[test]
fn removal_is_one_patch_of_deletions() {
    let secrets = "sidecar: {imagePullSecrets: [regcred]}";
    let mut world = observed(OWNER, vec![shipping("logs", &format!("{SIMPLE}, {secrets}"))]);
    reconcile(&mut world);
    world.shippings.clear();
    let plan = reconcile(&mut world);
    assert_eq!(plan.patch.as_ref().unwrap().action, Action::Remove);
    assert_json_snapshot!(body(&plan));
}

#[test]
fn a_plain_container_stands_last() {
    let mut world = observed(
        OWNER,
        vec![shipping(
            "logs",
            &format!("{SIMPLE}, sidecar: {{placement: Container}}"),
        )],
    );
    let plan = reconcile(&mut world);
    let spec = &body(&plan)["spec"]["template"]["spec"];
    assert_eq!(
        spec["$setElementOrder/containers"],
        json!([{"name": "app"}, {"name": "proxy"}, {"name": "logshipping-sidecar"}])
    );
    assert_eq!(spec.get("initContainers"), None);
    assert_eq!(spec["containers"][1].get("restartPolicy"), None);
    assert_eq!(config(&world).sidecar.placement, pipeline::config::Placement::Container);
}

#[test]
fn events_tell_the_owner_what_happened_and_what_to_know() {
    let mut world = observed(OWNER, vec![shipping("logs", SIMPLE)]);
    let injected = reconcile(&mut world).events;
    world.shippings.clear();
    let removed = reconcile(&mut world).events;
    assert_eq!(
        [injected[0].shippings.as_slice(), removed[0].shippings.as_slice()],
        [["logs"], ["logs"]]
    );
    world.shippings = vec![shipping(
        "logs",
        &SIMPLE.replace("/var/log/access.log", "/data/access.log"),
    )];
    let borrowing = reconcile(&mut world).events;
    let messages = [injected, removed, borrowing].map(|events| events[0].message.clone());
    assert_snapshot!(messages.join("\n"));
}
