//! What a fleet of Deployments costs the API server: one write of each kind for each change, and none after it. Figures
//! for larger fleets, which depend on the machine, are printed by `cargo xtask bench operator`.

use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use cluster::audit::{Follower, Request, count};
use fleet::{Fleet, OPERATOR, Size};
use tests::in_process::Operator;
use tests::wait;

const SIZE: Size = Size {
    deployments: 100,
    pods: 500,
    shippings: 20,
    namespaces: 4,
};
/// The one whose configuration is changed.
const CHANGED: u32 = 7;
const PATIENCE: Duration = Duration::from_secs(300);
/// A status is written every five seconds at most, so a pause of this length isn't one between two of them.
const QUIET: Duration = Duration::from_secs(12);

/// What the operator asked of the API server.
#[derive(Debug)]
struct Story {
    /// From its start until every pod was replaced and nothing was left to do.
    injection: Vec<Request>,
    /// After one LogShipping was given another destination.
    change: Vec<Request>,
    statuses: Vec<serde_json::Value>,
}

/// The fleet is raised once for all tests here.
fn story() -> &'static Story {
    static STORY: OnceLock<Story> = OnceLock::new();
    STORY.get_or_init(|| {
        let fleet = Fleet::raise(SIZE).unwrap();
        let mut asked = fleet.follow(OPERATOR).unwrap();
        let _operator = Operator::start_everywhere(fleet.operator_kubeconfig().unwrap());
        let mut injection = Vec::new();
        wait::until("every Deployment is patched", PATIENCE, || {
            injection.append(&mut asked.read().unwrap());
            (written(&injection, "patch", "deployments").len() >= 100).then_some(())
        });
        fleet.await_rollouts().unwrap();
        injection.append(&mut until_quiet(&mut asked));
        fleet
            .reconfigure(CHANGED..CHANGED + 1, "http://other.logging:3100")
            .unwrap();
        Story {
            injection,
            change: until_quiet(&mut asked),
            statuses: fleet.statuses().unwrap(),
        }
    })
}

/// Requests until there was no write for a while. If something wrote all the time this would be in vain.
fn until_quiet(asked: &mut Follower) -> Vec<Request> {
    let (mut requests, mut last) = (Vec::new(), Instant::now());
    wait::until("nothing is written any more", PATIENCE, || {
        let mut new = asked.read().unwrap();
        if new.iter().any(Request::is_write) {
            last = Instant::now();
        }
        requests.append(&mut new);
        (last.elapsed() > QUIET).then_some(())
    });
    requests
}

/// Namespace and name of what was written, in order.
fn written<'a>(requests: &'a [Request], verb: &str, resource: &str) -> Vec<(&'a str, &'a str)> {
    let done = requests
        .iter()
        .filter(|request| request.has_succeeded() && request.is(verb, resource));
    done.map(|request| (request.namespace.as_str(), request.name.as_str()))
        .collect()
}

#[test]
fn each_deployment_is_patched_once_and_its_configuration_written_once() {
    let requests = &story().injection;
    for (verb, resource) in [("patch", "deployments"), ("create", "configmaps")] {
        let written = written(requests, verb, resource);
        let different: BTreeSet<_> = written.iter().collect();
        assert_eq!((written.len(), different.len()), (100, 100), "{:?}", count(requests));
    }
    assert_eq!(written(requests, "patch", "logshippings").len(), 20, "a finalizer each");
    for (verb, resource) in [("update", "configmaps"), ("patch", "pods"), ("delete", "configmaps")] {
        assert_eq!(written(requests, verb, resource), [], "{:?}", count(requests));
    }
}

#[test]
fn a_change_of_one_configuration_is_written_once_for_each_deployment_and_nudges_each_pod_once() {
    let requests = &story().change;
    let nudged = written(requests, "patch", "pods");
    let different: BTreeSet<_> = nudged.iter().collect();
    assert_eq!((nudged.len(), different.len()), (25, 25), "{:?}", count(requests));
    assert_eq!(
        written(requests, "update", "configmaps").len(),
        5,
        "{:?}",
        count(requests)
    );
    for (verb, resource) in [
        ("patch", "deployments"),
        ("create", "configmaps"),
        ("patch", "logshippings"),
    ] {
        assert_eq!(written(requests, verb, resource), [], "{:?}", count(requests));
    }
}

#[test]
fn no_request_of_the_operator_is_refused() {
    let Story { injection, change, .. } = story();
    let refused: Vec<_> = injection
        .iter()
        .chain(change)
        .filter(|request| !request.has_succeeded() && request.code != 404)
        .collect();
    assert!(refused.is_empty(), "{:?}", count(refused));
}

#[test]
fn the_status_counts_every_deployment_and_stays_small() {
    for status in &story().statuses {
        assert_eq!(status["targets"]["injected"], 5, "{status}");
        assert_eq!(status["summary"]["injected"], "5/5", "{status}");
        assert!(status.to_string().len() < 4096, "{status}");
    }
}
