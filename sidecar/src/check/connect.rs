//! `check --connect`: goes to every destination as a running sidecar would, and says how far it came. Nothing is stored
//! anywhere: a destination whose protocol has no harmless request is only connected to.

use crate::batch::Answer;
use crate::destination::{self, Channel, Limits, Probe};
use crate::transport::{Messenger, Surroundings};

/// How far the way to one destination leads.
#[derive(Debug, PartialEq, Eq)]
pub struct Connected {
    /// Pipeline and destination.
    pub name: String,
    /// What was reached, or what stands in the way.
    pub outcome: Result<String, String>,
}

/// Tries the destinations of all usable pipelines of a configuration text, one after the other.
///
/// # Errors
/// When there is no runtime to be had.
pub fn destinations(text: &str, around: &Surroundings) -> std::io::Result<Vec<Connected>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(connect_all(text, around)))
}

async fn connect_all(text: &str, around: &Surroundings) -> Vec<Connected> {
    let loaded = pipeline::config::load(text);
    let pipelines = loaded.map(|loaded| loaded.pipelines).unwrap_or_default();
    let mut connected = Vec::new();
    for pipeline in &pipelines {
        for destination in &pipeline.destinations {
            connected.push(Connected {
                name: format!("{}: {}", pipeline.name, destination.name),
                outcome: connect(destination, around).await,
            });
        }
    }
    connected
}

async fn connect(destination: &pipeline::Destination, around: &Surroundings) -> Result<String, String> {
    let built = destination::build(destination, &Limits::of(destination));
    let (_, channel) = built.map_err(|error| error.to_string())?;
    let Channel::Http { endpoint, probe, .. } = channel else {
        return Ok("nothing to connect to".to_owned());
    };
    let messenger = Messenger::new(*endpoint, destination, around).map_err(|error| error.to_string())?;
    let address = messenger.address();
    let answer = match probe {
        Probe::Nothing => match messenger.reach().await {
            Ok(()) => return Ok(format!("{address} can be reached; nothing was sent")),
            Err(error) => destination::of_request_error(&error),
        },
        Probe::Empty { body, classify } => match messenger.post(body).await {
            Ok(response) => classify(&response),
            Err(error) => destination::of_request_error(&error),
        },
    };
    match answer {
        Answer::Accepted { .. } => Ok(format!("{address} takes requests")),
        Answer::Retry { failure, .. }
        | Answer::Blocked { failure }
        | Answer::Split { failure }
        | Answer::Refused { failure } => Err(format!("{}: {}", failure.reason.as_str(), failure.message)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::script::{Reaction, Server};

    /// What is said of a destination, on a server that answers like this, and how many requests that took.
    async fn said(
        reaction: Reaction,
        destination: impl FnOnce(&str) -> serde_json::Value,
    ) -> (Result<String, String>, usize) {
        let server = Server::start(move |_| reaction).await;
        let config = serde_json::json!({"pipelines": [{
            "name": "p", "sources": [{"name": "s", "paths": ["/a"]}], "destinations": [destination(&server.url())],
        }]});
        let mut connected = connect_all(&config.to_string(), &Surroundings::default()).await;
        assert_eq!((connected.len(), connected[0].name.as_str()), (1, "p: d"));
        (connected.remove(0).outcome, server.seen().len())
    }

    fn loki(url: &str) -> serde_json::Value {
        serde_json::json!({"name": "d", "loki": {"url": url}})
    }

    #[tokio::test]
    async fn loki_is_asked_to_store_nothing() {
        let nothing = Reaction::Answer(422, "", "error at least one valid stream is required for ingestion\n");
        let (outcome, requests) = said(nothing, loki).await;
        assert!(outcome.unwrap().ends_with(" takes requests"));
        assert_eq!(requests, 1);
        let (outcome, _) = said(Reaction::Answer(401, "", "no org id"), loki).await;
        assert_eq!(outcome.unwrap_err(), "Unauthorized: 401 Unauthorized: no org id");
        let (outcome, _) = said(Reaction::Answer(422, "", "something else"), loki).await;
        assert!(outcome.is_err());
    }

    #[tokio::test]
    async fn http_is_only_connected_to() {
        let http = |url: &str| serde_json::json!({"name": "d", "http": {"url": url}});
        let (outcome, requests) = said(Reaction::Reset, http).await;
        assert!(outcome.unwrap().ends_with("nothing was sent"));
        assert_eq!(requests, 0);
        let dead = |_: &str| serde_json::json!({"name": "d", "http": {"url": "http://127.0.0.1:1"}});
        let error = said(Reaction::Reset, dead).await.0.unwrap_err();
        assert!(
            error.starts_with("Unreachable: no connection to 127.0.0.1:1"),
            "{error}"
        );
        let missing = |url: &str| {
            let auth = serde_json::json!({"bearer": {"secretKeyRef": {"name": "a", "key": "k"}}});
            serde_json::json!({"name": "d", "http": {"url": url}, "auth": auth})
        };
        let error = said(Reaction::Reset, missing).await.0.unwrap_err();
        assert!(error.starts_with("SecretMissing: key \"k\" of Secret \"a\""), "{error}");
        let (outcome, _) = said(Reaction::Reset, |_| serde_json::json!({"name": "d", "stdout": {}})).await;
        assert_eq!(outcome, Ok("nothing to connect to".to_owned()));
    }
}
