//! Who may write a LogShipping: whoever may patch the Deployments of its namespace, and nobody else; while those who
//! keep house (the operator, the garbage collector) aren't held up. And what the roles of Kubernetes' own get.

use std::path::PathBuf;
use std::process::Output;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;
use tests::in_process;
use tests::kubectl::Namespace;
use tests::wait;

use crate::operator::shop::{LOG_SHIPPING, PATIENCE};

/// Users of one namespace, each with a role.
struct People {
    namespace: Namespace,
}

/// Somebody who may do anything with LogShippings and nothing else.
const ONLY_LOG_SHIPPINGS: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: only-logshippings}
rules:
- {apiGroups: [logshipping.dev], resources: [logshippings], verbs: ['*']}
";

impl People {
    fn invite(prefix: &str) -> Self {
        let namespace = Namespace::create(in_process::control_plane(), prefix);
        namespace.apply(ONLY_LOG_SHIPPINGS);
        Self { namespace }
    }

    /// A user with one role.
    fn with(&self, role: &str) -> Person<'_> {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let name = format!(
            "person-{}-of-{}",
            COUNT.fetch_add(1, Ordering::Relaxed),
            self.namespace.name()
        );
        let [role, user] = [format!("--{role}"), format!("--user={name}")];
        self.namespace.run(&["create", "rolebinding", &name, &role, &user]);
        let kubeconfig = in_process::control_plane().kubeconfig_as(&name).unwrap();
        Person {
            people: self,
            kubeconfig,
        }
    }
}

struct Person<'a> {
    people: &'a People,
    kubeconfig: PathBuf,
}

impl Person<'_> {
    /// What kubectl answers, both streams.
    fn kubectl(&self, arguments: &[&str], input: &str) -> Result<String, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), input).unwrap();
        let mut command = self.people.namespace.command(arguments);
        command.env("KUBECONFIG", &self.kubeconfig);
        command.stdin(std::fs::File::open(file.path()).unwrap());
        let Output { status, stdout, stderr } = command.output().unwrap();
        let text = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
        if status.success() { Ok(text) } else { Err(text) }
    }

    /// Waits until the roles and the policy that were just made are in force.
    fn await_answer(&self, arguments: &[&str], input: &str, is_right: impl Fn(&Result<String, String>) -> bool) {
        let ask = || self.kubectl(arguments, input);
        let _: Result<String, String> = wait::until_is("the answer is right", PATIENCE, ask, is_right);
    }
}

#[test]
fn who_may_not_patch_deployments_may_not_write_log_shippings() {
    let people = People::invite("policy");
    let outsider = people.with("role=only-logshippings");
    let create = ["create", "--filename=-"];
    let refused = |answer: &Result<String, String>| {
        answer.as_ref().is_err_and(|words| {
            words.contains("may not patch deployments.apps in namespace policy-") && words.contains("Forbidden")
        })
    };
    outsider.await_answer(&[&create[..], &["--dry-run=server"]].concat(), LOG_SHIPPING, refused);

    let editor = people.with("clusterrole=edit");
    editor.await_answer(&create, LOG_SHIPPING, Result::is_ok);
    let patch = |body: &str| ["patch", "logshipping", "logs", "--type=merge", "--patch", body].map(str::to_owned);
    let ask = |person: &Person<'_>, body: serde_json::Value| {
        let arguments = patch(&body.to_string());
        person.kubectl(&arguments.each_ref().map(String::as_str), "")
    };
    let other_files = json!({"spec": {"sources": [{"name": "access", "paths": ["/var/log/other.log"]}]}});
    let pinned = json!({"metadata": {"annotations": {"logshipping.dev/pin-revision": "logs-0"}}});
    for change in [&other_files, &pinned] {
        let answer = ask(&outsider, change.clone());
        assert!(refused(&answer), "{answer:?}");
        let answer = ask(&editor, change.clone());
        assert!(answer.is_ok(), "{answer:?}");
    }
    let finalizer = json!({"metadata": {"labels": {"a": "b"}, "finalizers": []}});
    let answer = ask(&outsider, finalizer);
    assert!(
        answer.is_ok(),
        "what changes no pod is not the policy's business: {answer:?}"
    );
}

#[test]
fn the_garbage_collector_may_write_into_a_log_shipping() {
    let people = People::invite("collected");
    let namespace = &people.namespace;
    namespace.apply(LOG_SHIPPING);
    // In the foreground it goes once the collector has taken a finalizer off. New kinds it learns of every 30 s.
    namespace.run(&["delete", "logshipping", "logs", "--cascade=foreground", "--timeout=90s"]);
}

#[test]
fn the_roles_of_kubernetes_extend_to_log_shippings() {
    let people = People::invite("roles");
    let (look, write) = (
        ["get", "list", "watch"],
        ["create", "update", "patch", "delete", "deletecollection"],
    );
    for (role, verbs, may) in [
        ("view", &look[..], "yes"),
        ("view", &write, "no"),
        ("edit", &look, "yes"),
        ("edit", &write, "yes"),
        ("admin", &look, "yes"),
        ("admin", &write, "yes"),
    ] {
        let person = people.with(&format!("clusterrole={role}"));
        for verb in verbs {
            let ask = || {
                let answer = person.kubectl(&["auth", "can-i", verb, "logshippings.logshipping.dev"], "");
                answer.unwrap_or_else(|no| no).trim().to_owned()
            };
            wait::until_is(&format!("{role} {verb}: {may}"), PATIENCE, ask, |answer| answer == may);
        }
    }
}
