//! Which file of a cluster is where. One folder holds all of it, so that removing the folder removes the cluster.

use std::path::{Path, PathBuf};

use crate::pki::Pki;

/// The folders and files of one cluster.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    folder: PathBuf,
}

impl Layout {
    pub(crate) fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Locked by the holder as long as the cluster lives. A folder whose lock is free is what is left of a cluster
    /// whose holder was killed.
    pub(crate) fn lock(&self) -> PathBuf {
        self.folder.join("lock")
    }

    /// [`crate::protocol::Facts`], there as soon as the cluster is ready.
    pub(crate) fn facts(&self) -> PathBuf {
        self.folder.join("cluster.json")
    }

    /// Where the holder takes requests.
    pub(crate) fn control_socket(&self) -> PathBuf {
        self.folder.join("control.sock")
    }

    /// The administrator's kubeconfig, for the host.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }

    /// Kubeconfigs of components and of the users that tests ask for.
    pub(crate) fn kubeconfig_of(&self, user: &str) -> PathBuf {
        self.kubeconfigs().join(user)
    }

    pub(crate) fn kubeconfigs(&self) -> PathBuf {
        self.folder.join("kubeconfigs")
    }

    pub(crate) fn pki(&self) -> Pki {
        Pki::at(self.pki_folder())
    }

    pub(crate) fn pki_folder(&self) -> PathBuf {
        self.folder.join("pki")
    }

    pub(crate) fn configuration(&self) -> PathBuf {
        self.folder.join("configuration")
    }

    pub(crate) fn configuration_of(&self, file: &str) -> PathBuf {
        self.configuration().join(file)
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.folder.join("logs")
    }

    pub(crate) fn log_of(&self, component: &str) -> PathBuf {
        self.logs().join(format!("{component}.log"))
    }

    /// One JSON line per request to the API server.
    pub(crate) fn audit_log(&self) -> PathBuf {
        self.logs().join("audit.jsonl")
    }

    /// What components write for themselves.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    pub(crate) fn data_of(&self, component: &str) -> PathBuf {
        self.data().join(component)
    }

    /// What clients read and write.
    pub(crate) fn for_clients(&self) -> [PathBuf; 6] {
        [
            self.facts(),
            self.control_socket(),
            self.kubeconfig(),
            self.kubeconfigs(),
            self.pki_folder(),
            self.logs(),
        ]
    }

    /// Makes all folders but the cluster's own.
    pub(crate) fn make_folders(&self) -> std::io::Result<()> {
        for folder in [
            self.kubeconfigs(),
            self.pki_folder(),
            self.configuration(),
            self.logs(),
            self.data(),
        ] {
            std::fs::create_dir_all(folder)?;
        }
        Ok(())
    }
}
