//! Where things lie in the checkout.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The checkout.
pub fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// Where cargo builds.
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

/// Where archives of images go.
pub fn images() -> PathBuf {
    target().join("images")
}

/// The chart.
pub fn chart() -> PathBuf {
    root().join("charts/logshipping")
}

/// The example that the demo applies.
pub fn example() -> PathBuf {
    root().join("examples/server-logs")
}

/// The cargo that runs this program, started in the checkout.
pub fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root());
    cargo
}
