//! The control groups that the kubelet keeps pods in: one root per cluster in every hierarchy of the host.
//!
//! A control group lives in the kernel, not in a namespace's mounts, so this is the one thing that stays when all
//! processes of a cluster are gone, and that has to be removed by hand.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::layout::Layout;

/// Where every Linux has them.
const MOUNTED: &str = "/sys/fs/cgroup";
/// What the kubelet demands of a host with the second version only, as far as the host has it.
const CONTROLLERS: [&str; 5] = ["cpu", "cpuset", "memory", "hugetlb", "pids"];
/// Killed processes leave their groups within milliseconds.
const REMOVAL: Duration = Duration::from_secs(10);

/// Why there are no control groups.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// The kernel's table of mounts can't be read.
    #[error("cannot read the table of mounts")]
    Mounts(#[source] io::Error),
    /// Nothing is mounted.
    #[error("no control groups are mounted below {MOUNTED}; a node needs them")]
    None,
    /// A group can't be made or set up.
    #[error("cannot set up the control group {}", path.display())]
    Group {
        /// The group or its file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Hierarchy {
    /// First version: a hierarchy of a few controllers, which a new group has from the start.
    First { mount: PathBuf, controllers: Vec<String> },
    /// Second version: a group has the controllers that its parent enables.
    Second { mount: PathBuf },
}

/// The roots of one cluster, removed when dropped; drop them after the processes inside have been killed.
#[derive(Debug)]
pub(crate) struct CgroupRoots {
    name: String,
    hierarchies: Vec<Hierarchy>,
    /// Controllers that the host hadn't enabled, by the file that enables them.
    enabled: Vec<(PathBuf, String)>,
}

/// The name of a cluster's roots. Two users may call their clusters alike, but no two clusters have the same folder.
fn root_name(cluster: &Layout) -> String {
    let folder = cluster.folder();
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let digest = crate::hex(&Sha256::digest(folder.as_os_str().as_encoded_bytes()));
    format!("logshipping-{name}-{}", &digest[..8])
}

impl CgroupRoots {
    /// Makes the roots of a cluster.
    pub(crate) fn make(cluster: &Layout) -> Result<Self, CgroupError> {
        let hierarchies = mounted()?;
        if hierarchies.is_empty() {
            return Err(CgroupError::None);
        }
        let mut roots = Self {
            name: root_name(cluster),
            hierarchies,
            enabled: Vec::new(),
        };
        for hierarchy in roots.hierarchies.clone() {
            roots.make_in(&hierarchy)?;
        }
        Ok(roots)
    }

    /// As the kubelet names it.
    pub(crate) fn path(&self) -> String {
        format!("/{}", self.name)
    }

    fn make_in(&mut self, hierarchy: &Hierarchy) -> Result<(), CgroupError> {
        let root = hierarchy.mount().join(&self.name);
        fs::create_dir_all(&root).map_err(|source| CgroupError::Group {
            path: root.clone(),
            source,
        })?;
        match hierarchy {
            // A new cpuset is empty, and no process can be put into an empty one.
            Hierarchy::First { mount, controllers } if controllers.iter().any(|name| name == "cpuset") => {
                copy_file(mount, &root, "cpuset.cpus")?;
                copy_file(mount, &root, "cpuset.mems")
            }
            Hierarchy::First { .. } => Ok(()),
            Hierarchy::Second { mount } => self.enable_controllers(mount),
        }
    }

    fn enable_controllers(&mut self, mount: &Path) -> Result<(), CgroupError> {
        let words = |file: &str| {
            let text = fs::read_to_string(mount.join(file)).unwrap_or_default();
            text.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        };
        let (there, enabled) = (words("cgroup.controllers"), words("cgroup.subtree_control"));
        let switch = mount.join("cgroup.subtree_control");
        for controller in CONTROLLERS.map(str::to_owned) {
            if there.contains(&controller) && !enabled.contains(&controller) {
                fs::write(&switch, format!("+{controller}")).map_err(|source| CgroupError::Group {
                    path: switch.clone(),
                    source,
                })?;
                self.enabled.push((switch.clone(), controller));
            }
        }
        Ok(())
    }
}

impl Drop for CgroupRoots {
    fn drop(&mut self) {
        remove_from(&self.hierarchies, &self.name);
        for (switch, controller) in &self.enabled {
            // Another cluster may need it by now; then the kernel refuses, and rightly.
            let _ = fs::write(switch, format!("-{controller}"));
        }
    }
}

/// Removes the roots of a cluster whose holder was killed.
pub(crate) fn remove_left_behind(cluster: &Layout) {
    remove_from(&mounted().unwrap_or_default(), &root_name(cluster));
}

/// A group can't be removed as long as a process in it is dying, which takes the kernel a moment.
fn remove_from(hierarchies: &[Hierarchy], name: &str) {
    let deadline = Instant::now() + REMOVAL;
    for hierarchy in hierarchies {
        let root = hierarchy.mount().join(name);
        while remove_tree(&root).is_err() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Removes a group and those below it. Their files go with them, so only folders are removed, the deepest first.
fn remove_tree(group: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(group) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    fs::remove_dir(group)
}

fn copy_file(from: &Path, to: &Path, name: &str) -> Result<(), CgroupError> {
    let path = to.join(name);
    let copy = || fs::write(&path, fs::read(from.join(name))?);
    copy().map_err(|source| CgroupError::Group {
        path: path.clone(),
        source,
    })
}

impl Hierarchy {
    fn mount(&self) -> &Path {
        match self {
            Self::First { mount, .. } | Self::Second { mount } => mount,
        }
    }
}

fn mounted() -> Result<Vec<Hierarchy>, CgroupError> {
    let table = fs::read_to_string("/proc/self/mountinfo").map_err(CgroupError::Mounts)?;
    Ok(hierarchies(&table))
}

/// Reads `/proc/self/mountinfo` (proc(5)): `36 35 98:0 /root /mount options - type source super-options`.
fn hierarchies(table: &str) -> Vec<Hierarchy> {
    let parsed = table.lines().filter_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        let mount = PathBuf::from(place.split(' ').nth(4)?);
        let mut kind = kind.split(' ');
        let hierarchy = match kind.next()? {
            "cgroup" => {
                let options = kind.nth(1)?;
                let controllers = options.split(',').filter(|option| !matches!(*option, "rw" | "ro"));
                Hierarchy::First {
                    mount,
                    controllers: controllers.map(str::to_owned).collect(),
                }
            }
            "cgroup2" => Hierarchy::Second { mount },
            _ => return None,
        };
        hierarchy.mount().starts_with(MOUNTED).then_some(hierarchy)
    });
    parsed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_of_both_versions_are_read_from_the_table_of_mounts() {
        let hybrid = "\
25 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 25 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct
32 30 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd
33 30 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
34 25 0:30 / /elsewhere rw - cgroup2 cgroup2 rw
";
        let first = |mount: &str, controllers: &[&str]| Hierarchy::First {
            mount: PathBuf::from(mount),
            controllers: controllers.iter().map(|&name| name.to_owned()).collect(),
        };
        let expected = [
            first("/sys/fs/cgroup/cpu,cpuacct", &["cpu", "cpuacct"]),
            first("/sys/fs/cgroup/systemd", &["name=systemd"]),
            Hierarchy::Second {
                mount: PathBuf::from("/sys/fs/cgroup/unified"),
            },
        ];
        assert_eq!(hierarchies(hybrid), expected);

        let unified = "26 20 0:23 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate";
        assert_eq!(
            hierarchies(unified),
            [Hierarchy::Second {
                mount: PathBuf::from("/sys/fs/cgroup")
            }]
        );
    }

    #[test]
    fn clusters_of_two_users_have_different_roots() {
        let root = |folder: &str| root_name(&Layout::at(PathBuf::from(folder)));
        assert!(root("/tmp/clusters-0/demo").starts_with("logshipping-demo-"));
        assert_ne!(root("/tmp/clusters-0/demo"), root("/tmp/clusters-1000/demo"));
    }

    #[test]
    fn a_tree_of_groups_is_removed_from_its_leaves() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("logshipping-x");
        fs::create_dir_all(root.join("kubepods/besteffort/pod1")).unwrap();
        remove_tree(&root).unwrap();
        assert!(!root.exists());
        remove_tree(&root).unwrap();
    }
}
