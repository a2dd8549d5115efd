//! Reading back from a real Grafana Loki what was shipped.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;

/// A log store that answers on the host's loopback.
#[derive(Debug, Clone, Copy)]
pub struct Store {
    address: SocketAddr,
}

/// More lines than any test ships.
const LIMIT: &str = "--limit=1000000";

impl Store {
    pub const fn at(address: SocketAddr) -> Self {
        Self { address }
    }

    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The lines of all streams that match, oldest first. A store that doesn't answer has none.
    ///
    /// # Panics
    /// When `logcli` can't be had.
    pub fn lines(&self, selector: &str) -> Vec<String> {
        let arguments = [
            "query",
            "--quiet",
            "--forward",
            "--since=2h",
            "--batch=5000",
            LIMIT,
            "--output=raw",
            selector,
        ];
        self.logcli(&arguments).lines().map(str::to_owned).collect()
    }

    fn logcli(&self, arguments: &[&str]) -> String {
        let logcli = cluster::tools::ensure("logcli").unwrap_or_else(|error| panic!("no logcli: {error}"));
        let output = Command::new(logcli)
            .env("LOKI_ADDR", format!("http://{}", self.address))
            .args(arguments)
            .output();
        output
            .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
            .unwrap_or_default()
    }

    /// How many lines all matching streams have, duplicates included.
    pub fn count(&self, selector: &str) -> u64 {
        let query = format!("sum(count_over_time({selector}[2h]))");
        let output = self.logcli(&["instant-query", "--quiet", &query]);
        let answer: serde_json::Value = serde_json::from_str(&output).unwrap_or_default();
        answer[0]["value"][1]
            .as_str()
            .and_then(|count| count.parse().ok())
            .unwrap_or(0)
    }

    /// How often each number after `seq=` was shipped.
    pub fn numbers(&self, selector: &str) -> Numbers {
        let mut seen = BTreeMap::new();
        for number in self.lines(selector).iter().filter_map(|line| number_of(line)) {
            *seen.entry(number).or_insert(0) += 1;
        }
        Numbers { seen }
    }
}

fn number_of(line: &str) -> Option<u64> {
    line.rsplit_once("seq=")?.1.trim().parse().ok()
}

/// The numbered lines of one file of one writer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbers {
    seen: BTreeMap<u64, u32>,
}

impl Numbers {
    pub fn highest(&self) -> u64 {
        self.seen.keys().next_back().copied().unwrap_or(0)
    }

    /// Numbers from 1 to the highest that never came.
    pub fn missing(&self) -> Vec<u64> {
        (1..=self.highest())
            .filter(|number| !self.seen.contains_key(number))
            .collect()
    }

    /// How many lines came more often than once, each further time counted.
    pub fn duplicates(&self) -> u32 {
        self.seen.values().map(|times| times - 1).sum()
    }
}
