//! What a node needs of the distribution: programs that are better taken ready-made than built.
//!
//! Missing ones are installed with apt, since Debian and Ubuntu is where this is developed. Elsewhere people get the
//! names of the programs; the packages are called alike everywhere.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use crate::privilege;
use crate::progress;

/// Programs by the Debian package that has them.
const PROGRAMS: [(&str, &str); 5] = [
    ("containerd", "containerd"),
    ("ctr", "containerd"),
    ("runc", "runc"),
    ("ip", "iproute2"),
    ("iptables", "iptables"),
];
/// The package with the plug-ins that connect pods.
const PLUGINS_PACKAGE: &str = "containernetworking-plugins";
/// Those of them that are used.
const PLUGINS: [&str; 3] = ["bridge", "host-local", "loopback"];
/// Where distributions put them, and where people do.
const PLUGIN_FOLDERS: [&str; 3] = ["/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"];
/// Where system programs are, which isn't on everybody's PATH.
const SYSTEM_FOLDERS: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// Why packages are missing still.
#[derive(Debug, thiserror::Error)]
pub enum PackagesError {
    /// No apt here.
    #[error("a node needs {}, which are missing, and there is no apt-get here: install them with your package manager", missing.join(", "))]
    NoApt {
        /// Debian's names of the packages.
        missing: Vec<&'static str>,
        /// What the system said.
        source: io::Error,
    },
    /// apt failed.
    #[error("`apt-get install {}` failed ({status}); its output is above", missing.join(" "))]
    Apt {
        /// The packages.
        missing: Vec<&'static str>,
        /// How it ended.
        status: ExitStatus,
    },
    /// apt succeeded, and still something is missing.
    #[error("apt-get has installed {}, but their programs are not to be found", missing.join(", "))]
    StillMissing {
        /// The packages.
        missing: Vec<&'static str>,
    },
}

/// Installs what is missing.
pub(crate) fn ensure() -> Result<(), PackagesError> {
    let missing = missing_here();
    if missing.is_empty() {
        return Ok(());
    }
    progress::say(format_args!("installing {} with apt-get", missing.join(", ")));
    let status = install(&missing).map_err(|source| PackagesError::NoApt {
        missing: missing.clone(),
        source,
    })?;
    if !status.success() {
        return Err(PackagesError::Apt { missing, status });
    }
    let missing = missing_here();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(PackagesError::StillMissing { missing })
    }
}

/// The folder with the plug-ins that connect pods.
pub(crate) fn plugin_folder() -> Option<&'static Path> {
    PLUGIN_FOLDERS
        .iter()
        .map(Path::new)
        .find(|folder| PLUGINS.iter().all(|plugin| folder.join(plugin).is_file()))
}

/// The PATH of the node's components: the user's, and the folders of system programs.
pub(crate) fn search_path() -> OsString {
    let folders = search_folders();
    // Fails for a folder with a colon in its name only, and such a one can't have come from a PATH.
    std::env::join_paths(folders).unwrap_or_default()
}

fn search_folders() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(SYSTEM_FOLDERS.map(PathBuf::from))
        .collect()
}

fn missing_here() -> Vec<&'static str> {
    missing(&search_folders(), plugin_folder())
}

fn missing(folders: &[PathBuf], plugins: Option<&Path>) -> Vec<&'static str> {
    let is_there = |program: &str| folders.iter().any(|folder| folder.join(program).is_file());
    let without = PROGRAMS
        .iter()
        .filter(|(program, _)| !is_there(program))
        .map(|(_, package)| *package);
    let mut packages: Vec<_> = without.chain(plugins.is_none().then_some(PLUGINS_PACKAGE)).collect();
    packages.dedup();
    packages
}

fn install(packages: &[&str]) -> io::Result<ExitStatus> {
    let arguments: Vec<&str> = ["install", "--yes", "--no-install-recommends"]
        .iter()
        .chain(packages)
        .copied()
        .collect();
    let status = apt_get(&arguments)?;
    if status.success() {
        return Ok(status);
    }
    // A fresh machine has no lists of packages yet, or old ones.
    update()?;
    apt_get(&arguments)
}

/// Fetches apt's lists of packages.
pub(crate) fn update() -> io::Result<ExitStatus> {
    apt_get(&["update"])
}

fn apt_get(arguments: &[&str]) -> io::Result<ExitStatus> {
    // Without apt the answer must be that, and not what sudo says about it.
    Command::new("apt-get")
        .arg("--version")
        .stdout(Stdio::null())
        .status()?;
    let mut command = privilege::as_root("env");
    // Somebody else may be installing too.
    command
        .args([
            "DEBIAN_FRONTEND=noninteractive",
            "apt-get",
            "-o",
            "DPkg::Lock::Timeout=300",
        ])
        .args(arguments);
    // The standard output of this process is for results.
    command.stdin(Stdio::null()).stdout(io::stderr()).status()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_missing_package_is_named_once() {
        let folder = tempfile::tempdir().unwrap();
        for program in ["runc", "ip"] {
            std::fs::write(folder.path().join(program), "").unwrap();
        }
        let folders = [folder.path().to_owned()];
        assert_eq!(missing(&folders, None), ["containerd", "iptables", PLUGINS_PACKAGE]);
        for program in ["containerd", "ctr", "iptables"] {
            std::fs::write(folder.path().join(program), "").unwrap();
        }
        assert_eq!(missing(&folders, Some(Path::new("/usr/lib/cni"))), [] as [&str; 0]);
    }

    #[test]
    fn system_programs_are_found_whatever_the_path() {
        let path = search_path();
        assert!(std::env::split_paths(&path).any(|folder| folder == Path::new("/usr/sbin")));
    }
}
