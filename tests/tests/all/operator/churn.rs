//! The operator is killed at any moment, over and over, while everything changes: what is there in the end is what is
//! asked for then, and nothing is left when nothing is asked for.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::Value;
use tests::kubectl::Namespace;
use tests::process::Process;
use tests::random::Random;
use tests::wait;

use super::shop::{PATIENCE, Shop, text};

const SEED: u64 = 42;
/// The operator lives for a second and a half each time.
const KILLS: usize = 15;
const DEPLOYMENTS: [&str; 4] = ["cart", "search", "server", "till"];
const SHIPPINGS: [&str; 3] = ["audit", "logs", "traces"];
const COLOURS: [&str; 2] = ["red", "blue"];

fn deployment(name: &str) -> String {
    format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  replicas: 1
  selector: {{matchLabels: {{name: {name}}}}}
  template:
    metadata: {{labels: {{name: {name}}}}}
    spec: {{containers: [{{name: server, image: 'registry.example/server:1'}}]}}
"
    )
}

fn shipping(name: &str, colour: &str, port: &str, memory: &str) -> String {
    format!(
        "
apiVersion: logshipping.dev/v1alpha1
kind: LogShipping
metadata: {{name: {name}}}
spec:
  selector: {{matchLabels: {{colour: {colour}}}}}
  sources: [{{name: files, paths: [/var/log/{name}.log]}}]
  destinations: [{{name: loki, loki: {{url: 'http://loki.logging:{port}'}}}}]
  sidecar: {{resources: {{limits: {{memory: {memory}}}}}}}
"
    )
}

/// One change, of whatever kind.
fn change(namespace: &Namespace, random: &Random) {
    let (target, name) = (random.one_of(&DEPLOYMENTS), random.one_of(&SHIPPINGS));
    // What isn't there now can't be changed.
    let _ = match random.next() % 8 {
        0..=2 => {
            let (port, memory) = (random.one_of(&["3100", "3101"]), random.one_of(&["64Mi", "96Mi"]));
            let colour = *random.one_of(&COLOURS);
            let manifest = shipping(name, colour, port, memory);
            namespace.feed(&["apply", "--filename", "-"], &manifest)
        }
        3 => namespace.try_run(&["delete", "logshipping", name, "--wait=false"]),
        4 | 5 => {
            let label = *random.one_of(&["colour=red", "colour=blue", "colour-"]);
            namespace.try_run(&["label", "deployment", target, "--overwrite", label])
        }
        6 => {
            let replicas = *random.one_of(&["--replicas=0", "--replicas=1", "--replicas=2"]);
            namespace.try_run(&["scale", "deployment", target, replicas])
        }
        _ => match namespace.get("deployment", target) {
            Some(_) => namespace.try_run(&["delete", "deployment", target, "--wait=false"]),
            None => Ok(namespace.apply(&deployment(target))),
        },
    };
}

fn start(namespace: &Namespace) -> Process {
    Process::start(namespace, &["--leader-election", "off", "--poll", "off"])
}

fn template(namespace: &Namespace, name: &str) -> Option<Value> {
    Some(namespace.get("deployment", name)?["spec"]["template"].take())
}

/// Names of the LogShippings whose pipelines a Deployment's sidecar is given; none without a sidecar.
fn carried(namespace: &Namespace, name: &str) -> Option<BTreeSet<String>> {
    let template = template(namespace, name)?;
    let init = template["spec"]["initContainers"].as_array()?.clone();
    init.iter()
        .find(|container| container["name"] == "logshipping-sidecar")?;
    let key = format!(
        "{}.json",
        text(&template["metadata"]["annotations"]["logshipping.dev/pod-shape"])
    );
    let config_map = namespace.get("configmap", &format!("logshipping-deployment-{name}"))?;
    let config: Value = serde_json::from_str(config_map["data"][&key].as_str()?).ok()?;
    let pipelines = config["pipelines"].as_array()?.clone();
    let name = |pipeline: &Value| {
        text(&pipeline["name"])
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    Some(pipelines.iter().map(name).collect())
}

/// Names of the LogShippings that select a Deployment.
fn wanted(namespace: &Namespace, name: &str) -> Option<BTreeSet<String>> {
    let deployment = namespace.get("deployment", name)?;
    let colour = &deployment["metadata"]["labels"]["colour"];
    let all = namespace.list("logshippings", "");
    let selecting = all
        .iter()
        .filter(|shipping| shipping["spec"]["selector"]["matchLabels"]["colour"] == *colour);
    let names: BTreeSet<_> = selecting.map(|shipping| text(&shipping["metadata"]["name"])).collect();
    (!names.is_empty()).then_some(names)
}

#[test]
fn an_operator_that_is_killed_at_any_moment_leaves_everything_right_in_the_end() {
    let (random, shop) = (Random::of(SEED), Shop::open("churn"));
    let namespace = &shop.namespace;
    namespace.apply(&DEPLOYMENTS.map(deployment).join("---"));
    let originals = DEPLOYMENTS.map(|name| template(namespace, name));
    eprintln!("seed {SEED}");
    for _ in 0..KILLS {
        let operator = start(namespace);
        let until = Instant::now() + Duration::from_millis(300 + random.next() % 2500);
        while Instant::now() < until {
            change(namespace, &random);
        }
        operator.kill();
    }
    for name in DEPLOYMENTS.iter().filter(|name| template(namespace, name).is_none()) {
        namespace.apply(&deployment(name));
    }
    let being_deleted = |shipping: &Value| shipping["metadata"].get("deletionTimestamp").is_some();

    let _operator = start(namespace);
    wait::until_is(
        "who was to go is gone",
        PATIENCE,
        || namespace.list("logshippings", ""),
        |all| !all.iter().any(being_deleted),
    );
    for (name, original) in DEPLOYMENTS.iter().zip(&originals) {
        let wanted = wanted(namespace, name);
        let look = || carried(namespace, name);
        wait::until_is(&format!("{name} carries what it should"), PATIENCE, look, |carried| {
            *carried == wanted
        });
        if wanted.is_none() {
            assert_eq!(template(namespace, name), *original);
        }
    }

    namespace.run(&["delete", "logshippings", "--all", "--timeout=30s"]);
    for (name, original) in DEPLOYMENTS.iter().zip(&originals) {
        assert_eq!(template(namespace, name), *original, "{name}");
        let deployment = namespace.get("deployment", name).unwrap();
        let labels = deployment["metadata"]["labels"].to_string();
        assert!(!labels.contains("logshipping"), "{labels}");
    }
    let config_maps = || namespace.list("configmaps", "logshipping.dev/managed=true");
    wait::until_is("nothing is left", PATIENCE, config_maps, Vec::is_empty);
}
