//! The operator itself, in the process of the test, restricted to the namespace of the test.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use cluster::control_plane::ControlPlane;
use operator::Patience;
use operator::client::Wire;
use operator::settings::{Reach, Settings, Switch};
use serde_json::json;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tower::Layer;
use tower::layer::util::Identity;

use crate::kubectl::Namespace;
use crate::road::OPERATOR_NAMESPACE;
use crate::{chart, runtime, wait};

/// Who the operator is: the chart's ServiceAccount, so every test shows that the rights which the chart grants suffice.
pub const USER: &str = "system:serviceaccount:logshipping-system:logshipping";

/// Image of sidecars where a test names none.
pub const SIDECAR_IMAGE: &str = "registry.example/logshipping-sidecar:test";

/// A running operator. It ends when it is dropped.
#[derive(Debug)]
pub struct Operator {
    stop: Option<oneshot::Sender<()>>,
    task: Option<JoinHandle<Result<(), operator::RunError>>>,
    address: SocketAddr,
}

impl Operator {
    /// Starts it and waits until it is ready.
    ///
    /// # Panics
    /// When it doesn't start.
    pub fn start(namespace: &Namespace) -> Self {
        Self::start_with(namespace, |_| ())
    }

    /// Like [`Operator::start`], with other settings.
    ///
    /// # Panics
    /// When it doesn't start.
    pub fn start_with(namespace: &Namespace, change: impl FnOnce(&mut Settings)) -> Self {
        let bounds = operator::client::Bounds::default();
        Self::start_through(namespace, change, bounds, Identity::new())
    }

    /// Like [`Operator::start_with`], with something between the operator and the API server.
    ///
    /// # Panics
    /// When it doesn't start.
    pub fn start_through(
        namespace: &Namespace,
        change: impl FnOnce(&mut Settings),
        bounds: operator::client::Bounds,
        between: impl Layer<Wire, Service = Wire> + Send + Sync + 'static,
    ) -> Self {
        let mut settings = settings(identity(), vec![namespace.name().to_owned()]);
        change(&mut settings);
        Self::launch(settings, bounds, between)
    }

    /// Starts it for all namespaces of a cluster that isn't shared with other tests, with polling off.
    ///
    /// # Panics
    /// When it doesn't start.
    pub fn start_everywhere(kubeconfig: PathBuf) -> Self {
        let settings = Settings {
            poll: Switch::Off,
            ..settings(kubeconfig, Vec::new())
        };
        Self::launch(settings, operator::client::Bounds::default(), Identity::new())
    }

    fn launch(
        settings: Settings,
        bounds: operator::client::Bounds,
        between: impl Layer<Wire, Service = Wire> + Send + Sync + 'static,
    ) -> Self {
        log();
        let address = settings.listen;
        let (stop, stopped) = oneshot::channel();
        let task = runtime::get().spawn(async move {
            let kubeconfig = settings.reach.kubeconfig.as_deref();
            let client = operator::client::connect_through(kubeconfig, bounds, &between).await;
            let client = client.unwrap_or_else(|error| panic!("no client: {error}"));
            let shutdown = async {
                // A sender that is gone means the same as one that sends.
                let _ = stopped.await;
            };
            operator::run(settings, client, shutdown).await
        });
        let operator = Self {
            stop: Some(stop),
            task: Some(task),
            address,
        };
        let ready = || {
            operator
                .get("/readyz")
                .filter(|answer| answer.starts_with("HTTP/1.1 200"))
        };
        wait::until("the operator is ready", Duration::from_secs(30), ready);
        operator
    }

    /// An answer of its HTTP server, head and body; none when it doesn't answer.
    pub fn get(&self, path: &str) -> Option<String> {
        fetch(self.address, path)
    }

    /// Ends it in order, as SIGTERM does.
    ///
    /// # Panics
    /// When it doesn't end, or not in order.
    pub fn stop(mut self) {
        drop(self.stop.take());
        let task = self.task.take();
        let ended = runtime::get().block_on(async {
            match task {
                Some(task) => tokio::time::timeout(Duration::from_secs(30), task).await.ok(),
                None => None,
            }
        });
        assert!(matches!(ended, Some(Ok(Ok(())))), "{ended:?}");
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// An answer of an operator's HTTP server, head and body; none when it doesn't answer.
pub fn fetch(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: operator\r\nconnection: close\r\n\r\n"
    )
    .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

fn settings(kubeconfig: PathBuf, namespaces: Vec<String>) -> Settings {
    Settings {
        sidecar_image: SIDECAR_IMAGE.to_owned(),
        listen: free_address(),
        log_level: "info".to_owned(),
        reach: Reach {
            kubeconfig: Some(kubeconfig),
            namespaces,
        },
        nudge: Switch::On,
        poll: Switch::On,
        allow_host_path: Switch::Off,
        poll_interval: pipeline::Duration::from_secs(1),
        concurrency: 4,
        patience: Patience::default(),
        cleanup_deadline: pipeline::Duration::from_secs(600),
        leader_election: Switch::Off,
        lease_name: chart::RELEASE.to_owned(),
        lease_namespace: None,
    }
}

/// The kubeconfig of [`USER`].
///
/// # Panics
/// When there is no control plane.
pub fn identity() -> PathBuf {
    installed().1.clone()
}

/// The control plane of this process with our API in it.
///
/// # Panics
/// When it doesn't start.
pub fn control_plane() -> &'static ControlPlane {
    installed().0
}

fn installed() -> &'static (&'static ControlPlane, PathBuf) {
    static INSTALLED: OnceLock<(&ControlPlane, PathBuf)> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let control_plane =
            cluster::control_plane::shared().unwrap_or_else(|error| panic!("no control plane: {error}"));
        (control_plane, install(control_plane))
    })
}

/// Installs the chart but for the operator itself, and returns the kubeconfig of its ServiceAccount.
///
/// # Panics
/// When the API server refuses.
pub fn install(control_plane: &ControlPlane) -> PathBuf {
    let run = |arguments: &[&str]| {
        let output = control_plane.kubectl().args(arguments).output();
        let output = output.unwrap_or_else(|error| panic!("no kubectl: {error}"));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    run(&["create", "namespace", OPERATOR_NAMESPACE]);
    let kubeconfig = chart::install_rights(control_plane, OPERATOR_NAMESPACE, &json!({}));
    run(&[
        "wait",
        "--for=condition=Established",
        "crd/logshippings.logshipping.dev",
        "--timeout=30s",
    ]);
    kubeconfig
}

/// An address that was free a moment ago.
pub(crate) fn free_address() -> SocketAddr {
    let bound = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    bound.unwrap_or_else(|error| panic!("no free port: {error}"))
}

/// What the operator says goes to the output of the test that failed. `RUST_LOG` chooses.
fn log() {
    let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| "operator=info,warn".to_owned());
    // Another test may have been first.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_test_writer()
        .try_init();
}
