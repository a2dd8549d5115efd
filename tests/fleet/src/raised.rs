//! A fleet that is there: the cluster it lives in, and what is done to it.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use cluster::audit::Follower;
use cluster::control_plane::{self, ControlPlane};
use serde_json::Value;

use crate::manifest::{self, Destination};
use crate::size::Size;

/// What the chart installs.
const API: &str = include_str!("../../../charts/logshipping/files/logshippings.yaml");

/// The user that the operator is.
pub const OPERATOR: &str = "system:serviceaccount:logshipping-system:logshipping";
/// Where the operator lives, and its lease.
pub const OPERATOR_NAMESPACE: &str = "logshipping-system";
const OPERATOR_ACCOUNT: &str = "logshipping";

/// The user that everything else here is.
pub const OWNER: &str = "admin";

/// kubectl creates one object after the other; several of them fill the API server.
const WRITERS: usize = 4;
const LOOK: Duration = Duration::from_secs(2);
/// Nobody patches objects while they are listed and counted for longer.
const INSTALL_SECONDS: u32 = 60;
/// Several seconds for a thousand pods, and the multiple of that on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);
const PATIENCE_PER_POD: Duration = Duration::from_millis(100);

/// A cluster with Deployments, their pods, and LogShippings that select them. It ends when this is dropped.
#[derive(Debug)]
pub struct Fleet {
    cluster: ControlPlane,
    size: Size,
}

impl Fleet {
    /// Starts a cluster, creates everything, and waits until all pods are said to run.
    pub fn raise(size: Size) -> Result<Self> {
        let cluster = control_plane::start_simulation()?;
        let fleet = Self { cluster, size };
        fleet.install()?;
        let namespaces = (0..size.namespaces).map(|number| manifest::namespace(&manifest::namespace_name(number)));
        fleet.create(namespaces)?;
        fleet.create(manifest::deployments(size))?;
        fleet.create(manifest::shippings(size, Destination("http://loki.logging:3100")))?;
        fleet.await_rollouts()?;
        Ok(fleet)
    }

    /// How large it was raised.
    pub const fn size(&self) -> Size {
        self.size
    }

    /// The cluster that it lives in.
    pub const fn cluster(&self) -> &ControlPlane {
        &self.cluster
    }

    /// The API, and a service account for the operator. It may do anything: whether the chart's rights suffice is
    /// another test.
    fn install(&self) -> Result<()> {
        self.feed(&["apply", "--server-side", "--filename=-"], API.as_bytes())?;
        let timeout = format!("--timeout={INSTALL_SECONDS}s");
        let crd = "crd/logshippings.logshipping.dev";
        self.kubectl(&["wait", "--for=condition=Established", crd, &timeout])?;
        self.kubectl(&["create", "namespace", OPERATOR_NAMESPACE])?;
        let namespace = format!("--namespace={OPERATOR_NAMESPACE}");
        self.kubectl(&[&namespace, "create", "serviceaccount", OPERATOR_ACCOUNT])?;
        let account = format!("--serviceaccount={OPERATOR_NAMESPACE}:{OPERATOR_ACCOUNT}");
        self.kubectl(&[
            "create",
            "clusterrolebinding",
            OPERATOR_ACCOUNT,
            "--clusterrole=cluster-admin",
            &account,
        ])?;
        Ok(())
    }

    /// A kubeconfig of [`OPERATOR`].
    pub fn operator_kubeconfig(&self) -> Result<PathBuf> {
        let namespace = format!("--namespace={OPERATOR_NAMESPACE}");
        let token = self.kubectl(&[&namespace, "create", "token", OPERATOR_ACCOUNT, "--duration=24h"])?;
        Ok(self.cluster.kubeconfig_with_token(token.trim())?)
    }

    /// The requests of a user from now on.
    pub fn follow(&self, user: &str) -> Result<Follower> {
        Ok(self.cluster.follow(user)?)
    }

