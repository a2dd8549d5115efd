//! What a cluster must leave as it was: a picture of the host, to be compared with a later one.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::{fs, io};

use super::Error;

/// One line for each fact about the host.
pub(crate) struct Picture(BTreeSet<String>);

/// Those that a kubelet would change.
const SYSCTLS: [&str; 7] = [
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "net/ipv4/ip_forward",
    "kernel/hostname",
];

/// The roots of all clusters; those of others come and go while a test runs.
const CLUSTERS: &str = "logshipping-";

impl Picture {
    pub(crate) fn take() -> Result<Self, Box<dyn Error>> {
        let mut facts = BTreeSet::new();
        for (what, file) in [("route", "/proc/self/net/route"), ("route", "/proc/self/net/fib_trie")] {
            facts.extend(fs::read_to_string(file)?.lines().map(|line| format!("{what} {line}")));
        }
        facts.extend(names_in("/sys/class/net")?.map(|name| format!("link {name}")));
        facts.extend(
            fs::read_to_string("/proc/self/mountinfo")?
                .lines()
                .map(|line| format!("mount {line}")),
        );
        facts.extend(firewall()?.lines().map(|line| format!("firewall {line}")));
        for name in SYSCTLS {
            facts.insert(format!(
                "sysctl {name} {}",
                fs::read_to_string(Path::new("/proc/sys").join(name))?.trim()
            ));
        }
        control_groups(Path::new("/sys/fs/cgroup"), &mut facts)?;
        Ok(Self(facts))
    }

    /// What came and what went until `later`, but for the control groups of other clusters.
    pub(crate) fn differences(&self, later: &Self, own: &str) -> Vec<String> {
        let own = format!("{CLUSTERS}{own}");
        let is_of_interest = |fact: &&String| !fact.contains(CLUSTERS) || fact.contains(&own);
        self.0
            .symmetric_difference(&later.0)
            .filter(is_of_interest)
            .cloned()
            .collect()
    }
}

/// Rules without their counters, which tick.
fn firewall() -> Result<String, Box<dyn Error>> {
    let output = Command::new("iptables-save").output()?;
    let rules = String::from_utf8(output.stdout)?;
    let without_counters =
        rules
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| match line.split_once(" [") {
                Some((chain, _)) => chain.to_owned(),
                None => line.to_owned(),
            });
    Ok(without_counters.collect::<Vec<_>>().join("\n"))
}

fn control_groups(folder: &Path, facts: &mut BTreeSet<String>) -> Result<(), Box<dyn Error>> {
    for hierarchy in fs::read_dir(folder)?.flatten().filter(|entry| entry.path().is_dir()) {
        facts.insert(format!("cgroup {}", hierarchy.path().display()));
        // In the unified hierarchy this is a group, and may be gone by now.
        let groups = match fs::read_dir(hierarchy.path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            groups => groups?,
        };
        for group in groups.flatten().filter(|entry| entry.path().is_dir()) {
            facts.insert(format!("cgroup {}", group.path().display()));
        }
    }
    Ok(())
}

fn names_in(folder: &str) -> Result<impl Iterator<Item = String>, Box<dyn Error>> {
    Ok(fs::read_dir(folder)?
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned()))
}
