//! Clusters for real: they start, work, and leave nothing behind.

mod control_plane;
mod host;
mod node;
mod program;
mod simulation;

use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

type Outcome = Result<(), Box<dyn Error>>;

/// Standard output of a command that must succeed.
fn output(command: &mut Command) -> Result<String, Box<dyn Error>> {
    let output = command.output()?;
    if !output.status.success() {
        return Err(format!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Asks again and again until the answer is yes.
fn eventually(what: &str, mut is_so: impl FnMut() -> Result<bool, Box<dyn Error>>) -> Outcome {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so()? {
        assert!(Instant::now() < deadline, "not within a minute: {what}");
        thread::yield_now();
    }
    Ok(())
}

/// The process with that argument.
fn process_with(argument: &str) -> Option<u32> {
    let entries = std::fs::read_dir("/proc").ok()?.flatten();
    let mut processes = entries.filter_map(|entry| {
        let process = entry.file_name().to_str()?.parse().ok()?;
        Some((process, std::fs::read(entry.path().join("cmdline")).ok()?))
    });
    let has_it = |command_line: &[u8]| {
        command_line
            .split(|byte| *byte == 0)
            .any(|own| own == argument.as_bytes())
    };
    processes
        .find(|(_, command_line)| has_it(command_line))
        .map(|(process, _)| process)
}

/// Processes whose command line names the cluster's folder.
fn processes_of(folder: &Path) -> Vec<String> {
    let folder = folder.display().to_string();
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let command_lines = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    let readable = command_lines.map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', " "));
    readable.filter(|line| line.contains(&folder)).collect()
}
