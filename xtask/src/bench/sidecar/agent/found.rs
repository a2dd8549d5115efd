//! Agents that take part where somebody has installed them. Their configurations were written from their documentation and
//! are not tried by any test of ours. vlagent isn't among them: of files it only reads those that a Kubernetes node lists.

use super::Recipe;
use crate::bench::sidecar::row::Row;

pub(super) fn fluent_bit(row: Row) -> Vec<Recipe> {
    match row {
        Row::RawLoki => vec![
            Recipe::new("stock", &["stock-loki.yaml"]),
            Recipe::new("tuned", &["tuned-loki.yaml"]),
        ],
        Row::RawHttp => vec![
            Recipe::new("stock", &["stock-http.yaml"]),
            Recipe::new("tuned", &["tuned-http.yaml"]),
        ],
        Row::Steady | Row::Latency | Row::Drain => vec![Recipe::new("tuned", &["tuned-http.yaml"])],
        _ => Vec::new(),
    }
}

pub(super) fn vector(row: Row) -> Vec<Recipe> {
    match row {
        Row::RawLoki => vec![
            Recipe::new("stock", &["stock-loki.yaml"]),
            Recipe::new("tuned", &["tuned-loki.yaml"]),
        ],
        Row::RawHttp => vec![
            Recipe::new("stock", &["stock-http.yaml"]),
            Recipe::new("tuned", &["tuned-http.yaml"]),
        ],
        Row::RawHttpZstd => vec![Recipe::new("tuned", &["tuned-http-zstd.yaml"])],
        Row::JsonLoki => vec![Recipe::new("tuned", &["json-loki.yaml"])],
        Row::Steady | Row::Latency | Row::Drain => vec![Recipe::new("tuned", &["tuned-http.yaml"])],
        _ => Vec::new(),
    }
}
