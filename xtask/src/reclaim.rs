//! A log that is never rotated, and sixteen times as large as its volume. The same with twice its size is part of every
//! test run; this one takes too long for that.

use anyhow::Result;

use crate::{process, workspace};

/// `xtask reclaim`.
pub fn chore() -> Result<()> {
    let test = ["test", "--locked", "--release", "--package", "sidecar", "--test", "it"];
    let only = ["reclaim", "--", "--ignored", "--nocapture"];
    process::run(workspace::cargo().args(test).args(only))
}
