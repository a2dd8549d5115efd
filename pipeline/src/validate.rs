//! Offline validation of what a schema can't say, shared by the operator (`Accepted`) and `logshipping-sidecar check`.
//!
//! Every error is found at once, each with the path of its field. Nothing here opens a file or a socket.

use std::collections::BTreeSet;
use std::fmt;

use crate::config::{ConfigError, Pipeline};
use crate::destination::{Destination, Kind};
use crate::glob::Patterns;
use crate::source::Source;
use crate::support;
use crate::transform::Transform;

/// Where the specification comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A LogShipping object: destination `file` is refused.
    Cluster,
    /// A configuration file.
    Standalone,
}

/// Something wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldError {
    /// Like `sources[0].format.regex.pattern`, relative to what was validated.
    pub path: String,
    pub message: String,
}

impl FieldError {
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
        }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

impl From<ConfigError> for FieldError {
    fn from(error: ConfigError) -> Self {
        match error {
            ConfigError::Field { path, message } => Self { path, message },
            other => Self::new(".", other.to_string()),
        }
    }
}

/// All errors in one line, as they stand in a status message.
pub fn join(errors: &[FieldError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Judges a pipeline of a configuration file.
pub fn pipeline(pipeline: &Pipeline) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if pipeline.name.is_empty() {
        errors.push(FieldError::new("name", "must not be empty"));
    }
    errors.extend(specification(
        &pipeline.sources,
        &pipeline.transforms,
        &pipeline.destinations,
        Origin::Standalone,
    ));
    errors.extend(support::reclaim(pipeline.reclaim));
    errors
}

/// Judges what a user wrote: the same rules for an object and for a file.
pub fn specification(
    sources: &[Source],
    transforms: &[Transform],
    destinations: &[Destination],
    origin: Origin,
) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if sources.is_empty() {
        errors.push(FieldError::new("sources", "at least one source is needed"));
    }
    if destinations.is_empty() {
        errors.push(FieldError::new("destinations", "at least one destination is needed"));
    }
    unique_names(
        "sources",
        sources.iter().map(|source| source.name.as_str()),
        &mut errors,
    );
    unique_names(
        "destinations",
        destinations.iter().map(|destination| destination.name.as_str()),
        &mut errors,
    );
    for (index, one) in sources.iter().enumerate() {
        source(&format!("sources[{index}]"), one, &mut errors);
    }
    for (index, one) in destinations.iter().enumerate() {
        destination(&format!("destinations[{index}]"), one, sources, origin, &mut errors);
    }
    errors.extend(support::transforms(transforms));
    errors
}

fn unique_names<'a>(list: &str, names: impl Iterator<Item = &'a str>, errors: &mut Vec<FieldError>) {
    let mut seen = BTreeSet::new();
    for (index, name) in names.enumerate() {
        let path = format!("{list}[{index}].name");
        if name.is_empty() {
            errors.push(FieldError::new(path, "must not be empty"));
        } else if !seen.insert(name) {
            errors.push(FieldError::new(path, format!("{name:?} is used twice")));
        }
    }
}

fn source(path: &str, source: &Source, errors: &mut Vec<FieldError>) {
    if source.paths.is_empty() {
        errors.push(FieldError::new(format!("{path}.paths"), "at least one path is needed"));
    }
    for (index, pattern) in source.paths.iter().enumerate() {
        let path = format!("{path}.paths[{index}]");
        if let Err(message) = path_glob(pattern) {
            errors.push(FieldError::new(path, message));
        }
    }
    for (index, pattern) in source.exclude.iter().enumerate() {
        if let Err(error) = globset::Glob::new(pattern) {
            errors.push(FieldError::new(
                format!("{path}.exclude[{index}]"),
                error.kind().to_string(),
            ));
        }
    }
    if source.max_line_bytes.as_bytes() == 0 {
        errors.push(FieldError::new(format!("{path}.maxLineBytes"), "must be at least 1"));
    }
    errors.extend(support::source(path, source));
}

fn path_glob(pattern: &str) -> Result<(), String> {
    Patterns::new(&[pattern.to_owned()], &[]).map_err(|error| error.to_string())?;
    globset::Glob::new(pattern)
        .map(|_| ())
        .map_err(|error| error.kind().to_string())
}

fn destination(
    path: &str,
    destination: &Destination,
    sources: &[Source],
    origin: Origin,
    errors: &mut Vec<FieldError>,
) {
    for (index, name) in destination.sources.iter().enumerate() {
        if !sources.iter().any(|source| source.name == *name) {
            errors.push(FieldError::new(
                format!("{path}.sources[{index}]"),
                format!("there is no source {name:?}"),
            ));
        }
    }
    let Some(kind) = destination.kind() else {
        errors.push(FieldError::new(
            path,
            "exactly one destination type is needed, such as loki or stdout",
        ));
        return;
    };
    if origin == Origin::Cluster && matches!(kind, Kind::File(_)) {
        errors.push(FieldError::new(
            format!("{path}.file"),
            "is only allowed in a configuration file of the sidecar",
        ));
    }
    match kind {
        Kind::Http(http) => url(&format!("{path}.http.url"), &http.url, errors),
        Kind::Loki(loki) => url(&format!("{path}.loki.url"), &loki.url, errors),
        _ => {}
    }
    if destination.timeout.as_millis() == 0 {
        errors.push(FieldError::new(format!("{path}.timeout"), "must be longer than 0s"));
    }
    if destination.retry.initial_backoff > destination.retry.max_backoff {
        errors.push(FieldError::new(
            format!("{path}.retry.initialBackoff"),
            "must not be longer than maxBackoff",
        ));
    }
    errors.extend(references(path, destination));
    errors.extend(support::destination(path, destination, kind));
}

