//! What owners see of us in their own tools, and what their next write does to us: nothing.

use super::owner::{self, MANIFEST, Way, names, rollouts, template};

#[test]
fn owners_see_no_drift() {
    for way in [Way::ClientSide, Way::ServerSide] {
        let namespace = owner::namespace(way);
        owner::injected(&namespace);
        owner::sees_no_drift(&namespace, way, MANIFEST);
        let changed = owner::drift(&namespace, way, &MANIFEST.replace("app:1", "app:2"));
        assert!(changed.contains("app:2"), "{way:?}: {changed}");
    }
}

/// Argo CD compares on the server what was applied by kubectl on the client.
#[test]
fn an_owner_who_changes_sides_sees_no_drift() {
    let namespace = owner::namespace(Way::ClientSide);
    owner::injected(&namespace);
    owner::sees_no_drift(&namespace, Way::ForcedServerSide, MANIFEST);
}

#[test]
fn the_owners_next_write_leaves_the_sidecar_alone() {
    for way in [Way::ClientSide, Way::ServerSide, Way::ForcedServerSide] {
        let namespace = owner::namespace(way);
        let planner = owner::injected(&namespace);
        let ours = template(&namespace);
        owner::write(&namespace, way, MANIFEST).unwrap();
        assert_eq!(template(&namespace), ours, "{way:?}");
        owner::write(&namespace, way, &MANIFEST.replace("app:1", "app:2")).unwrap();
        let next = template(&namespace);
        assert_eq!(
            names(&next, "initContainers"),
            names(&ours, "initContainers"),
            "{way:?}"
        );
        assert_eq!(owner::sidecar(&next), owner::sidecar(&ours), "{way:?}");
        assert_eq!(owner::mounted(&next, "app"), owner::mounted(&ours, "app"), "{way:?}");
        assert_eq!(planner.plan().patch, None, "{way:?}");
        assert_eq!(
            rollouts(&namespace),
            3,
            "{way:?}: created, injected, changed by the owner"
        );
    }
}

#[test]
fn an_order_that_the_owner_changes_is_no_reason_to_patch() {
    let namespace = owner::namespace(Way::ClientSide);
    let planner = owner::injected(&namespace);
    let migrate = "      - {name: migrate, image: \"registry.example/migrate:1\"}\n";
    let second = "      - {name: second, image: \"registry.example/second:1\"}\n";
    let reversed = MANIFEST.replace(&format!("{migrate}{second}"), &format!("{second}{migrate}"));
    assert_ne!(reversed, MANIFEST);
    owner::write(&namespace, Way::ClientSide, &reversed).unwrap();
    assert_eq!(planner.plan().patch, None);
}
