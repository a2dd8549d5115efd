//! Which directory must be shared for a glob: its deepest literal directory, never a common parent of several, because
//! an empty volume hides what the image has below it.

use std::fmt;

use pipeline::glob::{PatternError, Patterns};

/// A directory that may be shared: absolute, without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::plan) struct Directory(String);

/// The glob can't be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::plan) enum DirectoryError {
    #[error(
        "{glob} would have {directory} shared, which belongs to the system: have the application log below a directory of its own"
    )]
    Forbidden { glob: String, directory: String },
    #[error(transparent)]
    Glob(#[from] PatternError),
}

/// Nothing at or below these is ever shared.
const FORBIDDEN_TREES: [&str; 6] = ["/proc", "/sys", "/dev", "/etc", "/var/run/secrets", "/run/secrets"];

/// In these an image has its programs and libraries: an empty volume over them would take the application down.
const PARTS_OF_THE_IMAGE: [&str; 11] = [
    "/bin", "/sbin", "/lib", "/lib64", "/usr", "/usr/bin", "/usr/lib", "/opt", "/var", "/run", "/var/run",
];

impl Directory {
    /// The directories that a glob reaches, one for each of its alternatives, each once.
    pub(in crate::plan) fn of_glob(glob: &str) -> Result<Vec<Self>, DirectoryError> {
        let patterns = Patterns::new(&[glob.to_owned()], &[])?;
        let mut directories = patterns
            .literal_directories()
            .map(|directory| Self::allowed(glob, directory))
            .collect::<Result<Vec<_>, _>>()?;
        directories.sort();
        directories.dedup();
        Ok(directories)
    }

    fn allowed(glob: &str, directory: String) -> Result<Self, DirectoryError> {
        let below = |tree: &&str| is_below(&directory, tree);
        if directory == "/" || FORBIDDEN_TREES.iter().any(below) {
            let glob = glob.to_owned();
            return Err(DirectoryError::Forbidden { glob, directory });
        }
        Ok(Self(directory))
    }

    pub(in crate::plan) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether an empty volume over it would hide what the image can't do without.
    pub(in crate::plan) fn is_part_of_the_image(&self) -> bool {
        PARTS_OF_THE_IMAGE.contains(&self.as_str())
    }

    /// Whether a volume mounted at `path` holds this directory.
    pub(in crate::plan) fn is_within(&self, path: &str) -> bool {
        is_below(&self.0, path.trim_end_matches('/'))
    }
}

impl fmt::Display for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// At or below; by components, so `/var/logs` isn't below `/var/log`.
fn is_below(path: &str, tree: &str) -> bool {
    path.strip_prefix(tree)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directories(glob: &str) -> Vec<String> {
        let found = Directory::of_glob(glob).unwrap_or_else(|error| panic!("{error}"));
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_deepest_literal_directory_of_a_glob() {
        for (glob, expected) in [
            ("/var/log/access.log", &["/var/log"][..]),
            ("/var/log/nginx/*.log", &["/var/log/nginx"]),
            ("/var/log/*/app.log", &["/var/log"]),
            ("/logs/**/*.log", &["/logs"]),
            ("/logs/a?/x.log", &["/logs"]),
            ("/logs/[ab]/x.log", &["/logs"]),
            ("/logs//deep/x.log", &["/logs/deep"]),
            ("/var/{log,spool}/*.log", &["/var/log", "/var/spool"]),
            ("/var/log/{a,b}.log", &["/var/log"]),
            ("/srv/{a,b{1,2}}/x", &["/srv/a", "/srv/b1", "/srv/b2"]),
        ] {
            assert_eq!(directories(glob), expected, "{glob}");
        }
    }

    #[test]
    fn directories_of_the_system_are_never_shared() {
        for glob in [
            "/*.log",
            "/a.log",
            "/**/x.log",
            "/etc/app/x.log",
            "/proc/1/x",
            "/sys/x",
            "/dev/shm/x.log",
            "/var/run/secrets/kubernetes.io/serviceaccount/token",
            "/run/secrets/x/y",
            "/{srv,etc}/x.log",
        ] {
            let error = Directory::of_glob(glob).unwrap_err();
            assert!(matches!(error, DirectoryError::Forbidden { .. }), "{glob}: {error}");
        }
    }

    #[test]
    fn parts_of_the_image_are_known() {
        for (glob, expected) in [("/var/*/x.log", true), ("/usr/x.log", true), ("/var/log/x.log", false)] {
            assert_eq!(
                Directory::of_glob(glob).unwrap()[0].is_part_of_the_image(),
                expected,
                "{glob}"
            );
        }
    }

    #[test]
    fn the_token_is_below_a_forbidden_tree() {
        assert!(
            FORBIDDEN_TREES
                .iter()
                .any(|tree| is_below(crds::names::paths::SERVICE_ACCOUNT, tree))
        );
    }

    #[test]
    fn a_volume_holds_what_is_mounted_at_or_above() {
        let directory = &Directory::of_glob("/var/log/app/x.log").unwrap()[0];
        for (path, within) in [
            ("/var/log", true),
            ("/var/log/", true),
            ("/var/log/app", true),
            ("/var/lo", false),
            ("/var/log/app/x", false),
            ("/", true),
        ] {
            assert_eq!(directory.is_within(path), within, "{path}");
        }
    }

    proptest::proptest! {
        #[test]
        fn every_directory_is_literal_absolute_and_a_parent_of_its_glob(
            parts in proptest::collection::vec("[a-c]{1,2}|\\*\\*|[a-c]\\*|\\{a,b\\}", 1..5)
        ) {
            let glob = format!("/data/{}", parts.join("/"));
            for directory in Directory::of_glob(&glob).unwrap() {
                let text = directory.as_str();
                let is_literal = !text.contains(['*', '{', '?', '[']);
                proptest::prop_assert!(text.starts_with("/data") && is_literal, "{} of {}", text, glob);
                proptest::prop_assert!(text.split('/').count() < glob.split('/').count(), "{} of {}", text, glob);
            }
        }
    }
}
