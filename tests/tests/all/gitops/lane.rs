//! One owner's namespace, with pods that run and a record of everything that happens to the Deployment.

use std::time::Duration;

use serde_json::Value;
use tests::chronicle::{Chronicle, Step, Template};
use tests::in_process;
use tests::kubectl::Namespace;
use tests::pods::Pods;
use tests::wait;

use super::git::{Git, LAST};

pub const PATIENCE: Duration = Duration::from_secs(30);

/// One owner's namespace.
#[derive(Debug)]
pub struct Lane {
    pub namespace: Namespace,
    pub chronicle: Chronicle,
    _pods: Pods,
}

/// What the operator wrote into a namespace, each a request that was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ours {
    pub deployment_patches: usize,
    pub config_maps: usize,
    pub nudges: usize,
}

impl Lane {
    pub fn open(prefix: &str) -> Self {
        let namespace = Namespace::create(in_process::control_plane(), prefix);
        let pods = Pods::run(namespace.kubeconfig(), namespace.name());
        let chronicle = Chronicle::follow(&namespace, "server");
        Self {
            namespace,
            chronicle,
            _pods: pods,
        }
    }

    /// What a person applies with kubectl.
    pub fn apply(&self, object: &Value) {
        self.namespace.apply(&object.to_string());
    }

    /// Waits until the Deployment carries the sidecar as a commit asks for.
    pub fn await_sidecar(&self, git: Git) {
        let size = || self.deployment()["spec"]["template"]["spec"]["volumes"].to_string();
        let what = format!("the sidecar has a volume of {}", git.size);
        wait::until_is(&what, PATIENCE, size, |volumes| volumes.contains(git.size));
    }

    pub fn deployment(&self) -> Value {
        self.namespace.get("deployment", "server").unwrap()
    }

    /// Waits until all is as the last commit has it, and says what is not.
    pub fn await_last(&self) {
        self.await_sidecar(LAST);
        let ready = || {
            let object = self.namespace.get("logshipping", "logs").unwrap();
            let stalled = self.namespace.condition("logs", "Stalled");
            let current = object["status"]["observedGeneration"] == object["metadata"]["generation"];
            (self.namespace.condition("logs", "Ready"), stalled, current)
        };
        wait::until_is("all is well", PATIENCE, ready, |(ready, stalled, current)| {
            ready.starts_with("True Healthy") && stalled.is_empty() && *current
        });
        let files = self
            .namespace
            .get("configmap", "logshipping-deployment-server")
            .unwrap();
        let files = files["data"].to_string();
        assert!(
            files.contains(LAST.host),
            "the change of the configuration has arrived: {files}"
        );
        let live = Template::of(&self.deployment()["spec"]["template"]).owner;
        let git = LAST.deployment();
        let image = |template: &Value| template["spec"]["containers"][0]["image"].clone();
        assert_eq!(
            image(&live),
            image(&git["spec"]["template"]),
            "the owner's change has arrived"
        );
    }

    /// Asserts what happened to the template, step by step, and that the ReplicaSets say the same.
    pub fn assert_steps(&self, expected: &[Step]) {
        assert_eq!(self.chronicle.steps(), expected, "{:#?}", self.chronicle.templates());
        let sets = || self.namespace.list("replicasets", "app=server").len();
        wait::until_is("each template has its ReplicaSet", PATIENCE, sets, |sets| {
            *sets == self.chronicle.distinct()
        });
    }

    /// Waits until that has happened to the template since the Deployment was created, and no more.
    pub fn await_steps(&self, expected: &[Step]) {
        let steps = || self.chronicle.steps();
        wait::until_is("the template has changed so", PATIENCE, steps, |steps| {
            steps == expected
        });
    }

    pub fn ours(&self) -> Ours {
        let changes = self.namespace.changes_by(in_process::USER);
        let count = |resource: &str| {
            let done = changes
                .iter()
                .filter(|change| change.resource == resource && change.has_succeeded());
            done.count()
        };
        Ours {
            deployment_patches: count("deployments"),
            config_maps: count("configmaps"),
            nudges: count("pods"),
        }
    }

    /// The sidecar came with one write and changed with one; the ConfigMap has been written for either, for the change of
    /// the configuration, and to forget the old shape once no pod had it any more.
    pub fn assert_two_patches(&self) -> Ours {
        let ours = self.ours();
        assert_eq!(ours.deployment_patches, 2, "{ours:?}");
        assert!(ours.config_maps <= 4, "{ours:?}");
        ours
    }
}
