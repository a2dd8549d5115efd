//! `make demo`: a real cluster, a real log store, the operator from its chart, and an application whose logs arrive.
//!
//! Every command that matters is one that people can type themselves; what is printed at the end is what they answer.
//! Nothing here is only for show: the end-to-end tests take the same chart and the same files.

mod cluster_program;
mod wait;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use cluster::progress::say;

use crate::{images, process, workspace};
use cluster_program::ClusterProgram;

/// Where the chart is installed.
const OPERATOR_NAMESPACE: &str = "logshipping-system";
/// The clusterIP and port in `examples/server-logs/loki.yaml`.
const LOKI: &str = "10.96.100.100:3100";
/// From `kubectl apply` to lines in the store takes seconds; a slow machine gets minutes.
const UNTIL_DELIVERING: Duration = Duration::from_secs(180);
/// For the operator and the log store, whose images are already on the node.
const UNTIL_AVAILABLE: &str = "120s";

/// Starts the demo, anew where one is running.
pub fn up() -> Result<()> {
    let demo = prepare()?;
    demo.install()?;
    demo.ship()?;
    demo.tell()
}

/// Removes all of it.
pub fn down() -> Result<()> {
    ClusterProgram::build()?.down()?;
    say("the demo is gone; what was built stays in the cache");
    Ok(())
}

/// A running cluster, and the programs to use it with.
struct Demo {
    kubeconfig: PathBuf,
    /// Where the log store answers on this machine.
    store: String,
    kubectl: PathBuf,
    helm: PathBuf,
    logcli: PathBuf,
}

fn prepare() -> Result<Demo> {
    let [kubectl, helm, logcli] = ["kubectl", "helm", "logcli"].map(cluster::tools::ensure);
    let (kubectl, helm, logcli) = (kubectl?, helm?, logcli?);
    let archives = images::build(&workspace::images(), &images::DEMO)?;
    let cluster = ClusterProgram::build()?;
    cluster.down()?;
    cluster.up()?;
    archives.iter().try_for_each(|archive| cluster.load_image(archive))?;
    Ok(Demo {
        kubeconfig: cluster.kubeconfig()?,
        store: cluster.publish(LOKI)?,
        kubectl,
        helm,
        logcli,
    })
}

impl Demo {
    fn install(&self) -> Result<()> {
        say("installing the log store");
        let store = workspace::example().join("loki.yaml");
        process::run(self.kubectl(&["apply", "--filename"]).arg(store))?;
        say("installing the operator with Helm");
        let mut install = self.with_kubeconfig(&self.helm);
        install
            .args(["upgrade", "--install", "logshipping"])
            .arg(workspace::chart());
        install.args([
            "--namespace",
            OPERATOR_NAMESPACE,
            "--create-namespace",
            "--wait",
            "--timeout",
            UNTIL_AVAILABLE,
        ]);
        process::run(&mut install)
            .context("the operator didn't become available; `kubectl -n logshipping-system describe pods` says why")?;
        let available = [
            "--namespace",
            "logging",
            "rollout",
            "status",
            "deployment/loki",
            "--timeout",
            UNTIL_AVAILABLE,
        ];
        process::run(&mut self.kubectl(&available))
    }

    fn ship(&self) -> Result<()> {
        say("deploying the application and its LogShipping");
        process::run(self.kubectl(&["apply", "--filename"]).arg(workspace::example()))?;
        say("waiting until its logs arrive");
        for condition in ["Ready", "Delivering"] {
            self.await_condition(condition)?;
        }
        wait::until("the log store answers with shipped lines", UNTIL_DELIVERING, || {
            Ok(!process::output(&mut self.query(1))?.trim().is_empty())
        })
    }

    fn await_condition(&self, condition: &str) -> Result<()> {
        let condition = format!("--for=condition={condition}");
        let timeout = format!("--timeout={}s", UNTIL_DELIVERING.as_secs());
        let mut waiting = self.kubectl(&["wait", "logshipping/server-logs", &condition, &timeout]);
        process::run(&mut waiting).with_context(|| {
            // The best explanation there is; without it the sentence must do.
            let _ = process::run(&mut self.kubectl(&["describe", "logshipping", "server-logs"]));
            format!(
                "the LogShipping did not get there; its conditions are above. The cluster is still up: \
                 KUBECONFIG={} kubectl -n {OPERATOR_NAMESPACE} logs deployment/logshipping",
                self.kubeconfig.display()
            )
        })
    }

    /// Prints what there is to see, and what to try.
    fn tell(&self) -> Result<()> {
        show(&mut self.kubectl(&["get", "logshipping", "--output=wide"]))?;
        show(&mut self.kubectl(&["get", "pods", "--selector=app=server"]))?;
        show(&mut self.query(5))?;
        let text = include_str!("demo/next.txt")
            .replace("@KUBECONFIG@", &self.kubeconfig.display().to_string())
            .replace("@STORE@", &self.store)
            .replace("@LOGCLI@", &self.logcli.display().to_string());
        Ok(io::stdout().write_all(text.as_bytes())?)
    }

    fn query(&self, lines: u32) -> Command {
        let mut logcli = Command::new(&self.logcli);
        logcli.args([
            "query",
            "--quiet",
            &format!("--addr=http://{}", self.store),
            "--since=1h",
        ]);
        logcli.args([&format!("--limit={lines}"), "{app=\"server\"}"]);
        logcli
    }

    fn kubectl(&self, arguments: &[&str]) -> Command {
        let mut kubectl = self.with_kubeconfig(&self.kubectl);
        kubectl.args(arguments);
        kubectl
    }

    fn with_kubeconfig(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env("KUBECONFIG", &self.kubeconfig)
            .current_dir(workspace::root());
        command
    }
}

/// Shows a command and its answer as a terminal would.
fn show(command: &mut Command) -> Result<()> {
    let answer = process::output(command)?;
    Ok(write!(io::stdout(), "\n$ {}\n{answer}", process::in_words(command))?)
}
