//! Who asked the API server for what, and when it was answered: read from its audit log.
//!
//! A request is in the log before its answer is sent, so what somebody has seen of a request's effect is in the log.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::PathBuf;

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde::Deserialize;

/// A request that was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Who asked.
    pub user: String,
    /// As RBAC calls it: `create`, `patch`, `list`.
    pub verb: String,
    /// With the subresource, as in `logshippings/status`.
    pub resource: String,
    /// Empty where there is none.
    pub namespace: String,
    /// Empty where there is none, or only the server knew it.
    pub name: String,
    /// HTTP status of the answer.
    pub code: u16,
    /// When it was answered.
    pub answered: Timestamp,
}

impl Request {
    /// Whether it changed something other than the lease, which whoever leads renews all the time.
    pub fn is_write(&self) -> bool {
        let reads = ["get", "list", "watch"];
        self.has_succeeded() && self.resource != "leases" && !reads.contains(&self.verb.as_str())
    }

    /// Whether it was carried out.
    pub const fn has_succeeded(&self) -> bool {
        self.code < 400
    }

    /// Whether it is such a request.
    pub fn is(&self, verb: &str, resource: &str) -> bool {
        self.verb == verb && self.resource == resource
    }
}

/// The requests of one user, from now on.
#[derive(Debug)]
pub struct Follower {
    file: PathBuf,
    offset: u64,
    user: String,
}

impl Follower {
    /// Begins where the log ends now.
    pub fn new(file: PathBuf, user: &str) -> Result<Self> {
        let offset = file
            .metadata()
            .with_context(|| format!("no audit log at {}", file.display()))?
            .len();
        Ok(Self {
            file,
            offset,
            user: user.to_owned(),
        })
    }

    /// What was answered since the last time. Watches aren't listed: they are answered all the time.
    pub fn read(&mut self) -> Result<Vec<Request>> {
        let mut file = File::open(&self.file)?;
        file.seek(SeekFrom::Start(self.offset))?;
        let mut lines = BufReader::new(file);
        let (mut requests, mut line) = (Vec::new(), String::new());
        while lines.read_line(&mut line)? > 0 && line.ends_with('\n') {
            self.offset += line.len() as u64;
            if line.contains(&self.user) {
                requests.extend(self.parse(&line)?);
            }
            line.clear();
        }
        Ok(requests)
    }

    fn parse(&self, line: &str) -> Result<Option<Request>> {
        let event: Event = serde_json::from_str(line).context("not an audit event")?;
        let ours = event.user.username == self.user && event.stage == "ResponseComplete" && event.verb != "watch";
        Ok(event.object_ref.filter(|_| ours).map(|object| Request {
            user: event.user.username,
            verb: event.verb,
            resource: match object.subresource.as_str() {
                "" => object.resource,
                subresource => format!("{}/{subresource}", object.resource),
            },
            namespace: object.namespace,
            name: object.name,
            code: event.response_status.code,
            answered: event.stage_timestamp,
        }))
    }
}

/// How many requests of each kind, by verb and resource.
pub fn count<'a>(requests: impl IntoIterator<Item = &'a Request>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for request in requests {
        let Request {
            verb, resource, code, ..
        } = request;
        let kind = if request.has_succeeded() {
            format!("{verb} {resource}")
        } else {
            format!("{verb} {resource} ({code})")
        };
        *counts.entry(kind).or_insert(0) += 1;
    }
    counts
}

/// `audit.k8s.io/v1` `Event`, as far as it matters.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    stage: String,
    verb: String,
    user: User,
    object_ref: Option<ObjectRef>,
    #[serde(default)]
    response_status: ResponseStatus,
    stage_timestamp: Timestamp,
}

#[derive(Deserialize)]
struct User {
    username: String,
}

#[derive(Deserialize)]
struct ObjectRef {
    resource: String,
    #[serde(default)]
    subresource: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    name: String,
}

#[derive(Default, Deserialize)]
struct ResponseStatus {
    #[serde(default)]
    code: u16,
}
