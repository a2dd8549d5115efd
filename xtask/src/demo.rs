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

/// The clusterIP and port in `examples/server-logs/loki.yaml`.
const LOKI: &str = "10.96.100.100:3100";
/// From `kubectl apply` to lines in the store takes seconds; a slow machine gets minutes.
const UNTIL_DELIVERING: Duration = Duration::from_secs(180);

/// Starts the demo, anew where one is running.
pub fn up() -> Result<()> {
    let demo = prepare()?;
    let outcome = demo.install().and_then(|()| demo.ship()).and_then(|()| demo.tell());
    outcome.inspect_err(|_| {
        let kubeconfig = demo.kubeconfig.display();
        say(format_args!(
            "the cluster is still up, to look into: export KUBECONFIG={kubeconfig}"
        ));
        say("`make demo-down` removes it");
    })
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
        process::run(
            self.kubectl("apply --filename")
                .arg(workspace::example().join("loki.yaml")),
        )?;
        say("installing the operator with Helm");
        let mut helm = self.in_cluster(&self.helm, "upgrade --install logshipping");
        helm.arg(workspace::chart());
        helm.args("--namespace logshipping-system --create-namespace --hide-notes --wait --timeout 2m".split(' '));
        process::run(&mut helm)
            .context("the operator didn't become available; `kubectl -n logshipping-system describe pods` says why")?;
        process::run(&mut self.kubectl("rollout status deployment/loki --namespace logging --timeout 2m"))
            .context("the log store didn't become available; `kubectl -n logging describe pods` says why")
    }

    fn ship(&self) -> Result<()> {
        say("deploying the application and its LogShipping");
        process::run(self.kubectl("apply --filename").arg(workspace::example()))?;
        say("waiting until its logs arrive");
        for condition in ["Ready", "Delivering"] {
            self.await_condition(condition)?;
        }
        wait::until("the log store answers with shipped lines", UNTIL_DELIVERING, || {
            Ok(!process::output(&mut self.query(1))?.trim().is_empty())
        })
    }

    fn await_condition(&self, condition: &str) -> Result<()> {
        let seconds = UNTIL_DELIVERING.as_secs();
        let line = format!("wait logshipping/server-logs --for=condition={condition} --timeout={seconds}s");
        process::run(&mut self.kubectl(&line)).with_context(|| {
            // The best explanation there is; without it the sentence must do.
            let _ = process::run(&mut self.kubectl("describe logshipping server-logs"));
            format!(
                "the LogShipping is not {condition}; why is said above, and in the operator's log: \
                 kubectl -n logshipping-system logs deployment/logshipping"
            )
        })
    }

    /// Prints what there is to see, and what to try.
    fn tell(&self) -> Result<()> {
        show(&mut self.kubectl("get logshipping --output=wide"))?;
        show(&mut self.kubectl("get pods --selector=app=server"))?;
        show(&mut self.query(5))?;
        let text = include_str!("demo/next.txt")
            .replace("@KUBECONFIG@", &self.kubeconfig.display().to_string())
            .replace("@STORE@", &self.store)
            .replace("@LOGCLI@", &self.logcli.display().to_string());
        Ok(io::stdout().write_all(text.as_bytes())?)
    }

    fn query(&self, lines: u32) -> Command {
        let mut logcli = Command::new(&self.logcli);
        logcli.args(["query", "--quiet", "--since=1h", &format!("--limit={lines}")]);
        logcli.args([&format!("--addr=http://{}", self.store), "{app=\"server\"}"]);
        logcli
    }

    /// kubectl with the words of `line` as its arguments.
    fn kubectl(&self, line: &str) -> Command {
        self.in_cluster(&self.kubectl, line)
    }

    fn in_cluster(&self, program: &Path, line: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("KUBECONFIG", &self.kubeconfig)
            .current_dir(workspace::root());
        command.args(line.split(' '));
        command
    }
}

/// Shows a command and its answer as a terminal would.
fn show(command: &mut Command) -> Result<()> {
    let answer = process::output(command)?;
    Ok(write!(io::stdout(), "\n$ {}\n{answer}", process::in_words(command))?)
}
