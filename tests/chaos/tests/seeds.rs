//! Scenarios that are part of every test run, with the sidecar as its image carries it.

#[cfg(test)]
mod fixed {
    use std::path::{Path, PathBuf};
    use std::process::Command;

    use chaos::Campaign;

    /// Names a program to use instead.
    const PROGRAM: &str = "LOGSHIPPING_SIDECAR";

    #[test]
    fn nothing_is_lost_and_no_more_comes_twice_than_is_promised() {
        let campaign = Campaign::fixed();
        let sum = campaign.run(&program(), |verdict| println!("{verdict}"));
        println!("{sum}");
        assert!(sum.bad.is_empty(), "seeds {:?}: see above", sum.bad);
        assert!(sum.lines > 0 && sum.missing == 0, "{sum}");
    }

    /// Built as for the image, if it isn't there already.
    fn program() -> PathBuf {
        if let Some(program) = std::env::var_os(PROGRAM) {
            return program.into();
        }
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built = Command::new(cargo)
            .current_dir(&workspace)
            .args(["run", "--quiet", "--package", "xtask", "--", "images", "sidecar"])
            .status()
            .unwrap();
        assert!(built.success());
        let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        let program = workspace.join(format!("target/{triple}/release/logshipping-sidecar"));
        program.canonicalize().unwrap()
    }
}
