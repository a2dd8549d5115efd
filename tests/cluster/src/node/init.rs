//! Process 1 of the node's namespaces: prepares them, starts the components, and stays until its lifeline is cut or one
//! of them dies. Either way its end is the end of everything inside.

use std::fs;
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{mounts, network};
use crate::addresses;
use crate::component::{self, containerd, etcd, kube_apiserver, kube_proxy, kube_scheduler, kubelet};
use crate::credentials::ADMINISTRATOR;
use crate::hold::bring_up;
use crate::hold::{HoldError, report, say, sentence, serve, system};
use crate::kubectl::Kubectl;
use crate::layout::Layout;
use crate::protocol::{Report, Spec};
use crate::supervisor::Orphans;
use crate::watch::{WaitError, Watch};

/// The API server's port inside.
pub(crate) const API_PORT: u16 = 6443;
const ETCD: etcd::Ports = etcd::Ports {
    client: 2379,
    peer: 2380,
};
const CONTAINERD_PATIENCE: Duration = Duration::from_secs(60);
/// Measured: a second after the API server. A machine that compiles at the same time takes a multiple.
const NODE_PATIENCE: Duration = Duration::from_secs(120);

/// Runs as process 1 until the end.
pub fn init(spec: &str) -> ExitCode {
    let outcome = match serde_json::from_str::<Spec>(spec) {
        Ok(spec) => run(&spec).map_err(|error| sentence(&error)),
        Err(error) => Err(format!("the node's init does not understand what to start: {error}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            report(&Report::Failed(sentence));
            ExitCode::FAILURE
        }
    }
}

fn run(spec: &Spec) -> Result<(), HoldError> {
    let layout = Layout::at(spec.folder.clone());
    let mut watch = Watch::new(Orphans::OfOurs).map_err(system("watch for signals"))?;
    mounts::lay_over(&layout)?;
    network::make()?;
    raise_file_limit().map_err(system("raise the limit of open files"))?;
    let outcome = start(spec, &layout, &mut watch).and_then(|()| {
        report(&Report::NodeReady);
        serve(&mut watch, |_| crate::protocol::Answer::Refused("not here".to_owned()))
    });
    match outcome {
        Err(HoldError::Wait(WaitError::ToldToStop)) => Ok(()),
        outcome => outcome,
    }
}

fn start(spec: &Spec, layout: &Layout, watch: &mut Watch) -> Result<(), HoldError> {
    bring_up::start(watch, layout, &containerd::launch(layout))?;
    let settings = kube_apiserver::Settings {
        port: API_PORT,
        etcd_url: ETCD.client_url(),
        reach: kube_apiserver::Reach::Node,
    };
    bring_up::control_plane(spec, layout, watch, ETCD, &settings)?;
    watch.wait_for("containerd's start", CONTAINERD_PATIENCE, || {
        let mut version = containerd::ctr(&["version"]);
        version
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    })?;
    for image in &spec.images {
        import(image)?;
    }
    let program = |name| component::program(&spec.tools, name);
    bring_up::start(
        watch,
        layout,
        &kube_scheduler::launch(program(kube_scheduler::NAME)?, layout),
    )?;
    bring_up::start(watch, layout, &kubelet::launch(program(kubelet::NAME)?, layout))?;
    bring_up::start(watch, layout, &kube_proxy::launch(program(kube_proxy::NAME)?, layout))?;
    let kubectl = Kubectl::new(program("kubectl")?, layout.kubeconfig_of(ADMINISTRATOR));
    watch.wait_for("the node's start", NODE_PATIENCE, || is_node_ready(&kubectl))?;
    say("the node is ready");
    Ok(())
}

fn is_node_ready(kubectl: &Kubectl) -> bool {
    let ready = "--output=jsonpath={.status.conditions[?(@.type==\"Ready\")].status}";
    kubectl
        .answer(&["get", "node", addresses::NODE_NAME, ready])
        .is_some_and(|answer| answer == "True")
}

fn import(image: &Path) -> Result<(), HoldError> {
    let archive = fs::File::open(image).map_err(system("open an image archive"))?;
    let output = containerd::ctr(&["images", "import", "-"])
        .stdin(archive)
        .output()
        .map_err(system("run ctr, which comes with containerd"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(HoldError::Image {
        image: image.to_owned(),
        text,
    })
}

/// Every container takes a few descriptors of containerd's, and the usual soft limit is for interactive programs.
fn raise_file_limit() -> std::io::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    Ok(setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    )?)
}
