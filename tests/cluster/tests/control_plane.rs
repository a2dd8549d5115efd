//! The control plane for real: it starts, its controllers work, RBAC holds, and it leaves nothing behind.

use std::error::Error;
use std::path::Path;
use std::process::{Command, Stdio};
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
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so()? {
        assert!(Instant::now() < deadline, "not within 30 s: {what}");
        thread::yield_now();
    }
    Ok(())
}

#[test]
fn a_deployment_gets_its_pods_which_stay_pending() -> Outcome {
    let cluster = cluster::control_plane::shared()?;
    output(cluster.kubectl().args([
        "create",
        "deployment",
        "web",
        "--image=localhost/none:1",
        "--replicas=2",
    ]))?;
    eventually("two pending pods", || {
        let phases = [
            "get",
            "pods",
            "--selector=app=web",
            "--output=jsonpath={.items[*].status.phase}",
        ];
        Ok(output(cluster.kubectl().args(phases))? == "Pending Pending")
    })
}

#[test]
fn a_user_is_known_by_name_and_may_do_what_rbac_grants() -> Outcome {
    let cluster = cluster::control_plane::shared()?;
    let alice = cluster.kubeconfig_as("alice")?;
    let may_list = |resource: &str| -> Result<bool, Box<dyn Error>> {
        let mut ask = cluster.kubectl();
        ask.env("KUBECONFIG", &alice)
            .args(["auth", "can-i", "list", resource, "--quiet"]);
        Ok(ask.stderr(Stdio::null()).status()?.success())
    };
    assert!(!may_list("secrets")?);
    output(
        cluster
            .kubectl()
            .args(["create", "role", "reader", "--verb=list", "--resource=secrets"]),
    )?;
    output(
        cluster
            .kubectl()
            .args(["create", "rolebinding", "alice-reads", "--role=reader", "--user=alice"]),
    )?;
    eventually("alice may list secrets", || may_list("secrets"))?;
    assert!(!may_list("pods")?);
    Ok(())
}

#[test]
fn a_service_account_s_token_is_accepted_and_every_request_is_audited() -> Outcome {
    let cluster = cluster::control_plane::shared()?;
    output(cluster.kubectl().args(["create", "serviceaccount", "operator"]))?;
    let token = output(cluster.kubectl().args(["create", "token", "operator"]))?;
    let config = cluster.kubeconfig_with_token(token.trim())?;
    let name = "system:serviceaccount:default:operator";
    let mut whoami = cluster.kubectl();
    whoami
        .env("KUBECONFIG", config)
        .args(["auth", "whoami", "--output=jsonpath={.status.userInfo.username}"]);
    assert_eq!(output(&mut whoami)?, name);
    eventually("the question is in the audit log", || {
        let log = std::fs::read_to_string(cluster.audit_log())?;
        Ok(log
            .lines()
            .any(|line| line.contains(name) && line.contains("selfsubjectreviews")))
    })
}

#[test]
fn a_dropped_control_plane_leaves_neither_process_nor_file() -> Outcome {
    let cluster = cluster::control_plane::start()?;
    let folder = cluster.kubeconfig().parent().ok_or("no folder")?.to_owned();
    let processes = processes_of(&folder);
    assert!(
        processes.len() >= 4,
        "holder, etcd, API server and controllers, not {processes:?}"
    );
    drop(cluster);
    eventually("the folder is gone", || Ok(!folder.exists()))?;
    assert_eq!(processes_of(&folder), [] as [String; 0]);
    Ok(())
}

/// Processes whose command line names the cluster's folder.
fn processes_of(folder: &Path) -> Vec<String> {
    let folder = folder.display().to_string();
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let command_lines = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    let readable = command_lines.map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', " "));
    readable.filter(|line| line.contains(&folder)).collect()
}
