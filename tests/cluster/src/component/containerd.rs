//! containerd, with runc and the CNI plug-ins of the distribution.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::Launch;
use crate::addresses;
use crate::layout::Layout;

/// The name of the component and of its program.
pub(crate) const NAME: &str = "containerd";
/// Where it listens, inside the node's mount namespace.
pub(crate) const SOCKET: &str = "/run/containerd/containerd.sock";
/// The file that [`configuration`] goes to.
pub(crate) const CONFIGURATION: &str = "containerd.toml";
/// The file that [`network`] goes to, in a folder that containerd searches.
pub(crate) const NETWORK: &str = "cni/10-bridge.conflist";
/// The bridge that pods hang on.
pub(crate) const BRIDGE: &str = "cni0";

/// Where image layers are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Snapshotter {
    /// By the kernel, without copying.
    Overlay,
    /// By copying: an overlay can't lie on an overlay, as when the host is itself a container.
    Native,
}

/// What differs from one host to the next.
#[derive(Debug)]
pub(crate) struct Settings<'a> {
    pub(crate) pause_image: &'a str,
    /// The folder of CNI plug-ins.
    pub(crate) plugins: &'a Path,
    pub(crate) snapshotter: Snapshotter,
}

/// `restrict_oom_score_adj`: without CAP_SYS_RESOURCE, runc fails to lower a score and says only "can't get final
/// child's PID from pipe: EOF".
pub(crate) fn configuration(layout: &Layout, settings: &Settings<'_>) -> String {
    let networks = layout.configuration_of(NETWORK);
    let networks = networks.parent().unwrap_or(Path::new("/")).display();
    let Settings {
        pause_image,
        plugins,
        snapshotter,
    } = settings;
    let plugins = plugins.display();
    let snapshotter = match snapshotter {
        Snapshotter::Overlay => "overlayfs",
        Snapshotter::Native => "native",
    };
    format!(
        r#"version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs"]
[grpc]
  address = "{SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause_image}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  tolerate_missing_hugetlb_controller = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{plugins}"
    conf_dir = "{networks}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "{snapshotter}"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
"#
    )
}

/// No route in `ipam`: `isDefaultGateway` makes one, and a second gives "file exists".
pub(crate) fn network() -> Value {
    json!({
        "cniVersion": "0.4.0",
        "name": "pods",
        "plugins": [{
            "type": "bridge",
            "bridge": BRIDGE,
            "isDefaultGateway": true,
            "ipMasq": false,
            "hairpinMode": true,
            "ipam": { "type": "host-local", "ranges": [[{ "subnet": addresses::PODS.to_string() }]] },
        }],
    })
}

pub(crate) fn launch(layout: &Layout) -> Launch {
    let arguments = vec![
        "--config".to_owned(),
        layout.configuration_of(CONFIGURATION).display().to_string(),
    ];
    Launch {
        name: NAME,
        program: PathBuf::from(NAME),
        arguments,
    }
}

/// containerd's own client, for the images that Kubernetes sees. Works inside the node's namespaces only.
pub(crate) fn ctr(arguments: &[&str]) -> Command {
    let mut command = Command::new("ctr");
    command
        .args(["--address", SOCKET, "--namespace", "k8s.io"])
        .args(arguments);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containerd_finds_its_network_and_its_pause_image() {
        let settings = Settings {
            pause_image: "localhost/pause:1",
            plugins: Path::new("/usr/lib/cni"),
            snapshotter: Snapshotter::Native,
        };
        let configuration = configuration(&Layout::at(PathBuf::from("/c")), &settings);
        for line in [
            r#"conf_dir = "/c/configuration/cni""#,
            r#"sandbox_image = "localhost/pause:1""#,
            r#"snapshotter = "native""#,
        ] {
            assert!(configuration.contains(line), "{line} is not in {configuration}");
        }
    }

    #[test]
    fn the_bridge_gives_pods_one_default_route_only() {
        let plugin = &network()["plugins"][0];
        assert_eq!(plugin["isDefaultGateway"], true);
        assert_eq!(plugin["ipam"].get("routes"), None);
    }
}
