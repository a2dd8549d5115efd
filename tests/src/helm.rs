//! Helm, of either version, with the chart of an application.

use std::path::PathBuf;
use std::process::Command;

use crate::kubectl::Namespace;

/// The two versions that owners use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// Writes the three-way merge of two releases and what lives.
    Three,
    /// Applies on the server, without force.
    Four,
}

/// One release of the chart.
#[derive(Debug)]
pub struct Release<'a> {
    namespace: &'a Namespace,
    program: PathBuf,
    chart: PathBuf,
}

/// Name of every release; each has a namespace of its own.
const NAME: &str = "shop";

impl<'a> Release<'a> {
    /// # Panics
    /// When Helm can't be built.
    pub fn new(namespace: &'a Namespace, version: Version, chart: PathBuf) -> Self {
        let name = match version {
            Version::Three => "helm3",
            Version::Four => "helm",
        };
        let program = cluster::tools::ensure(name).unwrap_or_else(|error| panic!("no {name}: {error}"));
        Self {
            namespace,
            program,
            chart,
        }
    }

    /// `helm upgrade --install` with these values.
    ///
    /// # Panics
    /// When Helm fails.
    pub fn upgrade(&self, values: &[String]) {
        let chart = self.chart.to_string_lossy();
        let sets: Vec<_> = values.iter().map(|value| format!("--set-string={value}")).collect();
        let mut arguments = vec!["upgrade", "--install", NAME, &*chart];
        arguments.extend(sets.iter().map(String::as_str));
        self.run(&arguments);
    }

    /// Back to a revision of the release, the first of which is 1.
    ///
    /// # Panics
    /// When Helm fails.
    pub fn rollback(&self, revision: u32) {
        self.run(&["rollback", NAME, &revision.to_string()]);
    }

    /// What the release consists of.
    ///
    /// # Panics
    /// When Helm fails.
    pub fn manifest(&self) -> String {
        self.run(&["get", "manifest", NAME])
    }

    /// Number of the newest revision.
    ///
    /// # Panics
    /// When Helm fails.
    pub fn revision(&self) -> u32 {
        let history: serde_json::Value =
            serde_json::from_str(&self.run(&["history", NAME, "--output=json"])).unwrap_or_default();
        let newest = history
            .as_array()
            .and_then(|all| all.last())
            .map(|last| last["revision"].clone());
        let number = newest.and_then(|number| u32::try_from(number.as_u64()?).ok());
        number.unwrap_or_else(|| panic!("no revision in {history}"))
    }

    fn run(&self, arguments: &[&str]) -> String {
        let output = Command::new(&self.program)
            .env("KUBECONFIG", self.namespace.kubeconfig())
            .args(["--namespace", self.namespace.name()])
            .args(arguments)
            .output();
        let output = output.unwrap_or_else(|error| panic!("no Helm: {error}"));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(
            output.status.success(),
            "helm {}: {}",
            arguments.join(" "),
            text(&output.stderr)
        );
        text(&output.stdout)
    }
}
