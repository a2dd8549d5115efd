//! A hundred thousand numbered lines through everything that happens to a pod in a bad hour.

use std::time::{Duration, Instant};

use tests::kubectl::Namespace;
use tests::road::{self, Road};
use tests::wait;

use super::application::{PATIENCE, Pod, await_condition, deployment, injected_pods, shipping, stream};

const LINES: u64 = 100_000;
const OUTAGE: Duration = Duration::from_secs(10);

/// About 4 rotations a minute at 2,000 lines of 110 bytes a second, of which three files are kept: what was rotated
/// away during the outage is deleted before it could be delivered.
const SETTINGS: [(&str, &str); 3] = [
    ("SERVER_RATE", "2000"),
    ("SERVER_ROTATE_BYTES", "1048576"),
    ("SERVER_ROTATE_KEEP", "3"),
];

#[test]
fn no_line_is_lost_through_rotation_rollout_a_killed_sidecar_and_a_dead_store() {
    let road = road::shared();
    let namespace = road.namespace("survival");
    namespace.apply(&deployment(1, &SETTINGS));
    namespace.apply(&shipping().to_string());
    await_condition(&namespace, "Delivering", "True FlowHealthy");
    let first = injected_pods(&namespace, 1).remove(0);
    let arrived = |pod: &Pod| road.store.count(&stream(pod.name(), "access.log"));
    wait::until("10,000 lines arrived", PATIENCE, || {
        (arrived(&first) > 10_000).then_some(())
    });

    road.kill_container(first.sidecar_id().unwrap());
    wait::until("10,000 more arrived", PATIENCE, || {
        (arrived(&first) > 20_000).then_some(())
    });
    assert_eq!(injected_pods(&namespace, 1)[0].sidecar_restarts(), 1);

    survive_an_outage(road, &namespace, &first);
    wait::until("half of the lines arrived", PATIENCE, || {
        (arrived(&first) > LINES / 2).then_some(())
    });

    namespace.run(&["rollout", "restart", "deployment/server"]);
    namespace.run(&["rollout", "status", "deployment/server", "--timeout=90s"]);
    let second = injected_pods(&namespace, 1).remove(0);
    assert_ne!(second.name(), first.name());
    wait::until("the other half arrived", PATIENCE, || {
        (arrived(&second) > LINES / 2).then_some(())
    });
    namespace.run(&["scale", "deployment/server", "--replicas=0"]);

    for pod in [&first, &second] {
        nothing_is_missing(road, pod);
    }
}

/// The store refuses this pod's connections for a while; the status says so, and what piled up arrives afterwards.
fn survive_an_outage(road: &Road, namespace: &Namespace, pod: &Pod) {
    let began = Instant::now();
    let outage = Outage::begin(road, pod);
    let condition = await_condition(namespace, "Delivering", "False Undelivered");
    assert!(condition.contains("loki"), "names the destination: {condition}");
    wait::until("the outage lasted long enough", OUTAGE * 2, || {
        (began.elapsed() > OUTAGE).then_some(())
    });
    drop(outage);
    await_condition(namespace, "Delivering", "True FlowHealthy");
}

/// The application's last words arrived, and every line before them.
fn nothing_is_missing(road: &Road, pod: &Pod) {
    let made = wait::until("the last line that it wrote arrived", PATIENCE, || {
        let lines = road.store.lines(&stream(pod.name(), "error.log"));
        let last = lines
            .iter()
            .find_map(|line| line.split_once("stopped after ")?.1.split_once(' '))?;
        last.0.parse::<u64>().ok()
    });
    for file in ["access.log", "error.log"] {
        let numbers = road.store.numbers(&stream(pod.name(), file));
        assert_eq!(numbers.missing(), Vec::<u64>::new(), "{file} of {}", pod.name());
        eprintln!(
            "{file} of {}: {} lines, {} duplicates",
            pod.name(),
            numbers.highest(),
            numbers.duplicates()
        );
    }
    let access = road.store.numbers(&stream(pod.name(), "access.log"));
    assert!(
        access.highest() >= made,
        "the end of the access log is missing: {} of {made}",
        access.highest()
    );
}

/// A firewall rule on the node; it goes when the value is dropped.
struct Outage<'a> {
    road: &'a Road,
    rule: Vec<String>,
}

impl<'a> Outage<'a> {
    fn begin(road: &'a Road, pod: &Pod) -> Self {
        let rule = format!(
            "FORWARD -s {} -p tcp --dport 3100 -j REJECT --reject-with tcp-reset",
            pod.address()
        );
        let outage = Self {
            road,
            rule: rule.split(' ').map(str::to_owned).collect(),
        };
        outage.iptables("--insert");
        outage
    }

    fn iptables(&self, action: &str) {
        let mut iptables = self.road.node.exec("iptables").unwrap();
        let output = iptables.arg(action).args(&self.rule).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Outage<'_> {
    fn drop(&mut self) {
        self.iptables("--delete");
    }
}
