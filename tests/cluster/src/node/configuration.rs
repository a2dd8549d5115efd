//! Writes the configuration files of the node's components.

use std::fs;
use std::io;
use std::path::Path;

use super::pause;
use crate::component::containerd::{self, Snapshotter};
use crate::component::{kube_proxy, kubelet};
use crate::layout::Layout;
use crate::packages;

/// `overlayfs` by its number, see statfs(2).
const OVERLAYFS: i64 = 0x794c_7630;

/// Writes all of them.
pub(crate) fn write(layout: &Layout, cgroup_root: &str) -> io::Result<()> {
    let networks = layout.configuration_of(containerd::NETWORK);
    fs::create_dir_all(networks.parent().unwrap_or(Path::new("/")))?;
    let settings = containerd::Settings {
        pause_image: pause::REFERENCE,
        plugins: packages::plugin_folder().ok_or(io::ErrorKind::NotFound)?,
        snapshotter: snapshotter(layout.folder())?,
    };
    let files = [
        (
            kubelet::CONFIGURATION,
            format!("{:#}", kubelet::configuration(layout, cgroup_root)),
        ),
        (
            kubelet::RESOLV_CONF,
            "# Nothing answers here: names are not resolved in this cluster.\n".to_owned(),
        ),
        (
            kube_proxy::CONFIGURATION,
            format!("{:#}", kube_proxy::configuration(layout)),
        ),
        (containerd::CONFIGURATION, containerd::configuration(layout, &settings)),
        (containerd::NETWORK, format!("{:#}", containerd::network())),
    ];
    for (name, content) in files {
        fs::write(layout.configuration_of(name), content)?;
    }
    Ok(())
}

fn snapshotter(folder: &Path) -> io::Result<Snapshotter> {
    let kind = rustix::fs::statfs(folder)?.f_type;
    Ok(if kind == OVERLAYFS {
        Snapshotter::Native
    } else {
        Snapshotter::Overlay
    })
}
