//! The sidecar of this checkout, as images carry it.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::{Program, Recipe};
use crate::bench::sidecar::row::Row;
use crate::images;

pub(super) fn program() -> Result<Program> {
    images::program("sidecar").map(Program::alone)
}

/// Everything else is as it is without a setting.
pub(super) fn recipes(row: Row) -> Vec<Recipe> {
    let template: &[&str] = match row.configuration() {
        Row::RawLoki => &["raw-loki.yaml"],
        Row::RawHttpZstd => &["raw-http-zstd.yaml"],
        Row::AttributesLoki => &["attributes-loki.yaml"],
        Row::AttributesHttp => &["attributes-http.yaml"],
        Row::JsonLoki => &["json-loki.yaml"],
        Row::RegexHttp => &["regex-http.yaml"],
        Row::JavaHttp => &["java-http.yaml"],
        Row::RawStdout => &["raw-stdout.yaml"],
        Row::RawHttp | Row::Steady | Row::Latency | Row::Drain => &["raw-http.yaml"],
    };
    vec![Recipe::new("stock", template)]
}

pub(super) fn arguments(command: &mut Command, configuration: &Path, folder: &Path) {
    command
        .args(["run", "--listen", "127.0.0.1:0", "--config"])
        .arg(configuration)
        .arg("--state")
        .arg(folder.join("state"))
        .arg("--refs-dir")
        .arg(folder.join("refs"))
        .arg("--termination-message")
        .arg(folder.join("termination"));
}
