//! The operator on a bad day: every fourth call fails in one of eight ways, and yet everything ends as it should.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use tests::faults::{Fault, Faults};
use tests::in_process::Operator;
use tests::wait;

use super::shop::{LOG_SHIPPING, Shop, text};

/// Everything takes several tries.
const PATIENCE: Duration = Duration::from_secs(120);
/// Short, so that calls that hang don't make a test of minutes.
const BOUNDS: operator::client::Bounds = operator::client::Bounds {
    answer: Duration::from_secs(1),
    silence: Duration::from_secs(20),
};
const DEPLOYMENTS: [&str; 3] = ["server", "cart", "search"];

fn deployment(name: &str) -> String {
    let front = if name == "search" { "" } else { ", tier: front" };
    format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, labels: {{app: server{front}}}}}
spec:
  replicas: 1
  selector: {{matchLabels: {{name: {name}}}}}
  template:
    metadata: {{labels: {{name: {name}}}}}
    spec: {{containers: [{{name: server, image: 'registry.example/server:1'}}]}}
"
    )
}

/// Another one, for two of the Deployments.
fn audit() -> String {
    LOG_SHIPPING
        .replace("name: logs", "name: audit")
        .replace("app: server", "tier: front")
        .replace("access", "audit")
}

fn with_more_memory(manifest: &str) -> String {
    format!("{manifest}  sidecar: {{resources: {{limits: {{memory: 96Mi}}}}}}\n")
}

fn template(shop: &Shop, name: &str) -> Value {
    shop.namespace.get("deployment", name).unwrap()["spec"]["template"].take()
}

/// All that the ConfigMaps of the Deployments hold, by name of the ConfigMap.
fn configurations(shop: &Shop) -> BTreeMap<String, String> {
    let found = shop.namespace.list("configmaps", "logshipping.dev/managed=true");
    let pair = |config_map: &Value| (text(&config_map["metadata"]["name"]), config_map["data"].to_string());
    found.iter().map(pair).collect()
}

/// Waits until a LogShipping is where it should be, as of its newest generation.
fn await_ready(shop: &Shop, name: &str, matched: i64) {
    let look = || shop.namespace.get("logshipping", name).unwrap();
    wait::until_is(&format!("{name} is ready"), PATIENCE, look, |object| {
        let status = &object["status"];
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        let holds = |kind: &str| {
            let mut of_kind = conditions.iter().filter(|condition| condition["type"] == kind);
            of_kind.any(|condition| condition["status"] == "True")
        };
        status["observedGeneration"] == object["metadata"]["generation"]
            && status["targets"]["matched"] == matched
            && ["Ready", "Injected", "ConfigLoaded"].into_iter().all(holds)
    });
}

fn replica_sets(shop: &Shop, name: &str) -> usize {
    shop.namespace.list("replicasets", &format!("name={name}")).len()
}

/// Comes, changes and goes under faults drawn from `seed`.
fn survive(seed: u64) {
    eprintln!("seed {seed}");
    let shop = Shop::open(&format!("faults-{seed}"));
    shop.namespace.apply(&DEPLOYMENTS.map(deployment).join("---"));
    let originals = DEPLOYMENTS.map(|name| template(&shop, name));
    let faults = Faults::of(seed);
    let operator = Operator::start_through(&shop.namespace, |_| (), BOUNDS, faults.clone());

    shop.namespace.apply(LOG_SHIPPING);
    shop.namespace.apply(&audit());
    await_ready(&shop, "logs", 3);
    await_ready(&shop, "audit", 2);
    let moved = LOG_SHIPPING.replace("loki.logging:3100", "other.logging:3100");
    shop.namespace.apply(&moved);
    await_ready(&shop, "logs", 3);
    shop.namespace.apply(&with_more_memory(&moved));
    await_ready(&shop, "logs", 3);
    shop.namespace
        .run(&["delete", "logshipping", "audit", "--timeout=120s"]);
    shop.namespace.run(&["label", "deployment", "cart", "app-"]);
    await_ready(&shop, "logs", 2);

    let carried = |configurations: &BTreeMap<String, String>| {
        let all = |part: &str, times| configurations.values().filter(|data| data.contains(part)).count() == times;
        configurations.len() == 2 && all("/logs\\\"", 2) && all("other.logging", 2) && all("/audit\\\"", 0)
    };
    wait::until_is("two are configured", PATIENCE, || configurations(&shop), carried);
    for name in DEPLOYMENTS {
        assert_eq!(
            replica_sets(&shop, name),
            3,
            "{name}: as it was, injected, and with more memory"
        );
    }
    shop.namespace.run(&["delete", "logshipping", "logs", "--timeout=120s"]);
    for (name, original) in DEPLOYMENTS.iter().zip(&originals) {
        let look = || template(&shop, name);
        wait::until_is("the template is as before", PATIENCE, look, |found| found == original);
        assert_eq!(replica_sets(&shop, name), 3, "{name}: the first one is used again");
    }
    wait::until_is(
        "nothing is left",
        PATIENCE,
        || configurations(&shop),
        BTreeMap::is_empty,
    );
    assert!(shop.namespace.list("deployments", "logshipping.dev/sidecar").is_empty());
    eprintln!("met: {:?}", faults.met());
    let kinds: Vec<Fault> = faults.met().into_keys().collect();
    assert!(
        kinds.len() >= 6,
        "a day that bad has more kinds of faults than {kinds:?}"
    );
    faults.end();
    operator.stop();
}

#[test]
fn a_bad_day_changes_nothing_about_the_outcome() {
    survive(1);
}

#[test]
fn another_bad_day_does_not_either() {
    survive(20_260_101);
}

#[test]
fn nor_does_a_third_one() {
    survive(0xdead_beef);
}
