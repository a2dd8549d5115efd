//! The command line. Every flag can be given by an environment variable too.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Tails log files and exports them without losing a line.
#[derive(Debug, Parser)]
#[command(name = "logshipping-sidecar", version)]
pub struct CommandLine {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Ships until SIGTERM, then delivers what is left and ends.
    Run(Run),
    /// Judges a configuration file: ends with 0, or with every error and its field path.
    Check(Check),
    /// Prints the records that a configuration makes of the lines of a file, as JSON lines. Nothing is shipped.
    Test(Test),
}

#[derive(Debug, clap::Args)]
pub struct Run {
    /// Configuration file, or a directory with a config.json or config.yaml.
    #[arg(long, env = "LOGSHIPPING_CONFIG", value_name = "FILE|DIR")]
    pub config: PathBuf,
    /// Directory for positions.
    #[arg(long, env = "LOGSHIPPING_STATE", value_name = "DIR")]
    pub state: PathBuf,
    /// Directory of mounted Secrets and ConfigMaps that destinations refer to.
    #[arg(long, env = "LOGSHIPPING_REFS_DIR", value_name = "DIR")]
    pub refs_dir: Option<PathBuf>,
    /// Address of /status, /metrics, /livez and /readyz.
    #[arg(
        long,
        env = "LOGSHIPPING_LISTEN",
        value_name = "ADDRESS",
        default_value = "[::]:19600"
    )]
    pub listen: SocketAddr,
    /// File that tells the kubelet what was delivered at the end.
    #[arg(
        long,
        env = "LOGSHIPPING_TERMINATION_MESSAGE",
        value_name = "FILE",
        default_value = "/dev/termination-log"
    )]
    pub termination_message: PathBuf,
    /// The pod's name, for the attribute k8s.pod.name.
    #[arg(long, env = "LOGSHIPPING_POD_NAME", value_name = "NAME")]
    pub pod_name: Option<String>,
    /// The pod's uid, for the attribute k8s.pod.uid and the report.
    #[arg(long, env = "LOGSHIPPING_POD_UID", value_name = "UID")]
    pub pod_uid: Option<String>,
    /// The node's name, for the attribute k8s.node.name.
    #[arg(long, env = "LOGSHIPPING_NODE_NAME", value_name = "NAME")]
    pub node_name: Option<String>,
}

#[derive(Debug, clap::Args)]
pub struct Test {
    /// Configuration file.
    #[arg(long, env = "LOGSHIPPING_CONFIG", value_name = "FILE")]
    pub config: PathBuf,
    /// A file with log lines, `-` for standard input. At most 64 MiB of it are taken.
    #[arg(long, env = "LOGSHIPPING_INPUT", value_name = "FILE")]
    pub input: PathBuf,
}

#[derive(Debug, clap::Args)]
pub struct Check {
    /// Configuration file.
    #[arg(long, env = "LOGSHIPPING_CONFIG", value_name = "FILE")]
    pub config: PathBuf,
    /// Go to every destination as well, and say how far that leads. Nothing is stored there.
    #[arg(long)]
    pub connect: bool,
    /// Directory of mounted Secrets and ConfigMaps that destinations refer to.
    #[arg(long, env = "LOGSHIPPING_REFS_DIR", value_name = "DIR")]
    pub refs_dir: Option<PathBuf>,
}
