//! rsyslog from Debian, unpacked, since installing it would start a service.
//!
//! Debian builds it without its plain HTTP output (`omhttp`); its Elasticsearch output sends bulk requests by HTTP, which is
//! the nearest to JSON lines that there is.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::{Program, Recipe, library_folders};
use crate::bench::sidecar::row::Row;

const PACKAGES: [&str; 5] = [
    "rsyslog",
    "rsyslog-elasticsearch",
    "libestr0",
    "libfastjson4",
    "liblognorm5",
];

pub(super) fn program() -> Result<Program> {
    let root = cluster::unpacked::packages("rsyslog", &PACKAGES)?;
    Ok(Program {
        path: root.join("usr/sbin/rsyslogd"),
        root: Some(root),
    })
}

pub(super) fn recipes(row: Row) -> Vec<Recipe> {
    match row {
        Row::RawLoki | Row::RawHttp => vec![
            Recipe::new("stock, bulk", &["stock.conf"]),
            Recipe::new("tuned, bulk", &["tuned.conf"]),
        ],
        Row::RawStdout => vec![Recipe::new("tuned", &["stdout.conf"])],
        Row::Steady | Row::Latency | Row::Drain => vec![Recipe::new("tuned, bulk", &["tuned.conf"])],
        // Its parsers and compression fit none of these.
        _ => Vec::new(),
    }
}

pub(super) fn arguments(command: &mut Command, program: &Program, (configuration, folder): (&Path, &Path)) {
    let root = program.root.clone().unwrap_or_default();
    let modules = library_folders(&root).map(|folder| folder.join("rsyslog"));
    command
        // In the foreground, no file of its process, modules from where they were unpacked.
        .args(["-n", "-i", "NONE", "-f"])
        .arg(configuration)
        .arg("-M")
        .arg(super::joined(&modules))
        .env("LD_LIBRARY_PATH", super::joined(&library_folders(&root)))
        .current_dir(folder);
}
