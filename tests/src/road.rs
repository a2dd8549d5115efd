//! The whole road on a real node: images, log store, and the operator from its chart, installed once for all tests.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use cluster::node::Node;

use crate::kubectl::Namespace;
use crate::store::Store;

/// Where the chart is installed.
pub const OPERATOR_NAMESPACE: &str = "logshipping-system";
/// The clusterIP and port in `examples/server-logs/loki.yaml`.
pub const STORE: &str = "10.96.100.100:3100";

/// Images of the project.
const OURS: [&str; 3] = ["operator", "sidecar", "server"];

/// A node with everything installed.
#[derive(Debug)]
pub struct Road {
    pub node: &'static Node,
    pub store: Store,
}

static SHARED: OnceLock<Road> = OnceLock::new();

/// The road of this process, built on first use. Each test has a namespace of its own on it.
///
/// # Panics
/// When something can't be built or doesn't start; the message says what.
pub fn shared() -> &'static Road {
    SHARED.get_or_init(|| build().unwrap_or_else(|error| panic!("the road can't be built: {error:#}")))
}

/// A file of the repository.
pub fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// A node of one's own with the images of the operator, the sidecar and the demo application; nothing is installed. For
/// a test that takes the operator away.
///
/// # Panics
/// When something can't be built or doesn't start; the message says what.
pub fn bare() -> Node {
    let start = || Ok::<_, anyhow::Error>(cluster::node::start(&images(&OURS)?)?);
    start().unwrap_or_else(|error| panic!("no node: {error:#}"))
}

fn build() -> anyhow::Result<Road> {
    let archives = images(&[&OURS[..], &["loki"]].concat())?;
    let node = cluster::node::shared().map_err(|error| anyhow::anyhow!("{error}"))?;
    archives.iter().try_for_each(|archive| node.load_image(archive))?;
    run(node
        .kubectl()
        .arg("apply")
        .arg("--filename")
        .arg(file("examples/server-logs/loki.yaml")))?;
    run(helm(node.kubeconfig())?
        .args(["upgrade", "--install", "logshipping"])
        .arg(file("charts/logshipping"))
        .args([
            "--namespace",
            OPERATOR_NAMESPACE,
            "--create-namespace",
            "--wait",
            "--timeout",
            "120s",
        ]))?;
    let wait = [
        "--namespace",
        "logging",
        "rollout",
        "status",
        "deployment/loki",
        "--timeout=120s",
    ];
    run(node.kubectl().args(wait))?;
    let store = Store::at(node.publish(STORE.parse::<SocketAddr>()?)?);
    Ok(Road { node, store })
}

/// Builds the images where they aren't up to date; the chore does nothing where they are.
fn images(names: &[&str]) -> anyhow::Result<Vec<PathBuf>> {
    let folder = file("target/images");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    run(Command::new(cargo)
        .current_dir(file("."))
        .args(["run", "--quiet", "--package", "xtask", "--", "images", "--out"])
        .arg(&folder)
        .args(names))?;
    Ok(names.iter().map(|name| folder.join(format!("{name}.tar"))).collect())
}

fn helm(kubeconfig: &Path) -> anyhow::Result<Command> {
    let mut command = Command::new(cluster::tools::ensure("helm")?);
    command.env("KUBECONFIG", kubeconfig);
    Ok(command)
}

fn run(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    anyhow::ensure!(
        output.status.success(),
        "{command:?} failed: {}{}",
        text(&output.stderr),
        text(&output.stdout)
    );
    Ok(text(&output.stdout))
}

impl Road {
    /// A namespace for one test.
    pub fn namespace(&self, prefix: &str) -> Namespace {
        Namespace::create(self.node.control_plane(), prefix)
    }

    /// Kills the process of a container at once, as the kernel would. Not the pod: the kubelet restarts the container.
    ///
    /// # Panics
    /// When the runtime doesn't know the container.
    pub fn kill_container(&self, id: &str) {
        let id = id.trim_start_matches("containerd://");
        let killed =
            self.node.exec("ctr").map_err(anyhow::Error::from).and_then(|mut ctr| {
                run(ctr.args(["--namespace", "k8s.io", "tasks", "kill", "--signal", "SIGKILL", id]))
            });
        assert!(killed.is_ok(), "{killed:?}");
    }
}
