//! The shapes that an owner's volumes give an injected template: the API server takes them, they are one rollout, and
//! nothing of them is left.

use serde_json::Value;
use tests::planner::Planner;

use super::owner::{self, MANIFEST, Way, rollouts, sidecar, template};

const OUT: &str = "destinations: [{name: out, stdout: {}}]";
const MOUNTS: &str = "volumeMounts: [{name: data, mountPath: /data}]";
const VOLUMES: &str = "- {name: data, emptyDir: {}}";

/// What container `app` and the pod have.
#[derive(Default)]
struct Has<'a> {
    env: &'a str,
    mounts: &'a str,
    volumes: &'a str,
}

/// Injects into such a Deployment, looks at the sidecar, and takes everything out again.
fn goes_in_and_out(has: &Has<'_>, sources: &str, look: impl FnOnce(&Value)) {
    let Has { env, mounts, volumes } = has;
    let manifest = MANIFEST
        .replace(MOUNTS, &format!("env: [{env}]\n        volumeMounts: [{mounts}]"))
        .replace(VOLUMES, &format!("{VOLUMES}\n      {volumes}"));
    let namespace = owner::namespace(Way::ClientSide);
    owner::write(&namespace, Way::ClientSide, &manifest).unwrap();
    let (original, before) = (template(&namespace), rollouts(&namespace));
    let mut planner = Planner::new(&namespace, "server");
    planner.allow_host_paths();
    planner.ship(&format!("sources: [{sources}], {OUT}"));
    assert!(planner.carry_out().patch.is_some(), "{sources}");
    assert_eq!(rollouts(&namespace), before + 1, "{sources}");
    let next = planner.plan();
    assert_eq!((next.patch, next.config_map), (None, None), "{sources}");
    look(&sidecar(&template(&namespace)));
    owner::sees_no_drift(&namespace, Way::ClientSide, &manifest);
    planner.ship_nothing();
    planner.carry_out();
    assert_eq!(template(&namespace), original, "{sources}");
    assert_eq!(
        rollouts(&namespace),
        before + 1,
        "the old ReplicaSet is used again: {sources}"
    );
}

/// Names of the volumes that are mounted for logs.
fn read(sidecar: &Value) -> Vec<String> {
    let mounts = sidecar["volumeMounts"].as_array().cloned().unwrap_or_default();
    let logs = mounts.iter().filter(|mount| {
        mount["mountPath"]
            .as_str()
            .is_some_and(|path| path.starts_with(crds::names::paths::LOGS))
    });
    let mut names: Vec<_> = logs
        .filter_map(|mount| mount["name"].as_str().map(str::to_owned))
        .collect();
    names.sort();
    names
}

#[test]
fn two_containers_with_a_directory_of_one_name() {
    let sources = "{name: a, container: app, paths: [/logs/*.log]}, {name: p, container: proxy, paths: [/logs/*.log]}";
    goes_in_and_out(&Has::default(), sources, |sidecar| {
        let plain = crds::names::logs_volume("/logs");
        assert_eq!(read(sidecar), [plain, crds::names::logs_volume_of("/logs", "proxy")]);
    });
}

#[test]
fn an_expression_for_a_part_of_a_volume() {
    let has = Has {
        env: "{name: WHO, valueFrom: {fieldRef: {fieldPath: metadata.name}}}, \
              {name: WHERE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}, {name: PRICE, value: a$b}",
        mounts: "{name: data, mountPath: /data, subPathExpr: $(PRICE)/$(WHERE)/$(WHO)}",
        ..Has::default()
    };
    goes_in_and_out(&has, "{name: a, paths: [/data/*.log]}", |sidecar| {
        let mounts = sidecar["volumeMounts"].as_array().cloned().unwrap_or_default();
        let expression = mounts.iter().find_map(|mount| mount["subPathExpr"].as_str());
        let namespace = crds::names::environment::of_field("metadata.namespace");
        let expected = format!("a$$b/$({namespace})/$(LOGSHIPPING_POD_NAME)");
        assert_eq!(expression, Some(expected.as_str()));
    });
}

#[test]
fn every_type_of_volume_that_is_allowed() {
    let has = Has {
        mounts: "{name: memory, mountPath: /m}, {name: claim, mountPath: /c, subPath: logs}, {name: pod, mountPath: /p}, \
                 {name: net, mountPath: /n}, {name: driver, mountPath: /d}, {name: node, mountPath: /h, mountPropagation: HostToContainer}",
        volumes: "- {name: memory, emptyDir: {medium: Memory, sizeLimit: 1Mi}}
      - {name: claim, persistentVolumeClaim: {claimName: claim}}
      - name: pod
        ephemeral: {volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}
      - {name: net, nfs: {server: nfs.example, path: /logs}}
      - {name: driver, csi: {driver: scratch.example}}
      - {name: node, hostPath: {path: /var/log/app}}",
        ..Has::default()
    };
    goes_in_and_out(&has, "{name: a, paths: ['/{m,c,p,n,d,h}/*.log']}", |sidecar| {
        assert_eq!(read(sidecar), ["claim", "driver", "memory", "net", "node", "pod"]);
    });
}

#[test]
fn mounts_below_a_directory_and_paths_in_odd_spellings() {
    let has = Has {
        mounts: "{name: data, mountPath: //logs/./a/}, {name: data, mountPath: logs/ä, subPath: x}, {name: conf, mountPath: /logs/conf}",
        volumes: "- {name: conf, configMap: {name: conf, optional: true}}",
        ..Has::default()
    };
    let sources = "{name: all, paths: ['/logs/**/*.log']}, {name: deep, paths: [/logs/b/c/*.log]}";
    goes_in_and_out(&has, sources, |sidecar| {
        let mut expected = vec!["data".to_owned(), "data".to_owned()];
        expected.extend(["/logs", "/logs/b/c"].map(crds::names::logs_volume));
        expected.sort();
        assert_eq!(read(sidecar), expected);
    });
}
