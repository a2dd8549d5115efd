//! The OpenTelemetry Collector: `file_log` to `otlp_http`, with `file_storage` for the offsets.
//!
//! It has no exporter for Loki, which takes OTLP instead; so that is what it sends in rows that go to Loki.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use super::{Program, Recipe};
use crate::bench::sidecar::row::Row;

pub(super) fn program() -> Result<Program> {
    Ok(Program::alone(cluster::tools::ensure("otelcol")?))
}

const STOCK: &[&str] = &["base.yaml"];

pub(super) fn recipes(row: Row) -> Vec<Recipe> {
    let tuned = |variant, templates: &[&'static str]| Recipe {
        environment: &[("GOGC", "400")],
        ..Recipe::new(variant, templates)
    };
    match row.configuration() {
        Row::RawLoki => vec![
            Recipe::new("stock", STOCK),
            tuned("tuned", &["base.yaml", "tuned.yaml"]),
            tuned("tuned, zstd", &["base.yaml", "tuned.yaml", "zstd.yaml"]),
        ],
        Row::RawHttp => vec![
            Recipe::new("stock", STOCK),
            tuned("tuned", &["base.yaml", "tuned.yaml"]),
        ],
        Row::RawHttpZstd => vec![
            Recipe::new("stock, zstd", &["base.yaml", "zstd.yaml"]),
            tuned("tuned, zstd", &["base.yaml", "tuned.yaml", "zstd.yaml"]),
        ],
        Row::AttributesLoki | Row::AttributesHttp => vec![
            Recipe::new("stock", &["base.yaml", "attributes.yaml"]),
            tuned("tuned", &["base.yaml", "tuned.yaml", "attributes.yaml"]),
        ],
        Row::JsonLoki => vec![
            Recipe::new("stock", &["base.yaml", "json.yaml"]),
            tuned("tuned", &["base.yaml", "tuned.yaml", "json.yaml"]),
        ],
        Row::RegexHttp => vec![
            Recipe::new("stock", &["base.yaml", "regex.yaml"]),
            tuned("tuned", &["base.yaml", "tuned.yaml", "regex.yaml"]),
        ],
        Row::JavaHttp => vec![
            Recipe::new("stock", &["base.yaml", "java.yaml"]),
            tuned("tuned", &["base.yaml", "tuned.yaml", "java.yaml"]),
        ],
        // Its file exporter writes OTLP as JSON, which isn't the same work.
        Row::RawStdout | Row::Steady | Row::Latency | Row::Drain => Vec::new(),
    }
}

pub(super) fn arguments(command: &mut Command, configurations: &[PathBuf]) {
    for configuration in configurations {
        command.arg("--config").arg(configuration);
    }
}
