//! The holder: the process that a cluster lives and dies with.
//!
//! `cluster hold SPEC` claims the cluster's folder, starts what the [`Spec`] asks for, reports, and then serves requests
//! until it is told to stop, its lifeline is cut, or a component dies. Whatever the reason, it ends all children first
//! and removes the folder last. When the holder itself is killed, the kernel kills its children with it
//! (see [`crate::child`]), and the next start sweeps up the folder (see [`home`]).

pub(crate) mod bring_up;
pub(crate) mod home;
mod node;

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use home::{Home, HomeError};

use crate::component::{MissingTool, kube_apiserver};
use crate::credentials::CredentialsError;
use crate::layout::Layout;
use crate::node::cgroups::{CgroupError, CgroupRoots};
use crate::node::{MountError, NetworkError};
use crate::privilege;
use crate::protocol::{Answer, Facts, Publish, Report, Request, Shape, Spec};
use crate::supervisor::{Death, Orphans, SpawnError, Supervisor};
use crate::watch::{Event, WaitError, Watch};

/// Clients are local and send one short line.
const CLIENT_PATIENCE: Duration = Duration::from_secs(2);

/// Why a cluster ended otherwise than by being told to.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// The folder can't be had.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// Certificates or kubeconfigs.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// A program is missing.
    #[error(transparent)]
    Tool(#[from] MissingTool),
    /// A program doesn't start.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// Something never got ready.
    #[error(transparent)]
    Wait(#[from] WaitError),
    /// A component died while the cluster ran.
    #[error(transparent)]
    Died(#[from] Death),
    /// Control groups.
    #[error(transparent)]
    Cgroups(#[from] CgroupError),
    /// The node's mounts.
    #[error(transparent)]
    Mounts(#[from] MountError),
    /// The node's network.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// containerd refused an image.
    #[error("containerd does not take the image archive {}: {text}", image.display())]
    Image {
        /// The archive.
        image: PathBuf,
        /// What `ctr` said.
        text: String,
    },
    /// The node would not see its own folder.
    #[error("a cluster can't be kept in {}, because its node covers {covered}: set TMPDIR to a folder elsewhere", folder.display())]
    Covered {
        /// The cluster's folder.
        folder: PathBuf,
        /// What the node covers.
        covered: &'static str,
    },
    /// Something happened inside the node.
    #[error("{0}")]
    Inside(String),
    /// The system refused something.
    #[error("cannot {doing}")]
    System {
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// For `map_err`.
pub(crate) fn system(doing: &'static str) -> impl FnOnce(io::Error) -> HoldError {
    move |source| HoldError::System { doing, source }
}

/// Holds the cluster until its end.
pub fn hold(spec: &str) -> ExitCode {
    let outcome = match serde_json::from_str::<Spec>(spec) {
        Ok(spec) => hold_spec(&spec),
        Err(error) => Err(format!("the holder does not understand what to hold: {error}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            report(&Report::Failed(sentence));
            ExitCode::FAILURE
        }
    }
}

fn hold_spec(spec: &Spec) -> Result<(), String> {
    // Ctrl-C at the starter's terminal must not reach the cluster before the starter has had its say.
    let _ = rustix::process::setsid();
    let mut watch = Watch::new(Orphans::OfOthers).map_err(|error| sentence(&error))?;
    let home = Home::claim(Layout::at(spec.folder.clone()), &spec.name).map_err(|error| sentence(&error))?;
    let outcome = match spec.shape {
        Shape::ControlPlane | Shape::Simulation => hold_control_plane(spec, home.layout(), &mut watch),
        Shape::Node => hold_node(spec, home.layout(), &mut watch),
    };
    match outcome {
        Ok(()) | Err(HoldError::Wait(WaitError::ToldToStop)) => Ok(()),
        Err(error) => Err(home.keep_logs(&sentence(&error))),
    }
}

fn hold_control_plane(spec: &Spec, layout: &Layout, watch: &mut Watch) -> Result<(), HoldError> {
    let outcome = bring_up::on_loopback(spec, layout, watch).and_then(|facts| {
        open_for_clients(layout, watch, facts)?;
        serve(watch, |_| {
            Answer::Refused("without a node there is nothing to publish".to_owned())
        })
    });
    watch.supervisor.stop();
    outcome
}

fn hold_node(spec: &Spec, layout: &Layout, watch: &mut Watch) -> Result<(), HoldError> {
    let cgroups = CgroupRoots::make(layout)?;
    let outcome = node::start(spec, layout, watch, &cgroups).and_then(|(node, facts)| {
        open_for_clients(layout, watch, facts)?;
        let served = serve(watch, |Publish { target, host_port }| node.publish(target, host_port));
        served.map_err(|error| {
            if matches!(error, HoldError::Died(_)) {
                node.explain(error)
            } else {
                error
            }
        })
    });
    // Control groups can be removed once nothing is in them.
    watch.supervisor.stop();
    drop(cgroups);
    outcome
}

fn open_for_clients(layout: &Layout, watch: &mut Watch, facts: Facts) -> Result<(), HoldError> {
    let control = UnixListener::bind(layout.control_socket()).map_err(system("make the control socket"))?;
    watch.listen(control);
    write_facts(layout, &facts).map_err(system("write down what the cluster is"))?;
    // A node's holder is root's, but the cluster is the user's.
    for path in layout.for_clients() {
        privilege::hand_over(&path, layout.folder()).map_err(system("hand the cluster over to its user"))?;
    }
    report(&Report::Ready(facts));
    Ok(())
}

/// Waits for the end, answering clients meanwhile.
pub(crate) fn serve(watch: &mut Watch, publish: impl Fn(Publish) -> Answer) -> Result<(), HoldError> {
    loop {
        match watch.next().map_err(WaitError::from)? {
            Event::Quiet => {}
            Event::LifelineCut | Event::Signalled => return Ok(()),
            Event::Died(death) => return Err(death.into()),
            Event::Client(client) => {
                // A client that goes away in the middle of its request is its own problem.
                if matches!(answer(&client, &mut watch.supervisor, &publish), Ok(Answer::Stopping)) {
                    return Ok(());
                }
            }
        }
    }
}

fn answer(
    mut client: &UnixStream,
    supervisor: &mut Supervisor,
    publish: impl Fn(Publish) -> Answer,
) -> io::Result<Answer> {
    client.set_read_timeout(Some(CLIENT_PATIENCE))?;
    client.set_write_timeout(Some(CLIENT_PATIENCE))?;
    let mut line = String::new();
    BufReader::new(client).read_line(&mut line)?;
    let answer = match serde_json::from_str(&line) {
        Ok(Request::Stop) => Answer::Stopping,
        Ok(Request::Publish(request)) => publish(request),
        Ok(Request::RestartApiServer) => match supervisor.restart(kube_apiserver::NAME) {
            Ok(()) => Answer::Restarted,
            Err(error) => Answer::Refused(sentence(&error)),
        },
        Err(error) => Answer::Refused(format!("not a request: {error}")),
    };
    writeln!(client, "{}", serde_json::to_string(&answer)?)?;
    Ok(answer)
}

fn write_facts(layout: &Layout, facts: &Facts) -> io::Result<()> {
    crate::files::write_private(&layout.facts(), &serde_json::to_vec_pretty(facts)?)
}

/// Tells the starter. Once it has heard enough it closes the pipe, and then nobody needs to be told.
pub(crate) fn report(report: &Report) {
    let mut stdout = io::stdout().lock();
    let line = serde_json::to_string(report).unwrap_or_default();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

pub(crate) fn say(line: &str) {
    report(&Report::Progress(line.to_owned()));
}

/// An error with its causes, as one sentence.
pub(crate) fn sentence(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
