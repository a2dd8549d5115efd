//! Volumes in a whole plan: what is added, read, kept and told.

use serde_json::{Value, json};

use super::world::{OWNER, SIMPLE, config, observed, reconcile, settings, shipping, template};
use crate::observed::Observed;
use crate::plan::{HostPaths, Plan, Settings, Standing, plan};

const OUT: &str = "destinations: [{name: out, stdout: {}}]";

fn spec(sources: &str) -> String {
    format!("sources: [{sources}], {OUT}")
}

/// The owner with other mounts in container `app`, and other volumes.
fn owner(replicas: u8, env: &str, mounts: &str, volumes: &str) -> String {
    let own = "volumeMounts: [{name: data, mountPath: /data}]";
    let claim = "- {name: data, persistentVolumeClaim: {claimName: data}}";
    OWNER
        .replace("\nspec:\n", &format!("\nspec:\n  replicas: {replicas}\n"))
        .replace(own, &format!("env: [{env}]\n        volumeMounts: [{mounts}]"))
        .replace(claim, &format!("{claim}\n      {volumes}"))
}

fn sidecar(world: &Observed) -> Value {
    template(world)["spec"]["initContainers"][0].clone()
}

fn notes(plan: &Plan) -> Vec<String> {
    plan.state.shippings["logs"]
        .notes
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn two_containers_with_a_directory_of_one_name_are_both_served() {
    let both =
        spec("{name: a, container: app, paths: [/logs/*.log]}, {name: p, container: proxy, paths: [/logs/*.log]}");
    let mut world = observed(OWNER, vec![shipping("logs", &both)]);
    let original = template(&world);
    reconcile(&mut world);
    let injected = template(&world);
    let mounted = |container: usize| {
        let mounts = injected["spec"]["containers"][container]["volumeMounts"].as_array();
        let mut at = mounts
            .into_iter()
            .flatten()
            .filter(|mount| mount["mountPath"] == "/logs");
        at.next().unwrap()["name"].as_str().unwrap().to_owned()
    };
    assert_ne!(mounted(0), mounted(1));
    let config = config(&world);
    let [a, p] = [0, 1].map(|index| config.pipelines[0].sources[index].mounts[0].clone());
    assert_eq!((a.path.as_str(), p.path.as_str()), ("/logs", "/logs"));
    for (mount, container) in [(a, 0), (p, 1)] {
        let mounts = sidecar(&world)["volumeMounts"].as_array().cloned().unwrap();
        let ours = mounts.iter().find(|ours| ours["mountPath"] == *mount.at).unwrap();
        assert_eq!(ours["name"], mounted(container).as_str());
    }
    world.shippings.clear();
    reconcile(&mut world);
    assert_eq!(template(&world), original);
}

#[test]
fn a_sub_path_expression_is_worked_out_for_the_sidecar() {
    let env = "{name: WHO, valueFrom: {fieldRef: {apiVersion: v1, fieldPath: metadata.name}}}, \
               {name: WHERE, valueFrom: {fieldRef: {apiVersion: v1, fieldPath: metadata.namespace}}}, {name: APP, value: shop}";
    let mounts = "{name: data, mountPath: /data, subPathExpr: $(APP)/$(WHERE)/$(WHO)}";
    let mut world = observed(
        &owner(3, env, mounts, ""),
        vec![shipping("logs", &spec("{name: a, paths: [/data/*.log]}"))],
    );
    let plan = reconcile(&mut world);
    let namespace = crds::names::environment::of_field("metadata.namespace");
    let mounts = sidecar(&world)["volumeMounts"].as_array().cloned().unwrap();
    let expressions: Vec<_> = mounts
        .iter()
        .filter_map(|mount| mount["subPathExpr"].as_str())
        .collect();
    assert_eq!(expressions, [format!("shop/$({namespace})/$(LOGSHIPPING_POD_NAME)")]);
    let env = sidecar(&world)["env"].as_array().cloned().unwrap();
    let names: Vec<_> = env.iter().map(|variable| variable["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "LOGSHIPPING_POD_NAME",
            "LOGSHIPPING_POD_UID",
            "LOGSHIPPING_NODE_NAME",
            &namespace
        ]
    );
    assert_eq!(
        notes(&plan),
        Vec::<String>::new(),
        "each pod has a directory of its own"
    );
    assert_eq!(reconcile(&mut world).patch, None);
}

#[test]
fn pods_that_share_a_directory_are_told() {
    let mounts = "{name: data, mountPath: /data, subPath: logs}";
    // Who shares the positions too ships nothing twice.
    let shared = ", sidecar: {stateVolume: LogVolume}";
    for (replicas, more, told) in [(1, "", 0), (2, "", 1), (2, shared, 0)] {
        let mut world = observed(
            &owner(replicas, "", mounts, ""),
            vec![shipping("logs", &(spec("{name: a, paths: [/data/*.log]}") + more))],
        );
        let notes = notes(&reconcile(&mut world));
        assert_eq!(notes.len(), told, "{replicas} replicas: {notes:?}");
        for note in notes {
            assert!(
                note.starts_with("source a: /data is on volume \"data\", which several pods share"),
                "{note}"
            );
        }
    }
}

#[test]
fn volumes_of_the_node_are_read_only_where_the_operator_allows_it() {
    let owner = owner(
        1,
        "",
        "{name: node, mountPath: /host, mountPropagation: Bidirectional}",
        "- {name: node, hostPath: {path: /var/log/app, type: ''}}",
    );
    let mut world = observed(&owner, vec![shipping("logs", &spec("{name: a, paths: [/host/*.log]}"))]);
    let refused = reconcile(&mut world);
    assert_eq!(refused.patch, None);
    let Standing::Failed(finding) = &refused.state.shippings["logs"].standing else {
        panic!("{refused:?}")
    };
    assert!(finding.message.contains("--allow-host-path"), "{}", finding.message);
    let allowing = Settings {
        host_paths: HostPaths::Allowed,
        ..settings()
    };
    let plan = plan(&world, &allowing);
    super::world::carry_out(&mut world, &plan);
    let mounts = sidecar(&world)["volumeMounts"].as_array().cloned().unwrap();
    let logs = mounts.iter().find(|mount| mount["name"] == "node").unwrap();
    assert_eq!(
        (&logs["mountPropagation"], &logs["readOnly"]),
        (&json!("HostToContainer"), &json!(true))
    );
    assert_eq!(
        config(&world).pipelines[0].sources[0].start_at,
        Some(pipeline::source::StartAt::End)
    );
}

/// Also when what was asked for can't be read any more.
#[test]
fn a_pipeline_that_only_holds_what_it_has_gains_no_volume_against_its_policy() {
    let existing = format!(
        "{}, volume: {{policy: ExistingOnly}}",
        spec("{name: a, paths: [/data/*.log]}")
    );
    for keep_record in [true, false] {
        let mut world = observed(OWNER, vec![shipping("logs", &existing), shipping("other", SIMPLE)]);
        reconcile(&mut world);
        if !keep_record {
            world.config_map.as_mut().unwrap().metadata.annotations = None;
        }
        world.shippings[0] = shipping("logs", &format!("{existing}, mode: Preview"));
        reconcile(&mut world);
        assert_eq!(config(&world).pipelines.len(), 2);
        let pod = world.deployment.spec.as_mut().unwrap().template.spec.as_mut().unwrap();
        for container in &mut pod.containers {
            let mounts = container.volume_mounts.iter_mut();
            mounts.for_each(|mounts| mounts.retain(|mount| mount.name != "data"));
        }
        reconcile(&mut world);
        assert_eq!(config(&world).pipelines.len(), 1, "record kept: {keep_record}");
        let volumes = template(&world)["spec"]["volumes"].to_string();
        assert!(!volumes.contains(&crds::names::logs_volume("/data")), "{volumes}");
    }
}

#[test]
fn a_pipeline_that_only_holds_what_it_has_follows_the_owners_new_volume() {
    let mut world = observed(OWNER, vec![shipping("logs", SIMPLE), shipping("other", SIMPLE)]);
    reconcile(&mut world);
    let before = template(&world);
    world.shippings[0] = shipping("logs", &format!("{SIMPLE}, mode: Preview"));
    reconcile(&mut world);
    assert_eq!(template(&world), before, "nothing restarts");
    let pod = world.deployment.spec.as_mut().unwrap().template.spec.as_mut().unwrap();
    let mount = json!({"name": "data", "mountPath": "/var/log"});
    let mounts = pod.containers[0].volume_mounts.as_mut().unwrap();
    mounts.retain(|mount| mount.mount_path != "/var/log");
    mounts.push(serde_json::from_value(mount).unwrap());
    reconcile(&mut world);
    for pipeline in config(&world).pipelines {
        let source = &pipeline.sources[0];
        assert_eq!(
            source.mounts[0].at,
            crds::names::logs_mount("data/"),
            "{}",
            pipeline.name
        );
        assert_eq!(
            source.start_at,
            Some(pipeline::source::StartAt::End),
            "{}",
            pipeline.name
        );
    }
}

#[test]
fn what_an_owner_has_under_a_reserved_name_is_never_taken_away() {
    let owner = owner(
        1,
        "",
        "{name: logshipping-logs-mine, mountPath: /logs}",
        "- {name: logshipping-logs-mine, persistentVolumeClaim: {claimName: mine}}",
    );
    for shippings in [
        vec![shipping("logs", &spec("{name: a, paths: [/logs/*.log]}"))],
        Vec::new(),
    ] {
        let selected = !shippings.is_empty();
        let plan = reconcile(&mut observed(&owner, shippings));
        assert_eq!((&plan.patch, &plan.config_map), (&None, &None));
        if selected {
            let Standing::Failed(finding) = &plan.state.shippings["logs"].standing else {
                panic!("{plan:?}")
            };
            assert_eq!(finding.reason, crds::conditions::Reason::Conflict);
            assert!(
                finding.message.contains("\"logshipping-logs-mine\""),
                "{}",
                finding.message
            );
        }
    }
}
