//! `logshipping-operator uninstall`, with the rights of the Job that the chart has Helm run.

use std::path::PathBuf;
use std::process::{Command, Output};

use jiff::Timestamp;
use serde_json::{Value, json};
use tests::chart::{self, RELEASE, UNINSTALLER};
use tests::in_process::{self, Operator};
use tests::kubectl::Namespace;
use tests::process;
use tests::wait;

use super::shop::{DEPLOYMENT, LOG_SHIPPING, PATIENCE, Shop, text};

/// An installed operator that looks after one shop.
struct Installed {
    shop: Shop,
    /// Where it is installed.
    home: Namespace,
    values: Value,
    uninstaller: PathBuf,
}

impl Installed {
    fn new(prefix: &str) -> Self {
        let shop = Shop::open(prefix);
        let home = Namespace::create(in_process::control_plane(), "home");
        let values = json!({
            "namespaces": [shop.namespace.name()],
            "crd": {"install": false}, "admissionPolicy": {"create": false}, "rbac": {"aggregate": false},
        });
        let uninstaller = chart::install_uninstaller(in_process::control_plane(), home.name(), &values);
        Self {
            shop,
            home,
            values,
            uninstaller,
        }
    }

    /// Deployments of these names, each carrying the sidecar, after which the operator ends.
    fn inject(&self, names: &[&str]) {
        let operator = Operator::start(&self.shop.namespace);
        for name in names {
            self.shop
                .namespace
                .apply(&DEPLOYMENT.replace("name: server\n", &format!("name: {name}\n")));
        }
        self.shop.namespace.apply(LOG_SHIPPING);
        let all = format!("{0} of {0} Deployments", names.len());
        let look = || self.shop.namespace.condition("logs", "Injected");
        wait::until_is("all are injected", PATIENCE, look, |found| found.contains(&all));
        self.shop.await_condition("Ready", "True Healthy");
        operator.stop();
    }

    fn uninstall(&self, flags: &[&str]) -> Output {
        Command::new(process::program())
            .args(["uninstall", "--namespace", self.shop.namespace.name()])
            .args([
                "--operator-deployment",
                RELEASE,
                "--operator-namespace",
                self.home.name(),
            ])
            .arg("--kubeconfig")
            .arg(&self.uninstaller)
            .args(flags)
            .output()
            .unwrap()
    }

    /// What the uninstaller asked of the API server, as the server recorded it.
    fn requests(&self) -> Vec<Value> {
        let log = std::fs::read_to_string(in_process::control_plane().audit_log()).unwrap();
        let events = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let user = chart::user(self.home.name(), UNINSTALLER);
        events.filter(|event| event["user"]["username"] == user).collect()
    }

