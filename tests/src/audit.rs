//! Who wrote what, as the API server recorded it; also what changed nothing.

use cluster::control_plane::ControlPlane;
use serde_json::Value;

/// A request that asked for a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    pub verb: String,
    /// Plural, with the subresource behind a slash where there is one.
    pub resource: String,
    pub uri: String,
    /// Of the answer.
    pub code: u64,
}

/// Writes of a user in a namespace so far.
///
/// # Panics
/// When there is no audit log.
pub fn writes(control_plane: &ControlPlane, user: &str, namespace: &str) -> Vec<Write> {
    let log =
        std::fs::read_to_string(control_plane.audit_log()).unwrap_or_else(|error| panic!("no audit log: {error}"));
    let mentioned = log.lines().filter(|line| line.contains(namespace));
    let events = mentioned.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let theirs =
        events.filter(|event| event["user"]["username"] == user && event["objectRef"]["namespace"] == namespace);
    let writes = theirs.filter(|event| !matches!(event["verb"].as_str(), Some("get" | "list" | "watch")));
    writes.map(|event| write(&event)).collect()
}

fn write(event: &Value) -> Write {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let object = &event["objectRef"];
    let below = object["subresource"]
        .as_str()
        .map(|name| format!("/{name}"))
        .unwrap_or_default();
    Write {
        verb: text(&event["verb"]),
        resource: format!("{}{below}", text(&object["resource"])),
        uri: text(&event["requestURI"]),
        code: event["responseStatus"]["code"].as_u64().unwrap_or_default(),
    }
}

impl Write {
    /// Whether it was carried out.
    pub const fn succeeded(&self) -> bool {
        self.code / 100 == 2
    }
}
