//! Starts a control plane, component by component, each when the one before can serve it; nodes are simulated here, real
//! ones are started elsewhere.

use std::time::Duration;

use super::{HoldError, say, system};
use crate::component::{self, Launch, etcd, kube_apiserver, kube_controller_manager, kube_scheduler, kwok};
use crate::credentials;
use crate::kubectl::Kubectl;
use crate::layout::Layout;
use crate::ports;
use crate::protocol::{Facts, Shape, Spec};
use crate::watch::Watch;

/// Measured: 3 to 4 s on two idle cores. A machine that compiles at the same time takes a multiple.
const API_SERVER_PATIENCE: Duration = Duration::from_secs(120);
const CONTROLLERS_PATIENCE: Duration = Duration::from_secs(60);
/// The file of simulated nodes.
const NODES: &str = "nodes.json";

/// A control plane on the host's loopback, with ports of its own.
pub(super) fn on_loopback(spec: &Spec, layout: &Layout, watch: &mut Watch) -> Result<Facts, HoldError> {
    let [client, peer, api] = ports::free().map_err(system("find free ports"))?;
    let server = format!("https://127.0.0.1:{api}");
    credentials::make(layout, &server)?;
    credentials::make_for_people(layout, &spec.name, &server)?;
    let etcd_ports = etcd::Ports { client, peer };
    let settings = kube_apiserver::Settings {
        port: api,
        etcd_url: etcd_ports.client_url(),
        reach: kube_apiserver::Reach::Loopback,
    };
    control_plane(spec, layout, watch, etcd_ports, &settings)?;
    if spec.shape == Shape::Simulation {
        credentials::make_for_simulation(layout, &server)?;
        simulation(spec, layout, watch)?;
    }
    Ok(Facts {
        name: spec.name.clone(),
        shape: spec.shape,
        holder: std::process::id(),
        init: None,
        server,
        kubeconfig: layout.kubeconfig(),
        logs: layout.logs(),
        kubectl: component::program(&spec.tools, "kubectl")?,
    })
}

/// Starts etcd, API server and controllers, and waits until a service account appears: only then is everything that a
/// pod's admission needs there.
pub(crate) fn control_plane(
    spec: &Spec,
    layout: &Layout,
    watch: &mut Watch,
    etcd_ports: etcd::Ports,
    settings: &kube_apiserver::Settings,
) -> Result<(), HoldError> {
    let program = |name| component::program(&spec.tools, name);
    let policy = kube_apiserver::audit_policy(spec.shape).to_string();
    std::fs::write(layout.configuration_of(kube_apiserver::AUDIT_POLICY), policy)
        .map_err(system("write the audit policy"))?;
    start(watch, layout, &etcd::launch(program(etcd::NAME)?, layout, etcd_ports))?;
    start(
        watch,
        layout,
        &kube_apiserver::launch(program(kube_apiserver::NAME)?, layout, settings),
    )?;
    let kubectl = Kubectl::new(program("kubectl")?, layout.kubeconfig_of(credentials::ADMINISTRATOR));
    watch.wait_for("the API server's start", API_SERVER_PATIENCE, || {
        kubectl.succeeds(&["get", "--raw", "/readyz"])
    })?;
    say("the API server is ready");
    let controllers = program(kube_controller_manager::NAME)?;
    start(watch, layout, &kube_controller_manager::launch(controllers, layout))?;
    watch.wait_for("the controllers' start", CONTROLLERS_PATIENCE, || {
        kubectl.succeeds(&["--namespace=default", "get", "serviceaccount", "default"])
    })?;
    say("the controllers are at work");
    Ok(())
}

/// Starts the scheduler and kwok, and waits until its nodes take pods.
fn simulation(spec: &Spec, layout: &Layout, watch: &mut Watch) -> Result<(), HoldError> {
    let program = |name| component::program(&spec.tools, name);
    let configuration = layout.configuration_of(kwok::CONFIGURATION);
    std::fs::write(configuration, kwok::configuration()).map_err(system("write the configuration of kwok"))?;
    let nodes = layout.configuration_of(NODES);
    std::fs::write(&nodes, kwok::nodes().to_string()).map_err(system("write the simulated nodes"))?;
    start(
        watch,
        layout,
        &kube_scheduler::launch(program(kube_scheduler::NAME)?, layout),
    )?;
    start(watch, layout, &kwok::launch(program(kwok::NAME)?, layout))?;
    let kubectl = Kubectl::new(program("kubectl")?, layout.kubeconfig_of(credentials::ADMINISTRATOR));
    watch.wait_for("the nodes' creation", CONTROLLERS_PATIENCE, || {
        kubectl.succeeds(&["apply", "--filename", &nodes.to_string_lossy()])
    })?;
    watch.wait_for("the nodes' start", CONTROLLERS_PATIENCE, || {
        kubectl.succeeds(&["wait", "nodes", "--all", "--for=condition=Ready", "--timeout=0"])
    })?;
    say("the simulated nodes are ready");
    Ok(())
}

/// Starts a component.
pub(crate) fn start(watch: &mut Watch, layout: &Layout, launch: &Launch) -> Result<(), HoldError> {
    Ok(watch.supervisor.start(launch, &layout.log_of(launch.name))?)
}
