//! Where logs and positions are: a temporary directory, or a small file system of its own that can be filled.
//!
//! The small one is mounted in the mount namespace of a helper process: nothing is mounted on the machine, and it is gone
//! with the process. Writers reach it through `/proc/<pid>/root`; the sidecar is started inside.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::scenario::Disk;

#[derive(Debug)]
pub(crate) struct Ground {
    directory: TempDir,
    /// Where logs and state are, seen from here.
    root: PathBuf,
    /// The same, seen by the sidecar.
    inside: PathBuf,
    mount: Option<Child>,
    /// To be removed at once when set.
    filling: Mutex<Option<Arc<AtomicBool>>>,
}

impl Ground {
    pub(crate) fn new(disk: Disk) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mount = (disk == Disk::Small).then(|| mount(&directory));
        let root = match &mount {
            Some(child) => PathBuf::from(format!("/proc/{}/root{}", child.id(), small(&directory).display())),
            None => directory.path().to_owned(),
        };
        let inside = match &mount {
            Some(_) => small(&directory),
            None => directory.path().to_owned(),
        };
        let ground = Self {
            directory,
            root,
            inside,
            mount,
            filling: Mutex::default(),
        };
        ground.wait_for_mount();
        for name in ["logs", "state"] {
            fs::create_dir(ground.root.join(name)).expect("a directory");
        }
        ground
    }

    /// The helper process tells by a file that it has mounted.
    fn wait_for_mount(&self) {
        let until = Instant::now() + Duration::from_secs(20);
        while self.mount.is_some() && !self.directory.path().join("mounted").exists() {
            assert!(
                Instant::now() < until,
                "a small ext4 can't be mounted here: it takes root"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// As the sidecar names it: `logs` or `state`.
    pub(crate) fn inside(&self, name: &str) -> PathBuf {
        self.inside.join(name)
    }

    /// What starts a program where the sidecar's paths hold, if that takes anything.
    pub(crate) fn entrance(&self) -> Option<Vec<String>> {
        let child = self.mount.as_ref()?;
        let namespace = format!("--mount=/proc/{}/ns/mnt", child.id());
        Some(vec!["nsenter".to_owned(), namespace, "--".to_owned()])
    }

    /// A place that never fills up.
    pub(crate) fn own(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Takes all room there is, for a while.
    pub(crate) fn fill_disk_for(&self, time: Duration) {
        let path = self.root.join("filler");
        let stop = Arc::new(AtomicBool::new(false));
        *self.filling.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&stop));
        std::thread::spawn(move || {
            let until = Instant::now() + time;
            let Ok(mut file) = File::create(&path) else { return };
            while Instant::now() < until && !stop.load(Ordering::Relaxed) {
                // First in large pieces, then in small ones, then what others give up.
                for size in [1 << 20, 4096, 64] {
                    while file.write_all(&vec![0; size]).is_ok() && !stop.load(Ordering::Relaxed) {}
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            let _ = fs::remove_file(&path);
        });
    }

    pub(crate) fn empty_disk(&self) {
        if let Some(stop) = &*self.filling.lock().unwrap_or_else(PoisonError::into_inner) {
            stop.store(true, Ordering::Relaxed);
        }
    }

    /// What an application may put beside its logs: a pipe, a directory, links that lead out or nowhere, a file that may
    /// not be read.
    pub(crate) fn plant_siblings(&self) {
        let logs = self.logs();
        // It may be there already, or the disk be full.
        let _ = fs::create_dir(logs.join("directory.log"));
        let _ = symlink("/etc/hostname", logs.join("out.log"));
        let _ = symlink("nowhere", logs.join("nowhere.log"));
        let _ = symlink("loop.log", logs.join("loop.log"));
        let pipe = logs.join("pipe.log");
        let mode = rustix::fs::Mode::from_raw_mode(0o644);
        let _ = rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0);
        let secret = OpenOptions::new()
            .create_new(true)
            .write(true)
            .open(logs.join("secret.log"));
        if let Ok(secret) = secret {
            let _ = rustix::fs::fchmod(&secret, rustix::fs::Mode::empty());
        }
    }
}

fn small(directory: &TempDir) -> PathBuf {
    directory.path().join("small")
}

fn mount(directory: &TempDir) -> Child {
    let script = "truncate -s 32M image && mkfs.ext4 -q -F -m 0 image && mkdir small && \
                  mount -o loop image small && chmod 777 small && touch mounted && exec sleep 300";
    Command::new("unshare")
        .args(["--mount", "--propagation", "private", "--", "sh", "-c", script])
        .current_dir(directory.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("unshare, of util-linux")
}

impl Drop for Ground {
    fn drop(&mut self) {
        self.empty_disk();
        if let Some(child) = &mut self.mount {
            // Nothing can be done where it doesn't end; it sleeps for minutes at most.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
