//! Ways of writing that we don't use, and what they do: should one of these tests fail, a newer API server has become
//! kinder, and the contract can be thought over.

use serde_json::{Value, json};
use tests::kubectl::Namespace;
use tests::planner::Planner;

use super::owner::{self, MANIFEST, Way, names, rollouts, template};

fn patch(spec: &Value) -> Value {
    json!({"spec": {"template": {"spec": spec}}})
}

fn sidecar() -> Value {
    json!({"name": "logshipping-sidecar", "image": "registry.example/sidecar:1", "restartPolicy": "Always"})
}

#[test]
fn a_merge_puts_new_items_first_unless_told_the_order() {
    let namespace = owner::namespace(Way::ClientSide);
    let planner = Planner::new(&namespace, "server");
    let plain = json!({"name": "logshipping-sidecar", "image": "registry.example/sidecar:1"});
    planner
        .send(&patch(&json!({"containers": [plain], "initContainers": []})))
        .unwrap();
    assert_eq!(
        names(&template(&namespace), "containers"),
        ["logshipping-sidecar", "app", "proxy"]
    );
}

#[test]
fn a_merge_never_shrinks_an_item() {
    let namespace = owner::namespace(Way::ClientSide);
    let planner = Planner::new(&namespace, "server");
    let mut large = sidecar();
    large["env"] = json!([{"name": "A", "value": "1"}]);
    large["resources"] = json!({"limits": {"memory": "64Mi"}});
    planner.send(&patch(&json!({"initContainers": [large]}))).unwrap();
    planner.send(&patch(&json!({"initContainers": [sidecar()]}))).unwrap();
    let kept = owner::sidecar(&template(&namespace));
    assert_eq!(
        (&kept["env"][0]["name"], &kept["resources"]["limits"]["memory"]),
        (&json!("A"), &json!("64Mi"))
    );
}

#[test]
fn replacing_one_item_wipes_the_whole_list() {
    let namespace = owner::namespace(Way::ClientSide);
    let planner = Planner::new(&namespace, "server");
    let mut replaced = sidecar();
    replaced["$patch"] = json!("replace");
    planner.send(&patch(&json!({"initContainers": [replaced]}))).unwrap();
    let left = names(&template(&namespace), "initContainers");
    assert!(
        !left.contains(&"migrate".to_owned()),
        "the owner's containers are gone: {left:?}"
    );
}

/// Our part of the Deployment in a server-side apply.
fn applied(namespace: &Namespace, containers: &str) -> Result<String, String> {
    let manifest = format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: server}}
spec:
  template:
    spec:
      initContainers: [{}]
      volumes: [{{name: logshipping-logs-x, emptyDir: {{}}}}]
      {containers}
",
        sidecar()
    );
    namespace.feed(
        &["apply", "--server-side", "--field-manager=other", "--filename=-"],
        &manifest,
    )
}

#[test]
fn a_server_side_apply_of_a_mount_keeps_the_owner_from_renaming_the_container() {
    let namespace = owner::namespace(Way::ServerSide);
    let mount = "containers: [{name: app, volumeMounts: [{name: logshipping-logs-x, mountPath: /var/log}]}]";
    applied(&namespace, mount).unwrap();
    let renamed = MANIFEST.replace("name: app\n", "name: web\n");
    let error = owner::write(&namespace, Way::ForcedServerSide, &renamed).unwrap_err();
    assert!(error.contains("image: Required value"), "{error}");
}

#[test]
fn a_server_side_apply_and_a_patch_for_the_mount_are_two_rollouts() {
    let namespace = owner::namespace(Way::ServerSide);
    applied(&namespace, "").unwrap();
    rollouts(&namespace);
    let mount = json!([{"name": "app", "volumeMounts": [{"name": "logshipping-logs-x", "mountPath": "/var/log"}]}]);
    Planner::new(&namespace, "server")
        .send(&patch(&json!({"containers": mount})))
        .unwrap();
    assert_eq!(rollouts(&namespace), 3);
    let renamed = MANIFEST.replace("name: app\n", "name: web\n");
    owner::write(&namespace, Way::ForcedServerSide, &renamed).unwrap();
    assert_eq!(names(&template(&namespace), "containers"), ["web", "proxy"]);
}

#[test]
fn a_generation_is_not_a_rollout() {
    let namespace = owner::namespace(Way::ClientSide);
    let generation = || {
        namespace.get("deployment", "server").unwrap()["metadata"]["generation"]
            .as_i64()
            .unwrap()
    };
    let before = generation();
    namespace.run(&["annotate", "deployment/server", "note=1"]);
    assert!(generation() > before);
    assert_eq!(rollouts(&namespace), 1);
}
