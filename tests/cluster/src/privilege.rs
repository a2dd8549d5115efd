//! Becoming root where a node needs it, and giving back to the user what root made for them.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, lchown};
use std::path::Path;
use std::process::Command;

/// A command that runs as root: as it is when this process is root's, else through sudo, which may ask for a password
/// at the terminal.
pub(crate) fn as_root(program: impl AsRef<OsStr>) -> Command {
    if rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.arg("--").arg(program);
    command
}

/// Gives `path` and all below it to whoever owns `model`. Does nothing when that is the same user already.
pub(crate) fn hand_over(path: &Path, model: &Path) -> io::Result<()> {
    let owner = fs::metadata(model)?;
    if owner.uid() == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    hand_over_to(path, owner.uid(), owner.gid())
}

fn hand_over_to(path: &Path, uid: u32, gid: u32) -> io::Result<()> {
    lchown(path, Some(uid), Some(gid))?;
    if fs::symlink_metadata(path)?.is_dir() {
        for entry in fs::read_dir(path)? {
            hand_over_to(&entry?.path(), uid, gid)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_below_gets_the_owner_of_the_model() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let (model, given) = (folder.path().join("model"), folder.path().join("given"));
        fs::create_dir_all(&model).unwrap();
        fs::create_dir_all(given.join("below")).unwrap();
        lchown(&model, Some(65_532), Some(65_531)).unwrap();
        hand_over(&given, &model).unwrap();
        let owner = fs::metadata(given.join("below")).unwrap();
        assert_eq!((owner.uid(), owner.gid()), (65_532, 65_531));
    }
}
