//! `check`: the same judgement as at a load, without running anything.

pub mod connect;

use std::path::Path;

/// Every error of a configuration text, each with its field path; empty when it can run.
pub fn errors(text: &str) -> Vec<String> {
    match pipeline::config::load(text) {
        Err(error) => vec![crate::process::describe(&error)],
        Ok(loaded) => {
            let refused = loaded.refused.iter();
            refused
                .flat_map(|refused| {
                    refused
                        .errors
                        .iter()
                        .map(move |error| format!("{}: {error}", refused.pipeline))
                })
                .collect()
        }
    }
}

/// The text of a configuration file.
///
/// # Errors
/// A sentence that names the file.
pub fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_is_named_with_pipeline_and_field() {
        let found = errors("pipelines: [{name: a, sources: [{name: s, paths: [x]}], destinations: [{name: d}]}]");
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("a: sources[0].paths[0]: "), "{found:?}");
        assert!(found[1].starts_with("a: destinations[0]: "), "{found:?}");
        assert_eq!(errors("pipelines: []"), Vec::<String>::new());
        assert_eq!(errors("{version: 9, pipelines: []}").len(), 1);
    }
}
