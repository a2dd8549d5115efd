//! Which images there are, and what is particular about each.

use anyhow::{Result, bail};
use cluster::image_archive::ImageFolder;

/// User and group of every image. The group is root's, as OpenShift and group-writable volumes expect; the user has
/// no right that root has.
pub const USER: &str = "65532:0";

/// An image, before its program is built.
#[derive(Debug)]
pub struct Image {
    /// Name of the archive.
    pub name: &'static str,
    /// Name, registry and tag under which runtimes know it.
    pub reference: &'static str,
    /// File name of the program.
    pub program: &'static str,
    /// Where the program comes from.
    pub source: Source,
    /// `org.opencontainers.image.title`.
    pub title: &'static str,
    /// `org.opencontainers.image.version`.
    pub version: &'static str,
    /// `org.opencontainers.image.licenses`, an SPDX expression.
    pub licence: &'static str,
    /// TCP ports that the program listens on unless told otherwise.
    pub ports: &'static [u16],
    /// Folders that the program writes to and that belong to its user.
    writes_to: &'static [&'static str],
}

/// Where a program comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A package of this workspace.
    Workspace {
        /// The package's name.
        package: &'static str,
    },
    /// A program that `cluster` pins and builds.
    Tool,
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

const IMAGES: [Image; 4] = [
    Image {
        name: "operator",
        reference: concat!("localhost/logshipping/operator:", env!("CARGO_PKG_VERSION")),
        program: "logshipping-operator",
        source: Source::Workspace { package: "operator" },
        title: "LogShipping operator",
        version: VERSION,
        licence: "Apache-2.0",
        ports: &[8080],
        writes_to: &[],
    },
    Image {
        name: "sidecar",
        reference: concat!("localhost/logshipping/sidecar:", env!("CARGO_PKG_VERSION")),
        program: "logshipping-sidecar",
        source: Source::Workspace { package: "sidecar" },
        title: "LogShipping sidecar",
        version: VERSION,
        licence: "Apache-2.0",
        ports: &[19600],
        writes_to: &[],
    },
    Image {
        name: "server",
        reference: "localhost/logshipping/server:dev",
        program: "server",
        source: Source::Workspace { package: "server" },
        title: "LogShipping demo application",
        version: VERSION,
        licence: "Apache-2.0",
        ports: &[8080],
        writes_to: &["/var/log"],
    },
    Image {
        name: "loki",
        reference: "localhost/logshipping/loki:dev",
        program: "loki",
        source: Source::Tool,
        title: "Grafana Loki, for the LogShipping demo",
        version: "demo",
        licence: "AGPL-3.0-only",
        ports: &[3100],
        writes_to: &[],
    },
];

/// Looks an image up.
pub fn named(name: &str) -> Result<&'static Image> {
    match IMAGES.iter().find(|image| image.name == name) {
        Some(image) => Ok(image),
        None => {
            bail!(
                "there is no image {name:?}; there are {}",
                IMAGES.each_ref().map(|image| image.name).join(", ")
            )
        }
    }
}

impl Image {
    /// The folders that the image has beside its program.
    pub fn folders(&self) -> Vec<ImageFolder> {
        let owned = |path: &&str| ImageFolder {
            path: (*path).to_owned(),
            mode: 0o775,
            uid: 65_532,
            gid: 0,
        };
        self.writes_to.iter().map(owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_image_is_answered_with_the_known_ones() {
        let sentence = named("sidcar").unwrap_err().to_string();
        assert!(
            sentence.contains("\"sidcar\"") && sentence.contains("sidecar, server"),
            "{sentence}"
        );
    }

    #[test]
    fn folders_belong_to_the_user_of_the_image() {
        let folders = named("server").unwrap().folders();
        let owners: Vec<_> = folders
            .iter()
            .map(|folder| format!("{}:{}", folder.uid, folder.gid))
            .collect();
        assert_eq!(owners, [USER]);
    }
}
