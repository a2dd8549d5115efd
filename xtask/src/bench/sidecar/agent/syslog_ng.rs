//! syslog-ng from Debian, which conflicts with other loggers and so is unpacked, not installed.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::{Program, Recipe, joined, library_folders};
use crate::bench::sidecar::row::Row;

/// What it is made of, and the libraries that not every Debian has.
const PACKAGES: [&str; 6] = [
    "syslog-ng-core",
    "syslog-ng-mod-http",
    "libivykis0",
    "libnet1",
    "libwrap0",
    "libpcre3",
];

pub(super) fn program() -> Result<Program> {
    let root = cluster::unpacked::packages("syslog-ng", &PACKAGES)?;
    Ok(Program {
        path: root.join("usr/sbin/syslog-ng"),
        root: Some(root),
    })
}

/// It sends JSON lines in every row, since it knows neither Loki's protobuf nor zstd.
pub(super) fn recipes(row: Row) -> Vec<Recipe> {
    match row {
        Row::RawLoki | Row::RawHttp => vec![
            Recipe::new("stock", &["stock.conf"]),
            Recipe::new("tuned", &["tuned.conf"]),
        ],
        Row::AttributesLoki | Row::AttributesHttp => vec![Recipe::new("tuned", &["attributes.conf"])],
        Row::JsonLoki => vec![Recipe::new("tuned", &["json.conf"])],
        Row::RegexHttp => vec![Recipe::new("tuned", &["regex.conf"])],
        Row::JavaHttp => vec![Recipe::new("tuned", &["java.conf"])],
        Row::RawStdout => vec![Recipe::new("tuned", &["stdout.conf"])],
        Row::Steady | Row::Latency | Row::Drain => vec![Recipe::new("tuned", &["tuned.conf"])],
        Row::RawHttpZstd => Vec::new(),
    }
}

pub(super) fn arguments(command: &mut Command, program: &Program, (configuration, folder): (&Path, &Path)) {
    let root = program.root.clone().unwrap_or_default();
    let libraries = library_folders(&root);
    let own = root.join("usr/lib/syslog-ng");
    let state = folder.join("state");
    command
        .args(["--foreground", "--no-caps", "--cfgfile"])
        .arg(configuration)
        .arg("--module-path")
        .arg(own.join("3.38"))
        .arg("--persist-file")
        .arg(state.join("persist"))
        .arg("--pidfile")
        .arg(state.join("pid"))
        .arg("--control")
        .arg(state.join("control"))
        .env("LD_LIBRARY_PATH", joined(&[&libraries[..], &[own]].concat()));
}
