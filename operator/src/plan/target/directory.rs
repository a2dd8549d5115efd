//! Directories as a container knows them, and which of them may be shared.

use std::fmt;

/// A directory in a container: absolute, without a slash at its end, without `.` and `..`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::plan) struct Directory(String);

/// Nothing at or below these is ever shared. `/var/run` is a link to `/run` in most images, so both names count.
const SYSTEM: [&str; 6] = ["/proc", "/sys", "/dev", "/etc", "/var/run/secrets", "/run/secrets"];

/// In these an image has its programs and libraries, or what other programs need: an empty volume over one of them would
/// take the application down. Directories below them are as good as any other.
const PARTS_OF_THE_IMAGE: [&str; 22] = [
    "/bin",
    "/boot",
    "/home",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/opt",
    "/run",
    "/sbin",
    "/usr",
    "/usr/bin",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local",
    "/usr/local/bin",
    "/usr/local/lib",
    "/usr/sbin",
    "/usr/share",
    "/var",
    "/var/lib",
    "/var/run",
];

impl Directory {
    /// As the runtime understands the path of a mount: from the root, whatever it begins with.
    pub(in crate::plan) fn of(path: &str) -> Self {
        let mut names = Vec::new();
        for name in path.split('/') {
            match name {
                "" | "." => {}
                ".." => drop(names.pop()),
                name => names.push(name),
            }
        }
        Self(format!("/{}", names.join("/")))
    }

    pub(in crate::plan) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is at or below `other`; by components, so `/var/logs` isn't below `/var/log`.
    pub(in crate::plan) fn is_within(&self, other: &Self) -> bool {
        is_below(&self.0, &other.0)
    }

    /// The root, or a directory that belongs to the system.
    pub(super) fn is_forbidden(&self) -> bool {
        self.0 == "/" || SYSTEM.iter().any(|tree| is_below(&self.0, tree))
    }

    /// Whether an empty volume over it would hide what images can't do without.
    pub(super) fn is_part_of_the_image(&self) -> bool {
        PARTS_OF_THE_IMAGE.contains(&self.as_str())
    }
}

impl fmt::Display for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_below(path: &str, tree: &str) -> bool {
    path.strip_prefix(tree.trim_end_matches('/'))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_mounts_are_understood_as_the_runtime_does() {
        for (path, expected) in [
            ("/var/log", "/var/log"),
            ("/var/log/", "/var/log"),
            ("//var//log//", "/var/log"),
            ("/var/./log/.", "/var/log"),
            ("/var/log/../spool", "/var/spool"),
            ("/../..", "/"),
            ("logs", "/logs"),
            ("./logs", "/logs"),
            ("/", "/"),
            ("", "/"),
            ("/журнал/ログ", "/журнал/ログ"),
        ] {
            assert_eq!(Directory::of(path).as_str(), expected, "{path}");
        }
    }

    #[test]
    fn below_is_by_components() {
        for (path, other, within) in [
            ("/var/log/app", "/var/log", true),
            ("/var/log/app", "/var/log/app", true),
            ("/var/log/app", "/var/lo", false),
            ("/var/log/app", "/var/log/app/x", false),
            ("/var/log/app", "/", true),
            ("/", "/", true),
        ] {
            assert_eq!(
                Directory::of(path).is_within(&Directory::of(other)),
                within,
                "{path} {other}"
            );
        }
    }

    #[test]
    fn directories_of_the_system_are_forbidden() {
        for path in [
            "/",
            "/etc",
            "/etc/app",
            "/proc/1",
            "/sys",
            "/dev/shm",
            "/run/secrets/x",
            crds::names::paths::SERVICE_ACCOUNT,
        ] {
            assert!(Directory::of(path).is_forbidden(), "{path}");
        }
        for path in ["/var/log", "/etcetera", "/run/app", "/var/run/secrets-of-the-sea"] {
            assert!(!Directory::of(path).is_forbidden(), "{path}");
        }
    }
}
