//! What an administrator sets: flags, or environment variables of the same name with the prefix `LOGSHIPPING_`.
//!
//! Defaults stand here and nowhere else. There is none for the sidecar's image: the release that installs the operator
//! knows it.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use pipeline::Duration;

use crate::contest::Patience;

/// Settings of one operator process.
#[derive(Clone, Debug, clap::Parser)]
#[command(
    name = "logshipping-operator",
    version,
    about = "Adds log shipping sidecars to Deployments"
)]
pub struct Settings {
    /// Image of the sidecar where a LogShipping names none.
    #[arg(long, env = "LOGSHIPPING_SIDECAR_IMAGE", value_name = "REFERENCE")]
    pub sidecar_image: String,

    /// Where /livez, /readyz and /metrics are served.
    #[arg(
        long,
        env = "LOGSHIPPING_LISTEN",
        default_value = "[::]:8080",
        value_name = "ADDRESS"
    )]
    pub listen: SocketAddr,

    /// Error, warn, info, debug or trace; also per module, as in `info,operator=debug`.
    #[arg(long, env = "LOGSHIPPING_LOG_LEVEL", default_value = "info", value_name = "LEVEL")]
    pub log_level: String,

    #[command(flatten)]
    pub reach: Reach,

    /// Whether pods are annotated after a change of their configuration, so that they load it at once. Without it they
    /// do within about 90 seconds.
    #[arg(long, env = "LOGSHIPPING_NUDGE", default_value_t, value_name = "on|off")]
    pub nudge: Switch,

    /// Whether sidecars are asked how they do. Without it the conditions ConfigLoaded and Delivering are absent.
    #[arg(long, env = "LOGSHIPPING_POLL", default_value_t, value_name = "on|off")]
    pub poll: Switch,

    /// Whether logs may be read from hostPath volumes that applications have mounted. A LogShipping then makes what is
    /// on the nodes there readable for whoever receives the logs.
    #[arg(
        long,
        env = "LOGSHIPPING_ALLOW_HOST_PATH",
        default_value_t = Switch::Off,
        value_name = "on|off"
    )]
    pub allow_host_path: Switch,

    /// How often a sidecar is asked while nothing changes.
    #[arg(
        long,
        env = "LOGSHIPPING_POLL_INTERVAL",
        default_value = "5s",
        value_name = "DURATION"
    )]
    pub poll_interval: Duration,

    /// How many Deployments are worked on at once.
    #[arg(long, env = "LOGSHIPPING_CONCURRENCY", default_value_t = 8, value_name = "NUMBER")]
    pub concurrency: u16,

    /// For how long a LogShipping that is being deleted waits for Deployments that can't be cleaned. Then it goes, and
    /// the operator goes on trying.
    #[arg(
        long,
        env = "LOGSHIPPING_CLEANUP_DEADLINE",
        default_value = "10m",
        value_name = "DURATION"
    )]
    pub cleanup_deadline: Duration,

    /// When to give way to whoever undoes what the operator writes. Not a flag.
    #[arg(skip)]
    pub patience: Patience,

    /// Whether only the one process acts that holds a lease, so that several may run. Off: this process acts, and must
    /// be the only one.
    #[arg(long, env = "LOGSHIPPING_LEADER_ELECTION", default_value_t, value_name = "on|off")]
    pub leader_election: Switch,

    /// Name of the lease.
    #[arg(
        long,
        env = "LOGSHIPPING_LEASE_NAME",
        default_value = "logshipping-operator",
        value_name = "NAME"
    )]
    pub lease_name: String,

    /// Namespace of the lease. Default: that of the service account, or of the kubeconfig.
    #[arg(long, env = "LOGSHIPPING_LEASE_NAMESPACE", value_name = "NAME")]
    pub lease_namespace: Option<String>,
}

/// Which cluster, and how much of it; the same for operating and for uninstalling.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Reach {
    /// A kubeconfig. Without it the pod's own service account is used; a stray file never decides.
    #[arg(long, env = "LOGSHIPPING_KUBECONFIG", value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,

    /// Namespaces to work in, separated by commas. Default: all.
    #[arg(
        long = "namespace",
        env = "LOGSHIPPING_NAMESPACE",
        value_delimiter = ',',
        value_parser = clap::builder::NonEmptyStringValueParser::new(),
        value_name = "NAME"
    )]
    pub namespaces: Vec<String>,
}

/// Something that can be switched off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Switch {
    #[default]
    On,
    Off,
}

impl fmt::Display for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::On => "on",
            Self::Off => "off",
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn parse(arguments: &[&str]) -> Result<Settings, clap::Error> {
        Settings::try_parse_from(
            ["logshipping-operator", "--sidecar-image", "registry.example/sidecar:1"]
                .iter()
                .chain(arguments),
        )
    }

    #[test]
    fn defaults_are_those_of_the_documentation() -> Result<(), clap::Error> {
        let settings = parse(&[])?;
        assert_eq!(settings.listen.to_string(), "[::]:8080");
        assert_eq!((settings.nudge, settings.poll), (Switch::On, Switch::On));
        assert_eq!(settings.poll_interval, Duration::from_secs(5));
        assert_eq!(settings.allow_host_path, Switch::Off);
        assert!(settings.reach.namespaces.is_empty());
        assert_eq!(settings.leader_election, Switch::On);
        assert_eq!(settings.cleanup_deadline, Duration::from_secs(600));
        assert_eq!(
            (settings.lease_name.as_str(), settings.lease_namespace),
            ("logshipping-operator", None)
        );
        Ok(())
    }

    #[test]
    fn several_namespaces_are_separated_by_commas() -> Result<(), clap::Error> {
        assert_eq!(
            parse(&["--namespace", "shop,bank", "--poll", "off"])?.reach.namespaces,
            ["shop", "bank"]
        );
        Ok(())
    }
}
