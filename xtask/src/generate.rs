//! Files that are generated from code, so that a fact stands in one place.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use cluster::progress::say;

use crate::workspace;

/// A file and what belongs into it.
struct Generated {
    path: PathBuf,
    content: String,
}

fn all() -> Vec<Generated> {
    vec![Generated {
        path: workspace::chart().join("files/logshippings.yaml"),
        content: crds::crd_yaml(),
    }]
}

/// Brings every generated file up to date.
pub fn write() -> Result<()> {
    for file in all() {
        let folder = file.path.parent().unwrap_or(workspace::root());
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        if file.is_fresh() {
            say(format_args!("{} is up to date", file.name()));
        } else {
            fs::write(&file.path, &file.content).with_context(|| format!("cannot write {}", file.name()))?;
            say(format_args!("wrote {}", file.name()));
        }
    }
    Ok(())
}

/// Fails where a file isn't what would be generated now.
pub fn check() -> Result<()> {
    let stale: Vec<_> = all()
        .into_iter()
        .filter(|file| !file.is_fresh())
        .map(|file| file.name())
        .collect();
    if stale.is_empty() {
        return Ok(());
    }
    bail!(
        "generated files are stale: {}; run `make generate` and commit the result",
        stale.join(", ")
    )
}

impl Generated {
    fn is_fresh(&self) -> bool {
        fs::read(&self.path).is_ok_and(|found| found == self.content.as_bytes())
    }

    fn name(&self) -> String {
        self.path
            .strip_prefix(workspace::root())
            .unwrap_or(&self.path)
            .display()
            .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_files_in_the_checkout_are_fresh() {
        check().unwrap();
    }

    #[test]
    fn a_file_is_fresh_only_with_exactly_the_generated_content() {
        let folder = tempfile::tempdir().unwrap();
        let file = Generated {
            path: folder.path().join("a"),
            content: "1\n".to_owned(),
        };
        assert!(!file.is_fresh(), "a missing file");
        fs::write(&file.path, "1\n\n").unwrap();
        assert!(!file.is_fresh(), "another content");
        fs::write(&file.path, "1\n").unwrap();
        assert!(file.is_fresh());
    }
}
