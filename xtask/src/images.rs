//! Container images, FROM scratch: a static program, and nothing beside it.
//!
//! Each becomes one archive, `<name>.tar`. An archive is written only when its content would change, so that what was
//! loaded from it somewhere is known to be current.

mod catalogue;
mod program;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cluster::image_archive::{ImageArchive, ImageFile};
use cluster::progress::say;

use crate::workspace;
use catalogue::Image;

/// The images that the project publishes.
pub const OURS: [&str; 3] = ["operator", "sidecar", "server"];
/// Besides them, what the demo needs.
pub const DEMO: [&str; 4] = ["operator", "sidecar", "server", "loki"];

/// `xtask images`.
pub fn chore(out: Option<PathBuf>, names: &[String]) -> Result<()> {
    let folder = out.unwrap_or_else(workspace::images);
    let names: Vec<&str> = if names.is_empty() {
        OURS.to_vec()
    } else {
        names.iter().map(String::as_str).collect()
    };
    build(&folder, &names).map(drop)
}

/// Builds images by their names and returns the paths of their archives, in the same order.
pub fn build(folder: &Path, names: &[&str]) -> Result<Vec<PathBuf>> {
    let images = names
        .iter()
        .map(|name| catalogue::named(name))
        .collect::<Result<Vec<_>>>()?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let programs = program::build(&images)?;
    images
        .iter()
        .zip(&programs)
        .map(|(image, program)| archive(image, program, folder))
        .collect()
}

/// Builds the program of an image, exactly as the image carries it.
pub fn program(name: &str) -> Result<PathBuf> {
    let programs = program::build(&[catalogue::named(name)?])?;
    programs.into_iter().next().context("a program was asked for")
}

fn archive(image: &Image, program: &Path, folder: &Path) -> Result<PathBuf> {
    let bytes = fs::read(program).with_context(|| format!("cannot read {}", program.display()))?;
    program::must_be_static(image.program, &bytes)?;
    let path = folder.join(format!("{}.tar", image.name));
    let fresh = folder.join(format!("{}.tar.new", image.name));
    describe(image, bytes).write(&fresh)?;
    if same_content(&fresh, &path) {
        fs::remove_file(&fresh)?;
        say(format_args!("{} is up to date: {}", image.reference, path.display()));
    } else {
        fs::rename(&fresh, &path)?;
        say(format_args!("{} is in {}", image.reference, path.display()));
    }
    Ok(path)
}

fn describe(image: &Image, bytes: Vec<u8>) -> ImageArchive {
    let path = format!("/{}", image.program);
    let label = |name: &str, value: &str| (format!("org.opencontainers.image.{name}"), value.to_owned());
    ImageArchive {
        reference: image.reference.to_owned(),
        entrypoint: vec![path.clone()],
        user: catalogue::USER.to_owned(),
        files: vec![ImageFile {
            path,
            mode: 0o755,
            bytes,
        }],
        folders: image.folders(),
        labels: [
            label("title", image.title),
            label("version", image.version),
            label("licenses", image.licence),
        ]
        .into(),
        exposed_ports: image.ports.to_vec(),
        ..ImageArchive::default()
    }
}

fn same_content(fresh: &Path, old: &Path) -> bool {
    let length = |path: &Path| path.metadata().map(|metadata| metadata.len()).ok();
    length(fresh) == length(old) && fs::read(fresh).ok() == fs::read(old).ok()
}
