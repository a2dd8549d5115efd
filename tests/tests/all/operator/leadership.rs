//! Several operator processes: one acts, another takes over, and no change is made twice.

use std::time::{Duration, Instant};

use serde_json::Value;
use tests::chart::{self, RELEASE};
use tests::in_process::{self, USER};
use tests::kubectl::Namespace;
use tests::process::{Process, Signal};
use tests::road::OPERATOR_NAMESPACE;
use tests::wait;
use tests::wire::Wire;

use super::shop::{DEPLOYMENT, LOG_SHIPPING, PATIENCE, text};

/// A lease lasts fifteen seconds, and is looked at every two.
const TAKEOVER: Duration = Duration::from_secs(20);
/// More than are patched while a test looks once.
const FLEET: usize = 60;

/// A namespace in which operators may hold a lease.
fn namespace(prefix: &str) -> Namespace {
    let namespace = Namespace::create(in_process::control_plane(), prefix);
    for object in rights(&namespace) {
        namespace.apply(&object.to_string());
    }
    namespace
}

/// The chart's rights on leases, bound to the operator of the tests.
fn rights(namespace: &Namespace) -> Vec<Value> {
    let mut objects = chart::objects(namespace.name(), &serde_json::json!({}));
    objects.retain(|object| object["metadata"]["name"] == format!("{RELEASE}-lease"));
    for binding in objects.iter_mut().filter(|object| object["kind"] == "RoleBinding") {
        binding["subjects"][0]["namespace"] = OPERATOR_NAMESPACE.into();
    }
    assert_eq!(objects.len(), 2, "{objects:?}");
    objects
}

fn start(namespace: &Namespace) -> Process {
    Process::start(namespace, &flags(namespace))
}

fn flags(namespace: &Namespace) -> [&str; 6] {
    [
        "--lease-namespace",
        namespace.name(),
        "--poll",
        "off",
        "--concurrency",
        "1",
    ]
}

fn await_leader(process: &Process, deadline: Duration) {
    wait::until("it leads", deadline, || process.leads().then_some(()));
}

fn await_standby(process: &Process) {
    wait::until("the standby is ready", PATIENCE, || process.is_ready().then_some(()));
    assert!(!process.leads());
}

/// Many Deployments without pods.
fn fleet() -> String {
    let one = |number: usize| {
        DEPLOYMENT
            .replace("name: server\n", &format!("name: server-{number}\n"))
            .replace("replicas: 2", "replicas: 0")
    };
    (0..FLEET).map(one).collect::<Vec<_>>().join("---")
}

fn carrying(namespace: &Namespace) -> usize {
    namespace.list("deployments", "logshipping.dev/sidecar=true").len()
}

/// Patches of Deployments that the API server has carried out.
fn patches(namespace: &Namespace) -> usize {
    let changes = namespace.changes_by(USER);
    let of_deployments = changes
        .iter()
        .filter(|change| change.is("patch", "deployments") && change.has_succeeded());
    of_deployments.count()
}

#[test]
fn what_a_killed_leader_left_undone_is_done_by_another_and_nothing_is_done_twice() {
    let namespace = namespace("takeover");
    namespace.apply(&fleet());
    let leader = start(&namespace);
    await_leader(&leader, PATIENCE);
    let standby = start(&namespace);
    await_standby(&standby);
    namespace.apply(LOG_SHIPPING);
    wait::until("it is in the middle of its work", PATIENCE, || {
        (carrying(&namespace) > 0).then_some(())
    });
    leader.kill();
    let killed = Instant::now();
    assert!(carrying(&namespace) < FLEET, "it was faster than this test");
    assert!(!standby.leads());
    await_leader(&standby, TAKEOVER.saturating_sub(killed.elapsed()));
    wait::until_is(
        "all carry the sidecar",
        PATIENCE,
        || carrying(&namespace),
        |carrying| *carrying == FLEET,
    );
    let ready = || namespace.condition("logs", "Ready");
    wait::until_is("all is said", PATIENCE, ready, |ready| ready.starts_with("True"));
    assert_eq!(patches(&namespace), FLEET);
    for deployment in namespace.list("deployments", "app=server") {
        let changes = &deployment["metadata"]["generation"];
        assert_eq!(
            changes, 2,
            "its creation and one patch of {}",
            deployment["metadata"]["name"]
        );
    }
}

#[test]
fn a_leader_that_ends_in_order_hands_over_at_once_and_one_that_sleeps_through_its_term_ends() {
    let namespace = namespace("handover");
    let mut first = start(&namespace);
    await_leader(&first, PATIENCE);
    let mut second = start(&namespace);
    await_standby(&second);
    first.signal(Signal::TERM);
    await_leader(&second, Duration::from_secs(5));
    assert!(first.await_end(PATIENCE).success());

    let third = start(&namespace);
    await_standby(&third);
    second.signal(Signal::STOP);
    await_leader(&third, TAKEOVER);
    namespace.apply(DEPLOYMENT);
    namespace.apply(LOG_SHIPPING);
    wait::until("the third one works", PATIENCE, || {
        (carrying(&namespace) == 1).then_some(())
    });
    second.signal(Signal::CONT);
    assert_eq!(second.await_end(PATIENCE).code(), Some(1));
    let lease = namespace.get("lease", RELEASE).unwrap();
    assert_eq!(lease["spec"]["leaseTransitions"], 2, "{lease}");
    assert_eq!(patches(&namespace), 1);
}

#[test]
fn a_leader_that_is_cut_off_ends_before_another_one_begins() {
    let namespace = namespace("cut-off");
    let wire = Wire::to(&in_process::identity());
    let mut leader = Process::start_as(&wire.kubeconfig(), &namespace, &flags(&namespace));
    await_leader(&leader, PATIENCE);
    let holder = || text(&namespace.get("lease", RELEASE).unwrap()["spec"]["holderIdentity"]);
    let before = holder();
    let standby = start(&namespace);
    await_standby(&standby);
    wire.cut();
    assert_eq!(leader.await_end(TAKEOVER).code(), Some(1));
    assert!(!standby.leads());
    await_leader(&standby, TAKEOVER);
    assert_ne!(holder(), before);
}
