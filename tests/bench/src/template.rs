//! Configurations of agents with places to fill in.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// What differs between runs of one configuration.
#[derive(Clone, Copy, Debug)]
pub struct Places<'a> {
    /// `@DIR@`: the folder of the run. Logs are in `logs` below it, the agent's own files in `state`.
    pub folder: &'a Path,
    /// `@PORT@`: where the receiver listens on 127.0.0.1.
    pub port: u16,
}

/// The folder of all configurations, one folder for each agent.
#[must_use]
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("agents")
}

/// Fills in a configuration, given by its path below [`folder`], and puts it into the run's folder under its own name.
pub fn render(template: &str, places: Places<'_>) -> Result<PathBuf> {
    let source = folder().join(template);
    let text = std::fs::read_to_string(&source).with_context(|| format!("cannot read {}", source.display()))?;
    let text = text
        .replace("@DIR@", &places.folder.display().to_string())
        .replace("@PORT@", &places.port.to_string());
    ensure!(
        !text.contains("@DIR") && !text.contains("@PORT"),
        "{template} has a misspelt place"
    );
    let name = source.file_name().context("a template has a name")?;
    let target = places.folder.join(name);
    std::fs::write(&target, text)?;
    Ok(target)
}
