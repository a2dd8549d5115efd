//! A wire to the API server that can be cut: a forwarder on the loopback, and a kubeconfig that leads to it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::runtime;

/// A wire. It is taken down when it is dropped.
#[derive(Debug)]
pub struct Wire {
    state: watch::Sender<State>,
    task: JoinHandle<()>,
    folder: TempDir,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Whole,
    Cut,
}

impl Wire {
    /// Lays a wire to the server of a kubeconfig.
    ///
    /// # Panics
    /// When the kubeconfig names no server.
    pub fn to(kubeconfig: &Path) -> Self {
        Self::lay(kubeconfig).unwrap_or_else(|error| panic!("no wire: {error:#}"))
    }

    fn lay(kubeconfig: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(kubeconfig)?;
        let server = text
            .split("https://")
            .nth(1)
            .and_then(|rest| rest.split_whitespace().next());
        let server = server.ok_or_else(|| anyhow::anyhow!("no server in {}", kubeconfig.display()))?;
        let server = server.trim_matches(['"', ',', '/']);
        let address: SocketAddr = server.parse()?;
        let listener = runtime::get().block_on(TcpListener::bind("127.0.0.1:0"))?;
        let folder = tempfile::tempdir()?;
        let here = listener.local_addr()?.to_string();
        std::fs::write(folder.path().join("kubeconfig"), text.replace(server, &here))?;
        let (state, states) = watch::channel(State::Whole);
        let task = runtime::get().spawn(forward(listener, address, states));
        Ok(Self { state, task, folder })
    }

    /// The kubeconfig of who is at this end.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    /// Ends all connections, and new ones at once.
    pub fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    pub fn mend(&self) {
        self.state.send_replace(State::Whole);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(listener: TcpListener, server: SocketAddr, states: watch::Receiver<State>) {
    while let Ok((near, _)) = listener.accept().await {
        tokio::spawn(carry(near, server, states.clone()));
    }
}

async fn carry(mut near: TcpStream, server: SocketAddr, mut states: watch::Receiver<State>) {
    let Ok(mut far) = TcpStream::connect(server).await else {
        return;
    };
    tokio::select! {
        // Either side may hang up.
        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
        _ = states.wait_for(|state| *state == State::Cut) => {}
    }
}
