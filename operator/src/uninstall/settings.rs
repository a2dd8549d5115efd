//! What an administrator says to `uninstall`: flags, or environment variables of the same name with the prefix
//! `LOGSHIPPING_`.

use clap::builder::NonEmptyStringValueParser;
use kube::Client;
use pipeline::Duration;

use crate::settings::Reach;

/// Settings of an uninstallation.
#[derive(Clone, Debug, clap::Parser)]
#[command(
    name = "uninstall",
    about = "Takes the sidecars out of all Deployments and the finalizers off all LogShippings, which stay"
)]
pub struct Settings {
    /// Error, warn, info, debug or trace. What became of the Deployments is printed in any case.
    #[arg(long, env = "LOGSHIPPING_LOG_LEVEL", default_value = "warn", value_name = "LEVEL")]
    pub log_level: String,

    #[command(flatten)]
    pub reach: Reach,

    /// The Deployment of the running operator. It is scaled to 0 first, and its pods are waited for.
    #[arg(
        long,
        env = "LOGSHIPPING_OPERATOR_DEPLOYMENT",
        value_parser = NonEmptyStringValueParser::new(),
        value_name = "NAME"
    )]
    pub operator_deployment: Option<String>,

    /// Its namespace. Default: that of the service account, or of the kubeconfig.
    #[arg(long, env = "LOGSHIPPING_OPERATOR_NAMESPACE", value_name = "NAME")]
    pub operator_namespace: Option<String>,

    /// When to give up. What is reverted by then stays so, and another run goes on from there.
    #[arg(
        long,
        env = "LOGSHIPPING_UNINSTALL_TIMEOUT",
        default_value = "4m30s",
        value_name = "DURATION"
    )]
    pub timeout: Duration,

    /// How many Deployments may be restarting at once.
    #[arg(
        long,
        env = "LOGSHIPPING_UNINSTALL_CONCURRENCY",
        default_value_t = 5,
        value_parser = clap::value_parser!(u16).range(1..),
        value_name = "NUMBER"
    )]
    pub concurrency: u16,

    /// How long to wait between one Deployment and the next.
    #[arg(
        long,
        env = "LOGSHIPPING_UNINSTALL_PAUSE",
        default_value = "500ms",
        value_name = "DURATION"
    )]
    pub pause: Duration,
}

/// The Deployment of an operator.
#[derive(Clone, Debug)]
pub(super) struct Operator {
    pub namespace: String,
    pub deployment: String,
}

impl Settings {
    pub(super) fn operator(&self, client: &Client) -> Option<Operator> {
        let namespace = self.operator_namespace.as_deref();
        let namespace = namespace.unwrap_or(client.default_namespace()).to_owned();
        self.operator_deployment
            .clone()
            .map(|deployment| Operator { namespace, deployment })
    }
}
