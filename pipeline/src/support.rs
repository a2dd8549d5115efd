//! What this release understands but doesn't do yet. A field that would be ignored is refused, with a sentence that
//! says so: a skipped `redact` would leak, a skipped `tls.ca` would trust the wrong server.
//!
//! This is the one place to delete from when a feature arrives.

use crate::destination::{Destination, Kind};
use crate::validate::FieldError;

/// The sentence that every refusal ends with.
pub const NOT_YET: &str = "is not supported by this version yet";

/// An error that says that `path` does nothing yet.
pub fn not_yet(path: impl Into<String>) -> FieldError {
    FieldError::new(path, NOT_YET)
}

pub(crate) fn destination(path: &str, destination: &Destination, kind: Kind<'_>) -> Vec<FieldError> {
    let built = matches!(kind, Kind::Stdout(_) | Kind::File(_) | Kind::Http(_) | Kind::Loki(_));
    let proxy = destination.proxy.as_deref();
    // The connection to the proxy itself; what goes through it to an https destination is encrypted anyway.
    let encrypted_proxy = proxy.is_some_and(|proxy| proxy.starts_with("https://"));
    [(!built, kind.name()), (encrypted_proxy, "proxy")]
        .into_iter()
        .filter(|(unsupported, _)| *unsupported)
        .map(|(_, field)| not_yet(format!("{path}.{field}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::config;

    #[test]
    fn what_does_nothing_yet_is_refused_and_named() {
        let yaml = "pipelines: [{name: a, \
            sources: [{name: s, paths: [/a/b]}], \
            destinations: [{name: d, kafka: {brokers: ['k:1'], topic: t}, proxy: 'https://p'}]}]";
        let refused = config::load(yaml).unwrap().refused;
        let unsupported = refused[0].errors.iter().filter(|error| error.message == super::NOT_YET);
        let paths: Vec<_> = unsupported.map(|error| error.path.as_str()).collect();
        let expected = ["destinations[0].kafka", "destinations[0].proxy"];
        assert_eq!(paths, expected);
    }
}