    /// Creates objects as `kubectl apply` would leave them: with their manifest in an annotation.
    fn create(&self, objects: impl Iterator<Item = Value>) -> Result<()> {
        let objects: Vec<_> = objects.collect();
        let part = objects.len().div_ceil(WRITERS).max(1);
        thread::scope(|scope| {
            let writers: Vec<_> = objects
                .chunks(part)
                .map(|part| {
                    let document = manifest::list(part.iter().cloned()).to_string();
                    scope.spawn(move || self.feed(&["create", "--save-config", "--filename=-"], document.as_bytes()))
                })
                .collect();
            writers.into_iter().try_for_each(|writer| {
                writer
                    .join()
                    .map_err(|_| anyhow::anyhow!("a writer panicked"))?
                    .map(drop)
            })
        })
    }

    /// Gives LogShippings another destination, which changes the configuration and not the shape of pods.
    pub fn reconfigure(&self, shippings: std::ops::Range<u32>, url: &str) -> Result<()> {
        let all = manifest::shippings(self.size, Destination(url));
        let some = all.take(shippings.end as usize).skip(shippings.start as usize);
        let document = manifest::list(some).to_string();
        self.feed(&["apply", "--filename=-"], document.as_bytes()).map(drop)
    }

    /// Adds a Deployment without pods to those that the first LogShipping selects.
    pub fn add_deployment(&self, name: &str) -> Result<()> {
        let namespace = manifest::namespace_name(0);
        let deployment = manifest::deployment(&namespace, name, &manifest::shipping_name(0), 0);
        self.feed(
            &["create", "--save-config", "--filename=-"],
            deployment.to_string().as_bytes(),
        )
        .map(drop)
    }

    /// Waits until every Deployment runs its latest template and nothing else.
    pub fn await_rollouts(&self) -> Result<()> {
        let patience = PATIENCE + PATIENCE_PER_POD * self.size.pods;
        let began = Instant::now();
        while self.unfinished_rollouts()? > 0 {
            if began.elapsed() > patience {
                bail!("the rollouts aren't finished after {} s", patience.as_secs());
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }

    fn unfinished_rollouts(&self) -> Result<usize> {
        let fields = [
            "{.metadata.generation}={.status.observedGeneration}",
            "{.spec.replicas}={.status.replicas}",
            "{.spec.replicas}={.status.updatedReplicas}",
            "{.spec.replicas}={.status.availableReplicas}",
        ];
        let template = format!("--output=jsonpath={{range .items[*]}}{} {{end}}", fields.join(","));
        let answer = self.kubectl(&["get", "deployments", "--all-namespaces", &template])?;
        let is_finished = |deployment: &str| {
            deployment.split(',').all(|pair| {
                let (wanted, found) = pair.split_once('=').unwrap_or_default();
                wanted == found || (wanted == "0" && found.is_empty())
            })
        };
        Ok(answer.split_whitespace().filter(|one| !is_finished(one)).count())
    }

    /// The status of every LogShipping, as JSON.
    pub fn statuses(&self) -> Result<Vec<Value>> {
        let answer = self.kubectl(&["get", "logshippings", "--all-namespaces", "--output=json"])?;
        let list: Value = serde_json::from_str(&answer)?;
        let items = list["items"].as_array().context("not a list")?;
        Ok(items.iter().map(|item| item["status"].clone()).collect())
    }

    fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        self.feed(arguments, &[])
    }

    fn feed(&self, arguments: &[&str], input: &[u8]) -> Result<String> {
        let mut command = self.cluster.kubectl();
        command.args(arguments);
        run(&mut command, input)
    }
}

/// Standard output of a command that must succeed.
fn run(command: &mut Command, input: &[u8]) -> Result<String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start kubectl")?;
    let stdin = child.stdin.take();
    let output = thread::scope(|scope| {
        scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(input)));
        child.wait_with_output()
    })?;
    ensure!(
        output.status.success(),
        "kubectl failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}
