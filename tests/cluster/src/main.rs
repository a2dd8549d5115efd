//! The `cluster` program: clusters for people, and the processes behind those of tests.
//!
//! Results go to standard output, everything else to standard error, so that `KUBECONFIG=$(cluster kubeconfig)` works.

use std::ffi::OsString;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use cluster::{Shape, isolation, named};

#[derive(Debug, Parser)]
#[command(name = "cluster", about = "A real Kubernetes on one machine, for tests and the demo")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct Name {
    /// Which cluster; several can run at once
    #[arg(long, default_value = "logshipping", env = "LOGSHIPPING_CLUSTER")]
    name: String,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a cluster that stays until `down`
    Up {
        #[command(flatten)]
        name: Name,
        /// etcd, API server and controllers only: no root needed, and no pod ever runs
        #[arg(long)]
        control_plane_only: bool,
    },
    /// End a cluster and remove all of it
    Down {
        #[command(flatten)]
        name: Name,
    },
    /// Print the path of the administrator's kubeconfig
    Kubeconfig {
        #[command(flatten)]
        name: Name,
    },
    /// Run a command inside the node's namespaces, where pods and services are reachable
    Exec {
        #[command(flatten)]
        name: Name,
        /// The command and its arguments
        #[arg(required = true, last = true)]
        command: Vec<OsString>,
    },
    /// Give an image archive to the node, so that pods with `imagePullPolicy: IfNotPresent` can use it
    LoadImage {
        #[command(flatten)]
        name: Name,
        /// An OCI or Docker archive
        archive: PathBuf,
    },
    /// Make a port of the node, or of a service's address, reachable on the host's loopback
    Publish {
        #[command(flatten)]
        name: Name,
        /// PORT of the node, or ADDRESS:PORT
        target: String,
        /// The port on the host; a free one if none is given
        #[arg(long)]
        host_port: Option<u16>,
    },
    /// List clusters and check that none reaches outside of its namespaces
    Status,
    /// Make sure that pinned programs are there, and print their paths
    Tools {
        /// Such as kubectl, helm or logcli
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Run a command inside the node whose folder this is (started by `exec` and by tests)
    #[command(hide = true)]
    Enter {
        cluster: PathBuf,
        #[arg(required = true, last = true)]
        command: Vec<OsString>,
    },
    /// Hold a cluster (started by `up` and by tests)
    #[command(hide = true)]
    Hold { spec: String },
    /// Be the first process of a node (started by `hold`)
    #[command(hide = true)]
    Init { spec: String },
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Hold { spec } => return cluster::hold(&spec),
        Command::Init { spec } => return cluster::init(&spec),
        Command::Exec { name, command } => exec(&name.name, &command),
        Command::Enter { cluster, command } => enter(&cluster, &command),
        other => run(other).map(|()| ExitCode::SUCCESS),
    };
    outcome.unwrap_or_else(|error| {
        cluster::progress::say(format_args!("{error:#}"));
        ExitCode::FAILURE
    })
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Up {
            name,
            control_plane_only,
        } => up(&name.name, control_plane_only),
        Command::Down { name } => Ok(named::down(&name.name)?),
        Command::Kubeconfig { name } => print(named::facts(&name.name)?.kubeconfig.display()),
        Command::LoadImage { name, archive } => Ok(named::load_image(&name.name, &archive)?),
        Command::Publish {
            name,
            target,
            host_port,
        } => print(named::publish(&name.name, parse_target(&target)?, host_port)?),
        Command::Status => status(),
        Command::Tools { names } => names
            .iter()
            .try_for_each(|name| print(cluster::tools::ensure(name)?.display())),
        Command::Exec { .. } | Command::Enter { .. } | Command::Hold { .. } | Command::Init { .. } => Ok(()),
    }
}

fn up(name: &str, control_plane_only: bool) -> anyhow::Result<()> {
    let shape = if control_plane_only {
        Shape::ControlPlane
    } else {
        Shape::Node
    };
    print(named::up(name, shape)?.kubeconfig.display())
}

fn exec(name: &str, command: &[OsString]) -> anyhow::Result<ExitCode> {
    let (program, arguments) = command.split_first().context("no command given")?;
    exit_code(named::inside(name, program)?.args(arguments))
}

fn enter(cluster: &Path, command: &[OsString]) -> anyhow::Result<ExitCode> {
    let (program, arguments) = command.split_first().context("no command given")?;
    let kubeconfig = named::enter(cluster)?;
    exit_code(
        process::Command::new(program)
            .args(arguments)
            .env("KUBECONFIG", kubeconfig),
    )
}

fn exit_code(command: &mut process::Command) -> anyhow::Result<ExitCode> {
    let program = command.get_program().to_owned();
    let status = command
        .status()
        .with_context(|| format!("cannot run {}", program.display()))?;
    // A command that a signal killed has no code; shells call that a failure too.
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Ok(ExitCode::from(code))
}

fn status() -> anyhow::Result<()> {
    let clusters = named::all();
    if clusters.is_empty() {
        return print("no cluster is running");
    }
    for facts in clusters {
        let shape = match facts.shape {
            Shape::ControlPlane => "control plane only",
            Shape::Simulation => "simulated nodes",
            Shape::Node => "one node",
        };
        print(format_args!(
            "{}  {shape}  {}  KUBECONFIG={}",
            facts.name,
            facts.server,
            facts.kubeconfig.display()
        ))?;
    }
    let routes = isolation::routes_into_clusters().context("cannot read the host's routes")?;
    if routes.is_empty() {
        return print("isolation: the host has no route into a cluster");
    }
    routes
        .iter()
        .try_for_each(|route| print(format_args!("isolation: the host has a route of its own to {route}")))
}

fn parse_target(target: &str) -> anyhow::Result<SocketAddr> {
    let port: Result<u16, _> = target.parse();
    match port {
        Ok(port) => Ok(SocketAddr::from((cluster::addresses::NODE, port))),
        Err(_) => target
            .parse()
            .with_context(|| format!("{target:?} is neither PORT nor ADDRESS:PORT")),
    }
}

fn print(line: impl std::fmt::Display) -> anyhow::Result<()> {
    Ok(writeln!(io::stdout(), "{line}")?)
}
