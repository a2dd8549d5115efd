//! The holder's part of a node: what is outside of its namespaces.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use super::{HoldError, report, system};
use crate::component;
use crate::credentials;
use crate::layout::Layout;
use crate::node::cgroups::CgroupRoots;
use crate::node::namespaces::{self, Namespaces};
use crate::node::{configuration, forward, init, mounts};
use crate::packages;
use crate::protocol::{Answer, Facts, Report, Shape, Spec};
use crate::watch::{WaitError, Watch};

/// The name of init among the supervised children, and of its log.
const INIT: &str = "init";
/// Means this very program even after its file was replaced, as by a build while the cluster starts.
const THIS_PROGRAM: &str = "/proc/self/exe";
/// Init has deadlines of its own; this one is for an init that hangs.
const INIT_PATIENCE: Duration = Duration::from_secs(400);
/// How long a dead init's last words may take through the pipe.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// More than one line at a time is rare.
const REPORTS: usize = 16;

/// A node that runs.
#[derive(Debug)]
pub(super) struct Node {
    namespaces: Arc<Namespaces>,
    reports: Receiver<Report>,
    #[expect(dead_code, reason = "init ends when it is dropped")]
    lifeline: Option<ChildStdin>,
}

/// Starts a node and waits until it is ready.
pub(super) fn start(
    spec: &Spec,
    layout: &Layout,
    watch: &mut Watch,
    cgroups: &CgroupRoots,
) -> Result<(Node, Facts), HoldError> {
    refuse_covered_folder(layout)?;
    let inside = format!("https://127.0.0.1:{}", init::API_PORT);
    credentials::make(layout, &inside)?;
    credentials::make_for_node(layout, &inside)?;
    configuration::write(layout, &cgroups.path()).map_err(system("write the node's configuration"))?;

    let entrance = forward::listen(None).map_err(system("listen on loopback"))?;
    let address = entrance.local_addr().map_err(system("listen on loopback"))?;
    let server = format!("https://{address}");
    credentials::make_for_people(layout, &spec.name, &server)?;

    let (node, process) = launch(spec, layout, watch)?;
    node.wait_until_ready(watch)?;
    let api = SocketAddr::from((Ipv4Addr::LOCALHOST, init::API_PORT));
    forward::forward(entrance, Arc::clone(&node.namespaces), api).map_err(system("forward a port"))?;
    let facts = Facts {
        name: spec.name.clone(),
        shape: Shape::Node,
        holder: std::process::id(),
        init: Some(process),
        server,
        kubeconfig: layout.kubeconfig(),
        logs: layout.logs(),
        kubectl: component::program(&spec.tools, "kubectl")?,
    };
    Ok((node, facts))
}

/// The node lays folders of its own over these, so the cluster's folder would be hidden from it.
fn refuse_covered_folder(layout: &Layout) -> Result<(), HoldError> {
    let covered = mounts::COVERED
        .iter()
        .find(|covered| layout.folder().starts_with(covered));
    covered.map_or(Ok(()), |covered| {
        Err(HoldError::Covered {
            folder: layout.folder().to_owned(),
            covered,
        })
    })
}

fn launch(spec: &Spec, layout: &Layout, watch: &mut Watch) -> Result<(Node, u32), HoldError> {
    let spec_json = serde_json::to_string(spec).map_err(|error| system("describe the node")(error.into()))?;
    let log = layout.log_of(INIT);
    let errors = File::create(&log).map_err(system("make a log"))?;
    let mut command = Command::new(THIS_PROGRAM);
    command
        .args(["init", &spec_json])
        .env("PATH", packages::search_path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(errors);
    let mut child = namespaces::launch(command).map_err(system("start the node in namespaces of its own"))?;
    let process = child.id();
    let (lifeline, stdout) = (child.stdin.take(), child.stdout.take());
    watch.supervisor.adopt(INIT, child, &log);
    let namespaces = Namespaces::of(process).map_err(system("hold on to the node's namespaces"))?;
    let reports = read_reports(stdout);
    Ok((
        Node {
            namespaces: Arc::new(namespaces),
            reports,
            lifeline,
        },
        process,
    ))
}

fn read_reports(stdout: Option<ChildStdout>) -> Receiver<Report> {
    let (sender, receiver) = sync_channel(REPORTS);
    thread::spawn(move || {
        let lines = stdout
            .into_iter()
            .flat_map(|stdout| BufReader::new(stdout).lines())
            .map_while(Result::ok);
        for report in lines.filter_map(|line| serde_json::from_str(&line).ok()) {
            if sender.send(report).is_err() {
                break;
            }
        }
    });
    receiver
}

impl Node {
    fn wait_until_ready(&self, watch: &mut Watch) -> Result<(), HoldError> {
        let mut failure = None;
        let waited = watch.wait_for("the node's init", INIT_PATIENCE, || {
            self.reports.try_iter().any(|heard| match heard {
                Report::NodeReady => true,
                Report::Failed(sentence) => {
                    failure = Some(sentence);
                    true
                }
                told => {
                    report(&told);
                    false
                }
            })
        });
        match (failure, waited) {
            (Some(sentence), _) => Err(HoldError::Inside(sentence)),
            (None, Ok(())) => Ok(()),
            (None, Err(WaitError::Died(death))) => Err(self.explain(death.into())),
            (None, Err(error)) => Err(error.into()),
        }
    }

    /// Init's own words say more about its end than its exit status.
    pub(super) fn explain(&self, error: HoldError) -> HoldError {
        loop {
            match self.reports.recv_timeout(LAST_WORDS) {
                Ok(Report::Failed(sentence)) => return HoldError::Inside(sentence),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return error,
            }
        }
    }

    /// Makes an address of the cluster reachable on the host's loopback.
    pub(super) fn publish(&self, target: SocketAddr, host_port: Option<u16>) -> Answer {
        let published = forward::listen(host_port).and_then(|entrance| {
            let address = entrance.local_addr()?;
            forward::forward(entrance, Arc::clone(&self.namespaces), target)?;
            Ok(address)
        });
        match published {
            Ok(address) => Answer::Published(address),
            Err(error) => Answer::Refused(format!("cannot publish {target} on the host's loopback: {error}")),
        }
    }
}
