//! The node for real. Needs root.

use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Command;
use std::thread;

use cluster::addresses;
use cluster::image_archive::{ImageArchive, ImageFile};
use cluster::isolation::routes_into_clusters;
use cluster::node::Node;

use super::host::Picture;
use super::{Error, Outcome, eventually, output, processes_of};

/// The node has it from the start.
const PAUSE: &str = "localhost/pause:1";

fn run_pod(node: &Node, name: &str, image: &str) -> Outcome {
    output(
        node.kubectl()
            .args(["run", name, "--image", image, "--image-pull-policy=Never"]),
    )?;
    let wait = ["wait", "--for=condition=Ready", "--timeout=60s", &format!("pod/{name}")];
    output(node.kubectl().args(wait)).map(drop)
}

/// The node's folder, and the name that goes with it.
fn home(node: &Node) -> Result<(PathBuf, String), Box<dyn Error>> {
    let folder = node.kubeconfig().parent().ok_or("a kubeconfig lies in a folder")?;
    let name = folder.file_name().ok_or("the folder has a name")?;
    Ok((folder.to_owned(), name.to_string_lossy().into_owned()))
}

#[test]
fn a_pod_runs_and_the_host_stays_as_it_was() -> Outcome {
    let before = Picture::take()?;
    let node = cluster::node::start(&[])?;
    let (folder, name) = home(&node)?;
    run_pod(&node, "web", PAUSE)?;

    assert_eq!(routes_into_clusters()?, []);
    let during = before.differences(&Picture::take()?, &name);
    let others: Vec<_> = during.iter().filter(|fact| !fact.starts_with("cgroup ")).collect();
    assert_eq!(
        others,
        [] as [&String; 0],
        "only its control groups may be seen from outside"
    );
    assert!(
        !during.is_empty(),
        "the picture must show the cluster's control groups, or it shows nothing"
    );

    drop(node);
    eventually("folder and processes are gone", || {
        Ok(!folder.exists() && processes_of(&folder).is_empty())
    })?;
    assert_eq!(before.differences(&Picture::take()?, &name), [] as [String; 0]);
    Ok(())
}

#[test]
fn a_killed_holder_takes_every_pod_along_and_the_next_start_removes_the_control_groups() -> Outcome {
    let before = Picture::take()?;
    let node = cluster::node::start(&[])?;
    let (folder, name) = home(&node)?;
    run_pod(&node, "web", PAUSE)?;
    let holder = std::fs::read_to_string(folder.join("lock"))?;
    output(Command::new("kill").args(["-KILL", holder.trim()]))?;
    eventually("all its processes are gone", || Ok(processes_of(&folder).is_empty()))?;
    let sweeper = cluster::control_plane::start()?;
    assert!(!folder.exists());
    assert_eq!(before.differences(&Picture::take()?, &name), [] as [String; 0]);
    drop(sweeper);
    Ok(())
}

#[test]
fn a_service_s_address_can_be_published_on_the_host() -> Outcome {
    let node = cluster::node::shared()?;
    let service = SocketAddr::from((addresses::KUBERNETES_SERVICE, 443));
    let published = node.publish(service)?;
    assert!(published.ip().is_loopback());
    let server = format!("--server=https://{published}");
    // kube-proxy writes its rules a moment after the node is ready.
    eventually("the API server answers by its service address", || {
        Ok(node
            .kubectl()
            .args([&server, "--request-timeout=5s", "get", "--raw", "/readyz"])
            .output()?
            .status
            .success())
    })
}

#[test]
fn what_is_inside_reaches_a_listener_that_the_test_made_there() -> Outcome {
    let node = cluster::node::shared()?;
    let listener = node.in_network(|| TcpListener::bind((addresses::NODE, 0)))?;
    let address = listener.local_addr()?;
    let received = thread::spawn(move || {
        let mut text = String::new();
        let (mut client, _) = listener.accept()?;
        client.read_to_string(&mut text).map(|_| text)
    });
    let dial = format!("echo from inside > /dev/tcp/{}/{}", address.ip(), address.port());
    output(node.exec("bash")?.args(["-c", &dial]))?;
    let text = received.join().map_err(|_| "the listener panicked")??;
    assert_eq!(text, "from inside\n");
    Ok(())
}

#[test]
fn a_command_inside_sees_the_node_and_finds_its_api_server() -> Outcome {
    let node = cluster::node::shared()?;
    assert_eq!(output(&mut node.exec("hostname")?)?.trim(), addresses::NODE_NAME);
    let kubectl = cluster::tools::ensure("kubectl")?;
    assert_eq!(
        output(node.exec(kubectl)?.args(["get", "nodes", "--output=name"]))?.trim(),
        "node/node1"
    );
    let status = node.exec("sh")?.args(["-c", "exit 7"]).status()?;
    assert_eq!(status.code(), Some(7));
    Ok(())
}

#[test]
fn there_is_no_way_out_of_the_node() -> Outcome {
    let node = cluster::node::shared()?;
    let default = output(node.exec("ip")?.args(["route", "show", "default"]))?;
    assert_eq!(default.trim(), "default dev node0 scope link");
    let links = output(node.exec("ip")?.args(["-brief", "link"]))?;
    let names = links.lines().filter_map(|line| line.split_whitespace().next());
    // The cable's two ends, the bridge, and the pods' ends of their cables.
    let is_inner =
        |name: &str| matches!(name, "lo" | "node0@node0p" | "node0p@node0" | "cni0") || name.starts_with("veth");
    let outer: Vec<_> = names.filter(|name| !is_inner(name)).collect();
    // The kernel puts devices of its own into every namespace; those that are down lead nowhere.
    let up = links
        .lines()
        .filter(|line| outer.iter().any(|name| line.starts_with(name)) && line.contains("LOWER_UP"));
    assert_eq!(up.collect::<Vec<_>>(), [] as [&str; 0]);
    Ok(())
}

#[test]
fn a_loaded_image_runs_as_its_archive_says() -> Outcome {
    let node = cluster::node::shared()?;
    let folder = tempfile::tempdir()?;
    let archive = folder.path().join("image.tar");
    image_of_pause()?.write(&archive)?;
    node.load_image(&archive)?;
    run_pod(node, "loaded", "registry.example.com/team/waiter:1.2.3")?;
    let nowhere = node
        .load_image(&folder.path().join("nowhere.tar"))
        .err()
        .ok_or("there is no such archive")?;
    assert!(nowhere.to_string().contains("nowhere.tar"), "{nowhere}");
    let rubbish = folder.path().join("rubbish.tar");
    std::fs::write(&rubbish, "not an archive")?;
    assert!(node.load_image(&rubbish).is_err());
    Ok(())
}

/// The program that waits, under a name and a user of another image.
fn image_of_pause() -> Result<ImageArchive, Box<dyn Error>> {
    let program = tempfile::tempdir()?;
    let path = program.path().join("waiter");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/bin/pause.rs");
    output(
        Command::new("rustc")
            .args(["--edition=2024", "-Ctarget-feature=+crt-static", "-o"])
            .arg(&path)
            .arg(source),
    )?;
    Ok(ImageArchive {
        reference: "registry.example.com/team/waiter:1.2.3".to_owned(),
        entrypoint: vec!["/bin/waiter".to_owned()],
        user: "65532:0".to_owned(),
        files: vec![ImageFile {
            path: "/bin/waiter".to_owned(),
            mode: 0o755,
            bytes: std::fs::read(&path)?,
        }],
        ..ImageArchive::default()
    })
}
