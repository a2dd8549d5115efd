//! Who asked the API server for what, and when it was answered: read from its audit log.
//!
//! A request is in the log before its answer is sent, so what somebody has seen of a request's effect is in the log. Also
//! those are in it that changed nothing.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::path::PathBuf;

use jiff::Timestamp;
use serde::Deserialize;

/// The log can't be read.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// It isn't there, or the system refuses.
    #[error("cannot read the audit log {}", file.display())]
    File {
        /// The log.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line is something else.
    #[error("not an audit event: {line}")]
    Event {
        /// All of it.
        line: String,
        /// What is wrong.
        source: serde_json::Error,
    },
}

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
    /// Path and query.
    pub uri: String,
    /// HTTP status of the answer.
    pub code: u16,
    /// When it was answered.
    pub answered: Timestamp,
}

impl Request {
    /// Whether it changed something other than the lease, which whoever leads renews all the time.
    pub fn is_write(&self) -> bool {
        self.has_succeeded() && self.resource != "leases" && self.asks_for_a_change()
    }

    /// Whether it is none of those that only read; it may have been refused.
    pub fn asks_for_a_change(&self) -> bool {
        !["get", "list", "watch"].contains(&self.verb.as_str())
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

/// The requests of one user.
#[derive(Debug)]
pub struct Follower {
    file: PathBuf,
    offset: u64,
    user: String,
    /// The only one; none for all.
    namespace: Option<String>,
}

impl Follower {
    /// Begins with the first one.
    pub fn of_all(file: PathBuf, user: &str) -> Self {
        Self {
            file,
            offset: 0,
            user: user.to_owned(),
            namespace: None,
        }
    }

    /// Only those about a namespace.
    #[must_use]
    pub fn within(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.to_owned());
        self
    }

    /// Begins where the log ends now.
    pub fn from_now(file: PathBuf, user: &str) -> Result<Self, AuditError> {
        let mut follower = Self::of_all(file, user);
        let metadata = follower.file.metadata();
        follower.offset = metadata.map_err(|source| follower.unreadable(source))?.len();
        Ok(follower)
    }

    /// What was answered since the last time. Watches aren't listed: they are answered all the time.
    pub fn read(&mut self) -> Result<Vec<Request>, AuditError> {
        let mut lines = self.rest().map_err(|source| self.unreadable(source))?;
        let (mut requests, mut line) = (Vec::new(), String::new());
        while lines.read_line(&mut line).map_err(|source| self.unreadable(source))? > 0 && line.ends_with('\n') {
            self.offset += line.len() as u64;
            // A look at the text first: most lines are about somebody else, and there are many.
            if line.contains(&self.user) && self.is_mentioned(&line) {
                requests.extend(self.parse(&line)?);
            }
            line.clear();
        }
        Ok(requests)
    }

    fn is_mentioned(&self, line: &str) -> bool {
        self.namespace.as_ref().is_none_or(|only| line.contains(only))
    }

    fn rest(&self) -> io::Result<BufReader<File>> {
        let mut file = File::open(&self.file)?;
        file.seek(SeekFrom::Start(self.offset))?;
        Ok(BufReader::new(file))
    }

    fn unreadable(&self, source: io::Error) -> AuditError {
        AuditError::File {
            file: self.file.clone(),
            source,
        }
    }

    fn parse(&self, line: &str) -> Result<Option<Request>, AuditError> {
        let event: Event = serde_json::from_str(line).map_err(|source| AuditError::Event {
            line: line.to_owned(),
            source,
        })?;
        let ours = event.user.username == self.user && event.stage == "ResponseComplete" && event.verb != "watch";
        let is_there = |object: &ObjectRef| self.namespace.as_ref().is_none_or(|only| object.namespace == *only);
        let object = event.object_ref.filter(|object| ours && is_there(object));
        Ok(object.map(|object| Request {
            user: event.user.username,
            verb: event.verb,
            resource: match object.subresource.as_str() {
                "" => object.resource,
                subresource => format!("{}/{subresource}", object.resource),
            },
            namespace: object.namespace,
            name: object.name,
            uri: event.request_uri,
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
    #[serde(rename = "requestURI")]
    request_uri: String,
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
