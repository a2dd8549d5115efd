//! A kubelet and sidecars that a test directs, for a control plane without nodes. Pods of one namespace start running
//! as soon as they exist; where a pod has our container, something answers `GET /status` at its address.
//!
//! What is faithful: a ConfigMap's key is read when the pod starts and again when the pod object changes, not when the
//! ConfigMap does, so a test notices a missing nudge. What isn't there: containers, probes, volumes.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crds::names;
use futures::StreamExt;
use k8s_openapi::api::core::v1::{ConfigMap, Container, Pod, Volume};
use kube::api::{Patch, PatchParams};
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, ResourceExt};
use pipeline::report::{DestinationReport, DestinationState, PipelineReport, Rejected, Report, SourceReport, State};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::runtime;

/// How the sidecars behave. A test changes it while they run.
#[derive(Clone, Debug, Default)]
pub struct Script {
    pub answers: Answers,
    pub reload: Reload,
    /// What is made of the report before it is sent.
    pub edit: Edit,
}

/// Whether anything listens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Answers {
    #[default]
    Yes,
    /// Connections are closed without a word, as some NetworkPolicies do.
    No,
}

/// What a sidecar does with a configuration that it hasn't loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reload {
    #[default]
    AtOnce,
    /// It keeps what it has.
    Never,
    /// It keeps what it has, and says why.
    Refuses(String),
}

/// A change of a report.
#[derive(Clone)]
pub struct Edit(Arc<dyn Fn(&mut Report) + Send + Sync>);

impl Edit {
    pub fn new(edit: impl Fn(&mut Report) + Send + Sync + 'static) -> Self {
        Self(Arc::new(edit))
    }
}

impl Default for Edit {
    fn default() -> Self {
        Self::new(|_| ())
    }
}

impl std::fmt::Debug for Edit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Edit")
    }
}

/// The pods of one namespace. They stop answering when it is dropped.
#[derive(Debug)]
pub struct Pods {
    script: Arc<Mutex<Script>>,
    task: JoinHandle<()>,
}

impl Pods {
    /// Starts looking after the pods of a namespace.
    ///
    /// # Panics
    /// When the kubeconfig is of no use.
    pub fn run(kubeconfig: &Path, namespace: &str) -> Self {
        let script = Arc::new(Mutex::new(Script::default()));
        let client = runtime::get()
            .block_on(operator::client::connect(Some(kubeconfig)))
            .unwrap_or_else(|error| panic!("no client: {error}"));
        let kubelet = Kubelet {
            client,
            namespace: namespace.to_owned(),
            script: script.clone(),
            sandboxes: HashMap::new(),
        };
        Self {
            script,
            task: runtime::get().spawn(kubelet.run()),
        }
    }

    /// Changes how the sidecars behave from now on.
    pub fn direct(&self, change: impl FnOnce(&mut Script)) {
        change(&mut lock(&self.script));
    }
}

impl Drop for Pods {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Kubelet {
    client: Client,
    namespace: String,
    script: Arc<Mutex<Script>>,
    /// By uid of the pod.
    sandboxes: HashMap<String, Sandbox>,
}

/// What runs for one pod.
struct Sandbox {
    ip: IpAddr,
    mounted: Arc<Mutex<Mounted>>,
    server: Option<JoinHandle<()>>,
}

/// What the sidecar of a pod sees.
#[derive(Default)]
struct Mounted {
    uid: String,
    /// The file in the volume.
    file: Option<String>,
    /// What it runs of it.
    loaded: Option<String>,
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if let Some(server) = &self.server {
            server.abort();
        }
    }
}

impl Kubelet {
    async fn run(mut self) {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let mut events = std::pin::pin!(watcher::watcher(api, watcher::Config::default()));
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Apply(pod) | Event::InitApply(pod)) => {
                    if let Err(error) = self.sync(&pod).await {
                        tracing::debug!(%error, pod = pod.name_any(), "not synced");
                    }
                }
                Ok(Event::Delete(pod)) => {
                    self.sandboxes.remove(&pod.uid().unwrap_or_default());
                }
                Ok(Event::Init | Event::InitDone) | Err(_) => {}
            }
        }
    }

    async fn sync(&mut self, pod: &Pod) -> anyhow::Result<()> {
        let uid = pod.uid().unwrap_or_default();
        let file = self.mount(pod).await?;
        if let Some(sandbox) = self.sandboxes.get(&uid) {
            lock(&sandbox.mounted).file = file;
            return Ok(());
        }
        let sandbox = self.start(pod, uid.clone(), file).await?;
        let ip = sandbox.ip;
        self.sandboxes.insert(uid, sandbox);
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let status = json!({"status": running(pod, ip)});
        api.patch_status(&pod.name_any(), &PatchParams::default(), &Patch::Merge(status))
            .await?;
        Ok(())
    }

    async fn start(&self, pod: &Pod, uid: String, file: Option<String>) -> anyhow::Result<Sandbox> {
        let mounted = Arc::new(Mutex::new(Mounted {
            uid,
            file,
            loaded: None,
        }));
        let ip = next_address();
        let server = match port(pod) {
            Some(port) => {
                let listener = TcpListener::bind(SocketAddr::new(ip, port)).await?;
                Some(tokio::spawn(serve(listener, mounted.clone(), self.script.clone())))
            }
            None => None,
        };
        Ok(Sandbox { ip, mounted, server })
    }

    /// The configuration file as the pod's volume shows it.
    async fn mount(&self, pod: &Pod) -> anyhow::Result<Option<String>> {
        let mut volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
        let Some((name, key)) = volumes.find_map(configuration) else {
            return Ok(None);
        };
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), &self.namespace);
        let data = api.get_opt(&name).await?.and_then(|config_map| config_map.data);
        Ok(data.and_then(|data| data.get(&key).cloned()))
    }
}