    fn sidecars(&self) -> usize {
        self.shop
            .namespace
            .list("deployments", "logshipping.dev/sidecar=true")
            .len()
    }
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

#[test]
fn every_deployment_is_reverted_one_after_the_other_and_the_objects_stay() {
    let installed = Installed::new("uninstall");
    let names = ["one", "two", "three"];
    installed.inject(&names);

    let output = installed.uninstall(&["--concurrency", "1", "--pause", "1s", "--timeout", "90s"]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(
        said(&output),
        "Deployments that were reverted: 3\nNothing is left. LogShippings stay and ship nothing: 1\n"
    );
    assert_eq!(installed.sidecars(), 0);
    let namespace = &installed.shop.namespace;
    for name in names {
        let template = namespace.get("deployment", name).unwrap()["spec"]["template"].take();
        assert!(!template.to_string().contains("logshipping"), "{template}");
        let replica_sets = namespace.list("replicasets", "app=server");
        let own = replica_sets
            .iter()
            .filter(|one| one["metadata"]["ownerReferences"][0]["name"] == name);
        assert_eq!(own.count(), 2, "the original ReplicaSet is used again");
    }
    assert!(namespace.list("configmaps", "logshipping.dev/managed=true").is_empty());
    let shipping = namespace.get("logshipping", "logs").unwrap();
    assert!(shipping["metadata"]["finalizers"].is_null(), "{shipping}");
    namespace.run(&["delete", "logshipping", "logs", "--timeout=10s"]);

    let requests = installed.requests();
    let patches: Vec<Timestamp> = requests
        .iter()
        .filter(|event| event["verb"] == "patch" && event["objectRef"]["resource"] == "deployments")
        .filter(|event| event["responseStatus"]["code"] == 200)
        .map(|event| text(&event["requestReceivedTimestamp"]).parse().unwrap())
        .collect();
    assert_eq!(patches.len(), 3);
    for pair in patches.windows(2) {
        assert!(pair[1].duration_since(pair[0]).as_millis() >= 900, "{patches:?}");
    }
    let refused = requests.iter().find(|event| event["responseStatus"]["code"] == 403);
    assert_eq!(refused, None, "its rights suffice");
}

#[test]
fn the_running_operator_is_stopped_first_and_for_good() {
    let installed = Installed::new("standstill");
    let objects = chart::objects(installed.home.name(), &installed.values);
    let deployment = objects.iter().find(|object| object["kind"] == "Deployment").unwrap();
    installed.home.apply(&deployment.to_string());
    installed.home.run(&["create", "serviceaccount", RELEASE]);
    let pods = || {
        installed
            .home
            .list("pods", "app.kubernetes.io/component=operator")
            .len()
    };
    wait::until_is("it runs", PATIENCE, pods, |pods| *pods == 2);

    let output = installed.uninstall(&["--timeout", "60s"]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(pods(), 0);
    let replicas = installed.home.get("deployment", RELEASE).unwrap()["spec"]["replicas"].take();
    assert_eq!(replicas, 0);
}

#[test]
fn what_can_not_be_reverted_is_told_with_the_reason_and_done_by_the_next_run() {
    let installed = Installed::new("left");
    installed.inject(&["server"]);
    let namespace = &installed.shop.namespace;
    namespace.apply(&super::removal::policy(namespace.name()));
    let replace = ["replace", "--dry-run=server", "--filename=-"];
    wait::until("the policy is in force", PATIENCE, || {
        let answer = namespace.feed(&replace, DEPLOYMENT);
        answer.is_err_and(|error| error.contains("must stay")).then_some(())
    });

    let output = installed.uninstall(&["--timeout", "5s"]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let name = namespace.name();
    for part in [
        "Deployments that were reverted: 0\nNot done: 2\n",
        &format!("  Deployment {name}/server: the Deployment was refused: "),
        "the sidecar must stay",
        &format!("  LogShipping {name}/logs: has finalizer logshipping.dev/cleanup until no Deployment carries it\n"),
    ] {
        assert!(told.contains(part), "{part:?} in {told}");
    }
    assert_eq!(installed.sidecars(), 1);

    namespace.run(&[
        "delete",
        "validatingadmissionpolicybinding,validatingadmissionpolicy",
        name,
    ]);
    let output = installed.uninstall(&["--timeout", "60s"]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(installed.sidecars(), 0);
}

#[test]
fn a_paused_deployment_keeps_its_pods_and_is_told_as_left() {
    let installed = Installed::new("paused");
    installed.inject(&["server"]);
    installed.shop.namespace.run(&["rollout", "pause", "deployment/server"]);
    let output = installed.uninstall(&["--timeout", "5s"]);
    assert_eq!(output.status.code(), Some(1));
    let told = said(&output);
    assert!(
        told.contains("2 pods keep the sidecar: run `kubectl rollout resume`"),
        "{told}"
    );
    installed
        .shop
        .namespace
        .run(&["rollout", "resume", "deployment/server"]);
    let output = installed.uninstall(&["--timeout", "60s"]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(installed.shop.config_map().is_none());
}

#[test]
fn what_is_to_be_retained_stays_and_counts_as_done() {
    let installed = Installed::new("retained");
    installed.inject(&["server"]);
    let namespace = &installed.shop.namespace;
    namespace.apply(&LOG_SHIPPING.replace("spec:\n", "spec:\n  deletionPolicy: Retain\n"));
    let carrying = installed.shop.template();
    let output = installed.uninstall(&["--timeout", "60s"]);
    assert!(output.status.success(), "{}", said(&output));
    let kept = format!(
        "Deployment {}/server keeps its sidecar: deletionPolicy Retain\n",
        namespace.name()
    );
    assert!(said(&output).contains(&kept), "{}", said(&output));
    assert_eq!(installed.shop.template(), carrying);
    assert!(installed.shop.config_map().is_some());
    let shipping = namespace.get("logshipping", "logs").unwrap();
    assert!(shipping["metadata"]["finalizers"].is_null(), "{shipping}");
    let refused = installed
        .requests()
        .into_iter()
        .find(|event| event["responseStatus"]["code"] == 403);
    assert_eq!(refused, None, "its rights suffice");
}

#[test]
fn without_an_operator_or_anything_to_revert_it_succeeds_at_once() {
    let installed = Installed::new("nothing");
    let output = installed.uninstall(&["--timeout", "30s"]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("Nothing is left."));
}

#[test]
fn a_job_that_has_failed_is_started_again_by_hand_with_replace() {
    let home = Namespace::create(in_process::control_plane(), "by-hand");
    let rendered = chart::helm()
        .args(["template", RELEASE])
        .arg(chart::folder())
        .args(["--namespace", home.name(), "--show-only", "templates/uninstall.yaml"])
        .args(["--set", &format!("namespaces={{{}}}", home.name())])
        .output()
        .unwrap();
    let manifest = String::from_utf8(rendered.stdout).unwrap();
    let job = || text(&home.get("job", UNINSTALLER).unwrap()["metadata"]["uid"]);
    let replace = || home.feed(&["replace", "--force", "--filename=-"], &manifest).unwrap();

    replace();
    let first = job();
    home.apply(&manifest);
    assert_eq!(job(), first, "applying starts nothing");
    replace();
    assert_ne!(job(), first);
    home.feed(&["delete", "--filename=-"], &manifest).unwrap();
    for kind in ["job", "serviceaccount", "role", "rolebinding"] {
        assert_eq!(home.get(kind, UNINSTALLER), None);
    }
}