/// Each wrong name once, though a `secretRef` stands for several keys.
fn references(path: &str, destination: &Destination) -> BTreeSet<FieldError> {
    let references = destination.references();
    let problems = references
        .iter()
        .flat_map(|one| one.problems().map(move |problem| (one.field, problem)));
    problems
        .map(|(field, (part, message))| FieldError::new(format!("{path}.{field}.{part}"), message))
        .collect()
}

/// An `http` or `https` URL with a host and without user info; the port, if any, is a number.
fn url(path: &str, url: &str, errors: &mut Vec<FieldError>) {
    let mut refuse = |message: &str| errors.push(FieldError::new(path, format!("{url:?} {message}")));
    let Some(rest) = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")) else {
        return refuse("must begin with http:// or https://");
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return refuse("must not contain user info: use auth");
    }
    let port = match authority.rsplit_once(']') {
        Some((_, after)) => after.strip_prefix(':'),
        None => authority.split_once(':').map(|(_, port)| port),
    };
    if authority.is_empty() || authority.starts_with(':') {
        return refuse("has no host");
    }
    if port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return refuse("has a port that is not a number from 0 to 65535");
    }
    if url.chars().any(|c| c.is_whitespace() || c.is_control()) {
        refuse("must not contain white space");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(yaml: &str) -> Vec<String> {
        let loaded = crate::config::load(&format!("pipelines: [{yaml}]")).unwrap();
        loaded
            .refused
            .iter()
            .flat_map(|refused| &refused.errors)
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn every_error_is_found_at_once_with_its_path() {
        let found = errors(
            "{name: a, sources: [{name: s, paths: [var/log, '/var/../x', '/a[']}, {name: s, paths: ['/x/']}], \
             destinations: [{name: d, sources: [t], http: {url: 'ftp://x'}, loki: {url: 'http://y'}}, \
             {name: e, loki: {url: 'http://user:pw@host'}}, {name: f, http: {url: 'http://host:99999/'}}]}",
        );
        let begins = [
            "sources[1].name: \"s\" is used twice",
            "sources[0].paths[0]: \"var/log\" must be absolute",
            "sources[0].paths[1]: \"/var/../x\" must not contain . or ..",
            "sources[0].paths[2]: ",
            "sources[1].paths[0]: \"/x/\" names a directory",
            "destinations[0].sources[0]: there is no source \"t\"",
            "destinations[0]: exactly one destination type",
            "destinations[1].loki.url: \"http://user:pw@host\" must not contain user info",
            "destinations[2].http.url: \"http://host:99999/\" has a port",
        ];
        assert_eq!(found.len(), begins.len(), "{found:#?}");
        for (found, begin) in found.iter().zip(begins) {
            assert!(found.starts_with(begin), "{found} should begin with {begin}");
        }
    }

    #[test]
    fn a_file_destination_is_for_standalone_use_only() {
        let destination = Destination {
            name: "f".into(),
            file: Some(crate::destination::File::default()),
            ..Default::default()
        };
        let judge = |origin| specification(&[], &[], std::slice::from_ref(&destination), origin);
        let refused = |errors: Vec<FieldError>| {
            errors
                .iter()
                .any(|error| error.message.contains("only allowed in a configuration file"))
        };
        assert!(refused(judge(Origin::Cluster)));
        assert!(!refused(judge(Origin::Standalone)));
    }

    #[test]
    fn a_reference_that_leads_out_of_its_directory_is_refused() {
        let found = errors(
            "{name: a, sources: [{name: s, paths: [/a/b]}], destinations: [{name: d, http: {url: 'http://h'}, \
             tls: {ca: {configMapKeyRef: {name: trust, key: ../x}}}, auth: {basic: {secretRef: {name: ../x}}}}]}",
        );
        let begins = [
            "destinations[0].auth.basic.secretRef.name: \"../x\" is not the name of an object",
            "destinations[0].tls.ca.configMapKeyRef.key: \"../x\" is not a key",
        ];
        for (found, begin) in found.iter().zip(begins) {
            assert!(found.starts_with(begin), "{found} should begin with {begin}");
        }
        assert!(found.len() >= begins.len(), "{found:#?}");
    }

    #[test]
    fn ipv6_hosts_and_paths_are_fine() {
        for url in ["http://[::1]:80/x", "https://loki", "http://h/p?q=1"] {
            let mut errors = Vec::new();
            super::url("u", url, &mut errors);
            assert_eq!(errors, [], "{url}");
        }
    }
}
