//! The CustomResourceDefinition on a real API server: accepted without a warning, and a bad object is refused when it
//! is applied, with words that name the field and say what to do.

mod accepted;
mod explain;
mod merge;
mod refused;

use tests::kubectl::Namespace;

/// A LogShipping with these members in its spec.
fn object(spec: &str) -> String {
    format!("{{apiVersion: logshipping.dev/v1alpha1, kind: LogShipping, metadata: {{name: logs}}, spec: {{{spec}}}}}")
}

/// A good one, with one of its three required members replaced, or with another one added.
fn with(field: &str, value: &str) -> String {
    let mut members = vec![
        ("selector", "{matchLabels: {app: server}}"),
        ("sources", "[{name: s, paths: [/var/log/a.log]}]"),
        ("destinations", "[{name: out, stdout: {}}]"),
    ];
    members.retain(|(name, _)| *name != field);
    members.push((field, value));
    let members: Vec<_> = members.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    object(&members.join(", "))
}

fn dry_run(namespace: &Namespace, manifest: &str) -> Result<String, String> {
    namespace.feed(&["create", "--dry-run=server", "--filename=-"], manifest)
}
