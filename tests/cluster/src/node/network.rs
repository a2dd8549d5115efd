//! The node's network: its address, the bridge for pods, and a default route that leads nowhere.

use std::fs;
use std::io::{self, Write};
use std::process::{Command, Stdio};

use crate::addresses;
use crate::component::containerd::BRIDGE;

/// Why there is no network.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// `ip` can't be started or talked to.
    #[error("cannot run `ip`: install iproute2")]
    Ip(#[source] io::Error),
    /// `ip` refused.
    #[error("`ip` refused to make the node's network: {0}")]
    Refused(String),
    /// A setting of the namespace can't be written.
    #[error("cannot set up the node's network namespace")]
    Setting(#[source] io::Error),
}

/// Makes the network in the namespace of the calling process.
pub(super) fn make() -> Result<(), NetworkError> {
    rustix::system::sethostname(addresses::NODE_NAME.as_bytes())
        .map_err(|error| NetworkError::Setting(error.into()))?;
    let mut command = Command::new("ip");
    command
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut ip = command.spawn().map_err(NetworkError::Ip)?;
    if let Some(mut stdin) = ip.stdin.take() {
        stdin.write_all(script().as_bytes()).map_err(NetworkError::Ip)?;
    }
    let output = ip.wait_with_output().map_err(NetworkError::Ip)?;
    if !output.status.success() {
        return Err(NetworkError::Refused(
            String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        ));
    }
    fs::write("/proc/sys/net/ipv4/ip_forward", "1").map_err(NetworkError::Setting)
}

/// * A pair of connected devices, because not every kernel has dummy ones: a link needs another end to be up.
/// * The bridge is made here with a fixed MAC: two first pods at once would race in making it.
/// * The default route lets the node itself send to service addresses, which iptables then turn into pods'.
fn script() -> String {
    let node = addresses::NODE;
    let (nodes, pods) = (addresses::NODES.prefix, addresses::PODS.prefix);
    let bridge_address = addresses::BRIDGE;
    format!(
        "link set lo up
link add node0 type veth peer name node0p
link set node0p up
address add {node}/{nodes} dev node0
link set node0 up
link add {BRIDGE} address 0a:58:0a:f4:00:01 type bridge
address add {bridge_address}/{pods} dev {BRIDGE}
link set {BRIDGE} up
route add default dev node0
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_node_and_the_bridge_have_the_addresses_that_certificates_and_pods_rely_on() {
        let script = script();
        assert!(script.contains("address add 10.98.0.1/24 dev node0\n"), "{script}");
        assert!(script.contains("address add 10.244.0.1/24 dev cni0\n"), "{script}");
    }
}
