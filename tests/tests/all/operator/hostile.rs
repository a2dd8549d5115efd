//! Objects and writers that nobody would think of, but somebody has.

use std::time::{Duration, Instant};

use operator::settings::Switch;
use serde_json::{Value, json};
use tests::in_process::{Operator, USER};
use tests::wait;

use super::shop::{DEPLOYMENT, LOG_SHIPPING, PATIENCE, Shop, text};

/// A Deployment without replicas, so that its pods are nobody's trouble.
fn deployment(name: &str) -> Value {
    let mut deployment: Value = serde_saphyr::from_str(DEPLOYMENT).unwrap();
    deployment["metadata"]["name"] = json!(name);
    deployment["spec"]["replicas"] = json!(0);
    deployment
}

fn await_injected(shop: &Shop, name: &str) -> Value {
    wait::until(&format!("{name} carries the sidecar"), PATIENCE, || {
        let found = shop.namespace.get("deployment", name)?;
        let sidecar = &found["spec"]["template"]["spec"]["initContainers"][0]["name"];
        (*sidecar == "logshipping-sidecar").then_some(found)
    })
}

/// What is put in is taken out again, whatever the Deployment looks like.
fn comes_and_goes(deployment: &Value) {
    let shop = Shop::open("hostile");
    let _operator = Operator::start(&shop.namespace);
    let name = text(&deployment["metadata"]["name"]);
    let created = shop
        .namespace
        .feed(&["create", "--filename", "-"], &deployment.to_string());
    assert!(created.is_ok(), "{created:?}");
    let template = || shop.namespace.get("deployment", &name).unwrap()["spec"]["template"].take();
    let original = template();
    shop.namespace.apply(LOG_SHIPPING);
    await_injected(&shop, &name);
    shop.await_condition("Injected", "True AllInjected");
    shop.namespace.run(&["delete", "logshipping", "logs", "--timeout=30s"]);
    assert!(template() == original, "something stayed in {}", template());
}

#[test]
fn a_name_that_leaves_no_room_for_ours() {
    // A ReplicaSet's name has eleven characters more.
    comes_and_goes(&deployment(&format!("{}x", "long.name-".repeat(24))));
}

#[test]
fn annotations_and_commands_that_draw_on_terminals() {
    let mut odd = deployment("server");
    let escape = "\u{1b}[2J\u{7}\u{202e}\r\n\tx\\\"'$(whoami)";
    odd["metadata"]["annotations"] = json!({"example.com/odd": escape});
    odd["spec"]["template"]["metadata"]["annotations"] = json!({
        "kubectl.kubernetes.io/default-container": escape,
        "example.com/odd": escape,
        "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes": escape,
    });
    odd["spec"]["template"]["spec"]["containers"][0]["command"] = json!([escape]);
    comes_and_goes(&odd);
}

#[test]
fn five_hundred_containers() {
    let mut large = deployment("server");
    let value = "v".repeat(512);
    let container = |number: usize| {
        json!({"name": format!("c-{number}"), "image": "registry.example/server:1", "env": [{"name": "A", "value": value}],
            "volumeMounts": [{"name": "data", "mountPath": format!("/data/{number}")}]})
    };
    large["spec"]["template"]["spec"]["containers"] = (0..500).map(container).collect();
    large["spec"]["template"]["spec"]["volumes"] = json!([{"name": "data", "emptyDir": {}}]);
    comes_and_goes(&large);
}

/// Two that both act, because somebody has switched the election off, and that come from different releases.
#[test]
fn two_operators_with_other_default_images_leave_each_others_work_alone() {
    let shop = Shop::open("two-releases");
    let start = |image: &'static str| {
        Operator::start_with(&shop.namespace, |settings| {
            image.clone_into(&mut settings.sidecar_image);
            settings.poll = Switch::Off;
        })
    };
    let operators = [start("registry.example/sidecar:1"), start("registry.example/sidecar:2")];
    shop.namespace.apply(DEPLOYMENT);
    shop.namespace.apply(LOG_SHIPPING);
    await_injected(&shop, "server");
    shop.namespace
        .apply(&LOG_SHIPPING.replace("loki.logging:3100", "other.logging:3100"));
    let work = ["deployments", "configmaps", "pods"];
    let count = || {
        shop.namespace
            .changes_by(USER)
            .iter()
            .filter(|change| change.is_write() && work.contains(&change.resource.as_str()))
            .count()
    };
    let mut quiet = (count(), Instant::now());
    wait::until("nobody changes anything any more", PATIENCE * 2, || {
        let now = count();
        if now != quiet.0 {
            quiet = (now, Instant::now());
        }
        (quiet.1.elapsed() > Duration::from_secs(8)).then_some(())
    });
    assert_eq!(shop.replica_sets(), 2, "one template before, one with the sidecar");
    operators.into_iter().for_each(Operator::stop);
}

#[test]
fn a_deployment_that_is_replaced_over_and_over_is_injected_once_in_the_end() {
    let shop = Shop::open("replaced");
    let _operator = Operator::start(&shop.namespace);
    shop.namespace.apply(LOG_SHIPPING);
    let manifest = deployment("server").to_string();
    for _ in 0..8 {
        // The old one goes while it is being patched, more often than not.
        let replaced = shop.namespace.feed(
            &["replace", "--force", "--grace-period=0", "--filename", "-"],
            &manifest,
        );
        let _ = replaced.or_else(|_| shop.namespace.feed(&["create", "--filename", "-"], &manifest));
    }
    let last = await_injected(&shop, "server");
    shop.await_condition("Injected", "True AllInjected: 1 of 1");
    let uid = text(&last["metadata"]["uid"]);
    let sets = || {
        let sets = shop.namespace.list("replicasets", "app=server");
        let of_it = sets
            .iter()
            .filter(|set| text(&set["metadata"]["ownerReferences"][0]["uid"]) == uid);
        of_it.count()
    };
    wait::until_is("it has one template with the sidecar", PATIENCE, sets, |sets| {
        (1..=2).contains(sets)
    });
    // The garbage collector may still be about to take away the one of a Deployment before.
    let owner = || {
        shop.config_map()
            .map(|found| text(&found["metadata"]["ownerReferences"][0]["uid"]))
    };
    wait::until_is("its ConfigMap is its own", PATIENCE, owner, |owner| {
        owner.as_ref() == Some(&uid)
    });
}
