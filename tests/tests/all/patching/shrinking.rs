//! A shape that becomes smaller: what is no longer wanted is really gone.

use serde_json::Value;
use tests::planner::Planner;

use super::owner::{self, SHIPPED, Way, mounted, names, rollouts, template};

#[test]
fn a_source_a_mount_and_limits_are_taken_away() {
    let namespace = owner::namespace(Way::ClientSide);
    let mut planner = Planner::new(&namespace, "server");
    planner.ship(
        "sources: [{name: access, paths: [/var/log/access.log]}, {name: audit, container: proxy, paths: [/audit/*.log]}], \
         destinations: [{name: out, stdout: {}}], volume: {sizeLimit: 1Gi}, \
         sidecar: {resources: {limits: {cpu: 100m, memory: 64Mi}}, runAsUser: 1000}",
    );
    planner.carry_out();
    let large = template(&namespace);
    assert_eq!(mounted(&large, "proxy"), ["/audit"]);
    assert_eq!(owner::sidecar(&large)["resources"]["limits"]["cpu"], "100m");
    assert_eq!(rollouts(&namespace), 2);

    planner.ship(&format!("{SHIPPED}, sidecar: {{resources: {{limits: {{}}}}}}"));
    let patch = planner.carry_out().patch.unwrap();
    let small = template(&namespace);
    let sidecar = owner::sidecar(&small);
    assert_eq!(mounted(&small, "proxy"), Vec::<String>::new());
    assert_eq!(sidecar["resources"].get("limits"), None);
    assert_eq!(sidecar["securityContext"].get("runAsUser"), None);
    assert_eq!(log_mounts(&sidecar), 1);
    assert_eq!(
        names(&small, "initContainers"),
        ["logshipping-sidecar", "migrate", "second"],
        "it keeps its place"
    );
    assert!(!names(&small, "volumes").contains(&crds::names::logs_volume("/audit")));
    let volumes = small["spec"]["volumes"].as_array().unwrap();
    let kept = volumes
        .iter()
        .find(|volume| volume["name"] == crds::names::logs_volume("/var/log"))
        .unwrap();
    assert_eq!(kept["emptyDir"].get("sizeLimit"), None);
    assert_eq!(rollouts(&namespace), 3, "one change of shape, one rollout");

    let [before, after] = planner.repeat(&patch);
    assert_eq!(after, before);
}

fn log_mounts(sidecar: &Value) -> usize {
    let mounts = sidecar["volumeMounts"].as_array().unwrap();
    let is_log = |mount: &&Value| {
        mount["mountPath"]
            .as_str()
            .unwrap()
            .starts_with(crds::names::paths::LOGS)
    };
    mounts.iter().filter(is_log).count()
}

#[test]
fn what_somebody_put_into_our_container_goes() {
    let namespace = owner::namespace(Way::ClientSide);
    let planner = owner::injected(&namespace);
    let ours = owner::sidecar(&template(&namespace));
    namespace.run(&[
        "patch",
        "deployment/server",
        "--type=strategic",
        r#"--patch={"spec":{"template":{"spec":{"initContainers":[{"name":"logshipping-sidecar","tty":true,"env":[{"name":"X","value":"y"}]}]}}}}"#,
    ]);
    assert_ne!(owner::sidecar(&template(&namespace)), ours);
    planner.carry_out();
    assert_eq!(owner::sidecar(&template(&namespace)), ours);
    assert_eq!(
        rollouts(&namespace),
        3,
        "created and injected, changed by somebody, and back to the injected one"
    );
}
