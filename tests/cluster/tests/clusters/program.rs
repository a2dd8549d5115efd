//! The program that people use.

use std::process::{Command, Output};

use super::{Outcome, output, processes_of};

fn cluster(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cluster"));
    command.args(arguments);
    command
}

/// What it says on standard error when it fails.
fn complaint(arguments: &[&str]) -> Result<String, Box<dyn std::error::Error>> {
    let Output { status, stderr, .. } = cluster(arguments).output()?;
    assert!(!status.success(), "{arguments:?} should have failed");
    Ok(String::from_utf8(stderr)?)
}

#[test]
fn a_cluster_stays_until_it_is_taken_down() -> Outcome {
    let name = format!("program-{}", std::process::id());
    let named = ["--name", name.as_str()];
    let with = |arguments: &[&'static str]| [arguments, &named].concat();

    let kubeconfig = output(&mut cluster(&with(&["up", "--control-plane-only"])))?;
    assert_eq!(output(&mut cluster(&with(&["kubeconfig"])))?, kubeconfig);
    let kubectl = output(&mut cluster(&["tools", "kubectl"]))?;
    let namespaces = ["get", "namespace", "default", "--output=name"];
    let mut ask = Command::new(kubectl.trim());
    assert_eq!(
        output(ask.args(namespaces).env("KUBECONFIG", kubeconfig.trim()))?,
        "namespace/default\n"
    );
    assert!(output(&mut cluster(&["status"]))?.contains(&name));

    let again = complaint(&with(&["up", "--control-plane-only"]))?;
    assert!(again.contains(&format!("cluster down --name {name}")), "{again}");
    let inside = complaint(&[&with(&["exec"])[..], &["--", "true"]].concat())?;
    assert!(inside.contains("control plane only"), "{inside}");
    let published = complaint(&with(&["publish", "80"]))?;
    assert!(published.contains("nothing to publish"), "{published}");

    output(&mut cluster(&with(&["down"])))?;
    let folder = std::path::Path::new(kubeconfig.trim())
        .parent()
        .ok_or("a kubeconfig lies in a folder")?;
    assert!(!folder.exists());
    let gone = complaint(&with(&["kubeconfig"]))?;
    assert!(gone.contains(&format!("cluster up --name {name}")), "{gone}");
    output(&mut cluster(&with(&["down"])))?;
    Ok(())
}

#[test]
fn a_cluster_whose_component_dies_is_gone_and_says_why() -> Outcome {
    let name = format!("dies-{}", std::process::id());
    let kubeconfig = output(&mut cluster(&["up", "--control-plane-only", "--name", &name]))?;
    let folder = std::path::Path::new(kubeconfig.trim())
        .parent()
        .ok_or("a kubeconfig lies in a folder")?;
    let data = folder.join("data/etcd").display().to_string();
    let etcd = super::process_with(&format!("--data-dir={data}")).ok_or("etcd runs")?;
    output(Command::new("kill").args(["-KILL", &etcd.to_string()]))?;
    super::eventually("all of it is gone", || {
        Ok(!folder.exists() && processes_of(folder).is_empty())
    })?;
    let sentence = complaint(&["kubeconfig", "--name", &name])?;
    assert!(sentence.contains("etcd ended (signal: 9"), "{sentence}");
    let logs = sentence
        .lines()
        .find_map(|line| line.strip_prefix("all logs are in "))
        .ok_or("it names the logs")?;
    assert!(std::path::Path::new(logs).join("kube-apiserver.log").is_file());
    std::fs::remove_dir_all(logs)?;
    Ok(())
}

#[test]
fn a_start_that_is_given_up_leaves_nothing() -> Outcome {
    let name = format!("given-up-{}", std::process::id());
    // What runs in the background of a shell without job control ignores Ctrl-C, and so would its children.
    let mut up = Command::new("env")
        .args(["--default-signal=INT", env!("CARGO_BIN_EXE_cluster")])
        .args(["up", "--control-plane-only", "--name", &name])
        .spawn()?;
    let argument = format!("/{name}/data/etcd");
    super::eventually("etcd has started", || {
        Ok(!processes_of(std::path::Path::new(&argument)).is_empty())
    })?;
    // As Ctrl-C does.
    output(Command::new("kill").args(["-INT", &up.id().to_string()]))?;
    up.wait()?;
    super::eventually("all of it is gone", || {
        let is_listed = output(&mut cluster(&["status"]))?.contains(&name);
        Ok(!is_listed && processes_of(std::path::Path::new(&argument)).is_empty())
    })
}
