//! The control plane for real: it starts, its controllers work, RBAC holds, and it leaves nothing behind.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Error, Outcome, eventually, output, processes_of};

/// Set for a process that is to be killed in the middle of a test.
const DOOMED: &str = "CLUSTER_TEST_DOOMED";

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
    let folder = folder_of(&cluster)?.to_owned();
    let processes = processes_of(&folder);
    assert!(
        processes.len() >= 4,
        "holder, etcd, API server and controllers, not {processes:?}"
    );
    drop(cluster);
    eventually("folder and processes are gone", || {
        Ok(!folder.exists() && processes_of(&folder).is_empty())
    })?;
    Ok(())
}

#[test]
fn nothing_is_left_when_the_test_process_is_killed() -> Outcome {
    let mut doomed = Command::new(std::env::current_exe()?)
        .args([
            "--exact",
            "control_plane::a_process_that_is_killed",
            "--ignored",
            "--nocapture",
        ])
        .env(DOOMED, "yes")
        .stdout(Stdio::piped())
        .spawn()?;
    let lines = BufReader::new(doomed.stdout.take().ok_or("no output")?).lines();
    let mut folders = lines
        .map_while(Result::ok)
        .filter_map(|line| line.strip_prefix("folder ").map(PathBuf::from));
    let folder = folders.next().ok_or("the process ended without a cluster")?;
    assert!(folder.exists() && !processes_of(&folder).is_empty());
    doomed.kill()?;
    doomed.wait()?;
    eventually("folder and processes are gone", || {
        Ok(!folder.exists() && processes_of(&folder).is_empty())
    })?;
    Ok(())
}

#[test]
#[ignore = "started by another test, which kills it"]
fn a_process_that_is_killed() -> Outcome {
    if std::env::var_os(DOOMED).is_some() {
        let cluster = cluster::control_plane::start()?;
        println!("folder {}", folder_of(&cluster)?.display());
        std::thread::park();
    }
    Ok(())
}

#[test]
fn a_holder_that_is_killed_takes_its_cluster_along_and_the_next_start_sweeps_up() -> Outcome {
    let cluster = cluster::control_plane::start()?;
    let folder = folder_of(&cluster)?.to_owned();
    let holder = std::fs::read_to_string(folder.join("lock"))?;
    output(Command::new("kill").args(["-KILL", holder.trim()]))?;
    eventually("all its processes are gone", || Ok(processes_of(&folder).is_empty()))?;
    assert!(folder.exists(), "nobody is left who could have removed it");
    let next = cluster::control_plane::start()?;
    assert!(!folder.exists());
    drop(next);
    Ok(())
}

fn folder_of(cluster: &cluster::control_plane::ControlPlane) -> Result<&Path, Box<dyn Error>> {
    Ok(cluster.kubeconfig().parent().ok_or("a kubeconfig lies in a folder")?)
}
