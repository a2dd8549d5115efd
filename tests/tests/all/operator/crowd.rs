//! Many LogShippings on one Deployment: one sidecar, one rollout, and a status that stays small. That two hundred have room in
//! one ConfigMap, twice, is shown beside the plan.

use std::time::{Duration, Instant};

use tests::in_process::{Operator, USER};
use tests::wait;

use super::shop::{DEPLOYMENT, LOG_SHIPPING, Shop};

const CROWD: usize = 80;
/// kubectl alone takes a while for as many objects.
const PATIENCE: Duration = Duration::from_secs(180);

fn crowd() -> String {
    let one = |number: usize| {
        LOG_SHIPPING
            .replace("name: logs", &format!("name: team-{number:03}"))
            .replace("access.log", &format!("team-{number:03}.log"))
    };
    (0..CROWD).map(one).collect::<Vec<_>>().join("---")
}

/// How many LogShippings are as their specification wants them.
fn ready(shop: &Shop) -> usize {
    let all = shop.namespace.list("logshippings", "");
    let is_ready = |conditions: &serde_json::Value| {
        let mut conditions = conditions.as_array().into_iter().flatten();
        conditions.any(|condition| condition["type"] == "Delivering" && condition["status"] == "True")
    };
    all.iter()
        .filter(|shipping| is_ready(&shipping["status"]["conditions"]))
        .count()
}

#[test]
fn eighty_log_shippings_share_one_sidecar_and_one_rollout() {
    let shop = Shop::open("crowd");
    let operator = Operator::start(&shop.namespace);
    shop.namespace.apply(DEPLOYMENT);
    let original = shop.template();
    let began = Instant::now();
    shop.namespace.apply(&crowd());
    let created = began.elapsed();
    wait::until_is("all deliver", PATIENCE, || ready(&shop), |ready| *ready == CROWD);
    eprintln!("created after {created:?}, all deliver after {:?}", began.elapsed());

    assert_eq!(
        shop.replica_sets(),
        2,
        "the first one brings the sidecar, the others change its configuration"
    );
    let writes = shop.namespace.changes_by(USER);
    let written = |resource: &str| {
        let done = writes
            .iter()
            .filter(|change| change.resource == resource && change.has_succeeded());
        done.count()
    };
    eprintln!(
        "{} writes of the ConfigMap, {} nudges",
        written("configmaps"),
        written("pods")
    );
    assert_eq!(written("deployments"), 1);
    assert!(written("configmaps") <= CROWD, "{}", written("configmaps"));
    let object = shop.namespace.get("logshipping", "team-070").unwrap();
    assert!(object["status"].to_string().len() < 4096, "{object}");

    shop.namespace
        .run(&["delete", "logshippings", "--all", "--timeout=120s"]);
    shop.await_clean(&original);
    operator.stop();
}