fn configuration(volume: &Volume) -> Option<(String, String)> {
    let source = volume
        .config_map
        .as_ref()
        .filter(|_| volume.name == names::CONFIG_VOLUME)?;
    let item = source
        .items
        .as_ref()?
        .iter()
        .find(|item| item.path == names::paths::CONFIG_FILE)?;
    Some((source.name.clone(), item.key.clone()))
}

/// Addresses of the loopback network, one for each pod of this process and few that others take.
fn next_address() -> IpAddr {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let [_, _, high, low] = number.to_be_bytes();
    let process = u8::try_from(std::process::id() % 200).unwrap_or(0);
    IpAddr::V4(Ipv4Addr::new(127, 20 + process, high, low))
}

fn sidecar(pod: &Pod) -> Option<&Container> {
    let spec = pod.spec.as_ref()?;
    let mut containers = spec.init_containers.iter().flatten().chain(&spec.containers);
    containers.find(|container| container.name == names::CONTAINER)
}

fn port(pod: &Pod) -> Option<u16> {
    let port = sidecar(pod)?
        .ports
        .as_ref()?
        .iter()
        .find(|port| port.name.as_deref() == Some(names::PORT))?;
    u16::try_from(port.container_port).ok()
}

/// The status that a kubelet writes once everything runs.
fn running(pod: &Pod, ip: IpAddr) -> Value {
    let now = "2026-01-01T00:00:00Z";
    let status = |container: &Container| {
        json!({
            "name": container.name, "image": container.image, "imageID": "", "ready": true, "started": true,
            "restartCount": 0, "state": {"running": {"startedAt": now}},
        })
    };
    let spec = pod.spec.clone().unwrap_or_default();
    let conditions = ["Initialized", "Ready", "ContainersReady", "PodScheduled"];
    json!({
        "phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "startTime": now,
        "conditions": conditions.map(|kind| json!({"type": kind, "status": "True", "lastTransitionTime": now})),
        "containerStatuses": spec.containers.iter().map(status).collect::<Vec<_>>(),
        "initContainerStatuses": spec.init_containers.iter().flatten().map(status).collect::<Vec<_>>(),
    })
}

async fn serve(listener: TcpListener, mounted: Arc<Mutex<Mounted>>, script: Arc<Mutex<Script>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let script = lock(&script).clone();
        if script.answers == Answers::Yes {
            let report = report(&mut lock(&mounted), &script);
            // The operator may have hung up.
            let _ = respond(stream, &report).await;
        }
    }
}

async fn respond(mut stream: TcpStream, report: &Report) -> anyhow::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        anyhow::ensure!(stream.read_buf(&mut request).await? > 0, "no request");
    }
    anyhow::ensure!(
        request.starts_with(b"GET /status HTTP/1.1\r\n"),
        "only the status is asked for"
    );
    let body = serde_json::to_string(report)?;
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    Ok(stream.shutdown().await?)
}

/// What a sidecar says that was given this file.
fn report(mounted: &mut Mounted, script: &Script) -> Report {
    if mounted.loaded.is_none() || script.reload == Reload::AtOnce {
        mounted.loaded.clone_from(&mounted.file);
    }
    let config = |text: &Option<String>| text.as_deref().and_then(|text| pipeline::config::load(text).ok());
    let loaded = config(&mounted.loaded);
    let mut report = Report {
        schema_version: pipeline::report::SCHEMA_VERSION,
        config_versions: vec![pipeline::config::VERSION],
        pod_uid: mounted.uid.clone(),
        state: if loaded.is_some() {
            State::Running
        } else {
            State::NoConfig
        },
        config_hash: loaded.as_ref().map(|loaded| loaded.hash.clone()).unwrap_or_default(),
        pipelines: loaded
            .iter()
            .flat_map(|loaded| &loaded.pipelines)
            .map(healthy)
            .collect(),
        ..Report::default()
    };
    if let (Reload::Refuses(error), Some(newer)) = (&script.reload, config(&mounted.file)) {
        let refused = newer.pipelines.iter().filter(|pipeline| {
            report
                .pipelines
                .iter()
                .all(|running| running.revision != pipeline.revision)
        });
        report.rejected = refused
            .map(|pipeline| Rejected {
                pipeline: pipeline.name.clone(),
                revision: pipeline.revision.clone(),
                error: error.clone(),
            })
            .collect();
    }
    (script.edit.0)(&mut report);
    report
}

fn healthy(pipeline: &pipeline::Pipeline) -> PipelineReport {
    let sources = pipeline.sources.iter().map(|source| SourceReport {
        name: source.name.clone(),
        files: 1,
        ..SourceReport::default()
    });
    let destinations = pipeline.destinations.iter().map(|destination| DestinationReport {
        name: destination.name.clone(),
        state: DestinationState::Healthy,
        ..DestinationReport::default()
    });
    PipelineReport {
        name: pipeline.name.clone(),
        revision: pipeline.revision.clone(),
        sources: sources.collect(),
        destinations: destinations.collect(),
        reclaim: None,
    }
}
