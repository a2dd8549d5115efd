//! etcd, the API server's memory.

use std::path::PathBuf;

use super::{Launch, path_flag};
use crate::layout::Layout;

/// The name of the component and of its program.
pub(crate) const NAME: &str = "etcd";

/// Ports on loopback.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) client: u16,
    /// Nobody joins this etcd, but it will not start without.
    pub(crate) peer: u16,
}

impl Ports {
    pub(crate) fn client_url(self) -> String {
        format!("http://127.0.0.1:{}", self.client)
    }
}

/// Without fsync: the data is thrown away with the cluster, and nothing else makes starting as slow.
pub(crate) fn launch(program: PathBuf, layout: &Layout, ports: Ports) -> Launch {
    let client = ports.client_url();
    let peer = format!("http://127.0.0.1:{}", ports.peer);
    let arguments = vec![
        "--name=only".to_owned(),
        path_flag("data-dir", &layout.data_of(NAME)),
        "--unsafe-no-fsync".to_owned(),
        "--log-level=warn".to_owned(),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=only={peer}"),
    ];
    Launch {
        name: NAME,
        program,
        arguments,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etcd_listens_on_loopback_only() {
        let layout = Layout::at(PathBuf::from("/c"));
        let launch = launch(PathBuf::from("/bin/etcd"), &layout, Ports { client: 1, peer: 2 });
        let urls: Vec<_> = launch
            .arguments
            .iter()
            .filter(|argument| argument.contains("://"))
            .collect();
        assert_eq!(urls.len(), 5);
        assert!(urls.iter().all(|url| url.contains("http://127.0.0.1:")), "{urls:?}");
        assert!(launch.arguments.contains(&"--data-dir=/c/data/etcd".to_owned()));
    }
}
