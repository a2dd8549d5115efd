//! The sidecar's configuration, and how it changes while lines are shipped: by flips of `..data`, as the kubelet makes them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::ground::Ground;
use crate::receiver::Receiver;
use crate::scenario::{DestinationPlan, Kind, Reload, Scenario};

/// How long a process that is to end may take for what is left.
pub(crate) const DRAIN_SECONDS: u64 = 2;
/// After so long a request has failed.
pub(crate) const TIMEOUT_SECONDS: u64 = 2;

/// The directory that is mounted, and what is in it.
#[derive(Debug)]
pub(crate) struct Configuration {
    directory: PathBuf,
    logs: PathBuf,
    destinations: Vec<(DestinationPlan, String)>,
    /// Counts all that were written.
    version: u32,
    /// Counts changes of what each part of it says.
    elsewhere: u32,
    address: u32,
    /// The last good one, and its revision.
    good: String,
    revision: String,
}

impl Configuration {
    pub(crate) fn new(ground: &Ground, receivers: &[Receiver], scenario: &Scenario) -> Self {
        let directory = ground.own("config");
        fs::create_dir(&directory).expect("a directory");
        let urls = receivers
            .iter()
            .map(|receiver| format!("http://{}", receiver.address()));
        let mut configuration = Self {
            directory,
            logs: ground.inside("logs"),
            destinations: scenario.destinations.iter().copied().zip(urls).collect(),
            version: 0,
            elsewhere: 0,
            address: 0,
            good: String::new(),
            revision: String::new(),
        };
        configuration.change(Reload::Elsewhere);
        let link = configuration.directory.join("config.json");
        symlink("..data/config.json", link).expect("a link");
        configuration
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// What a sidecar says that it runs, once it has taken over the last good one.
    pub(crate) fn revision(&self) -> &str {
        &self.revision
    }

    /// Writes another configuration.
    pub(crate) fn change(&mut self, what: Reload) {
        let text = match what {
            Reload::Elsewhere => {
                self.elsewhere += 1;
                self.renew()
            }
            Reload::Address => {
                self.address += 1;
                self.renew()
            }
            Reload::Refused => refused(&self.good, self.version),
        };
        self.flip(&text);
    }

    /// Writes the last good one again. A process that is started finds nothing bad.
    pub(crate) fn repair(&mut self) {
        let good = self.good.clone();
        self.flip(&good);
    }

    fn flip(&mut self, text: &str) {
        self.version += 1;
        let version = format!("..version-{}", self.version);
        let directory = self.directory.join(&version);
        fs::create_dir(&directory).expect("a directory");
        fs::write(directory.join("config.json"), text).expect("a configuration");
        let fresh = self.directory.join("..data_tmp");
        symlink(&version, &fresh).expect("a link");
        fs::rename(&fresh, self.directory.join("..data")).expect("a flip");
        let before = self.directory.join(format!("..version-{}", self.version - 1));
        // The first has none before it.
        let _ = fs::remove_dir_all(before);
    }

    fn renew(&mut self) -> String {
        self.revision = format!("logs-{}", self.version + 1);
        self.good = self.text();
        self.good.clone()
    }

    fn text(&self) -> String {
        // Things that change how files are looked for, how they are told of, or nothing about them.
        let even = self.elsewhere.is_multiple_of(2);
        let exclude = if even {
            json!(["/var/log/none"])
        } else {
            json!(["/var/log/no", "/var/log/one"])
        };
        let mut pipelines = vec![json!({
            "name": "chaos/logs", "revision": self.revision,
            "sources": [{
                "name": "app", "paths": ["/var/log/**/*.log*"], "startAt": "Beginning", "exclude": exclude,
                "mounts": [{"path": "/var/log", "at": self.logs}],
            }],
            "destinations": (0..self.destinations.len()).map(|number| self.destination(number)).collect::<Vec<_>>(),
        })];
        if !even {
            pipelines.insert(0, self.other());
        }
        json!({
            "version": 1, "pipelines": pipelines,
            "sidecar": {"drainTimeout": format!("{DRAIN_SECONDS}s"), "logLevel": if even { "Info" } else { "Debug" }},
        })
        .to_string()
    }

    fn destination(&self, number: usize) -> Value {
        let (plan, url) = &self.destinations[number];
        let url = format!("{url}/{}", self.address);
        let mut destination = json!({
            "name": format!("out{number}"), "timeout": format!("{TIMEOUT_SECONDS}s"),
            "batch": {"maxBytes": plan.batch_bytes, "inFlight": plan.in_flight},
            "retry": {"initialBackoff": "20ms", "maxBackoff": "500ms"},
        });
        match plan.kind {
            Kind::Http => destination["http"] = json!({"url": url}),
            Kind::Loki => {
                destination["loki"] = json!({"url": url, "structuredMetadata": ["log.file.offset"]});
            }
        }
        destination
    }

    /// A pipeline that comes and goes, and has nothing to do.
    fn other(&self) -> Value {
        json!({
            "name": "chaos/other", "revision": "other-1",
            "sources": [{
                "name": "app", "paths": ["/var/log/nothing"],
                "mounts": [{"path": "/var/log", "at": self.logs}],
            }],
            "destinations": [{"name": "out0", "stdout": {}}],
        })
    }
}

/// Ways in which a configuration can be bad.
fn refused(good: &str, version: u32) -> String {
    match version % 3 {
        0 => good[..good.len() / 2].to_owned(),
        1 => good.replace("startAt", "startsAt"),
        _ => good.replace("\"version\":1", "\"version\":99"),
    }
}
