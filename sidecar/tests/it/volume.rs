//! A small file system of a test's own, mounted in the mount namespace of a helper process and reached through
//! `/proc/<pid>/root`: nothing is mounted on the machine, and it is gone with the process.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::harness::until;

pub struct SmallVolume {
    directory: tempfile::TempDir,
    holder: Child,
}

impl SmallVolume {
    /// A tmpfs of so many MiB; `None` on a machine that doesn't let its users make namespaces.
    pub fn new(mebibytes: u32) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let script =
            format!("mkdir small && mount -t tmpfs -o size={mebibytes}m none small && touch mounted && exec sleep 300");
        let mut holder = Command::new("unshare")
            .args([
                "--map-root-user",
                "--mount",
                "--propagation",
                "private",
                "--",
                "sh",
                "-c",
                &script,
            ])
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let is_there = until("a small volume", || {
            let is_mounted = directory.path().join("mounted").exists();
            is_mounted
                .then_some(true)
                .or_else(|| holder.try_wait().unwrap().map(|_| false))
        });
        is_there.then_some(Self { directory, holder })
    }

    pub fn path(&self) -> PathBuf {
        let small = self.directory.path().join("small");
        PathBuf::from(format!("/proc/{}/root{}", self.holder.id(), small.display()))
    }
}

impl Drop for SmallVolume {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
