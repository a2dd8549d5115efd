//! `helm uninstall` with sidecars in place: they go first, or nothing goes and Helm says why. And the way out for those who
//! skipped that.

use std::process::Output;

use cluster::node::Node;
use serde_json::{Value, json};
use tests::chart::{self, RELEASE, UNINSTALLER};
use tests::kubectl::Namespace;
use tests::road::{self, OPERATOR_NAMESPACE};
use tests::wait;

use super::application::{PATIENCE, await_condition, deployment, injected_pods, pods, shipping};
use crate::operator::removal::policy;

fn helm(node: &Node, arguments: &[&str]) -> Output {
    let mut helm = chart::helm();
    helm.env("KUBECONFIG", node.kubeconfig())
        .args(arguments)
        .args(["--namespace", OPERATOR_NAMESPACE])
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

fn install(node: &Node) {
    let folder = chart::folder();
    let install = ["install", RELEASE, folder.to_str().unwrap(), "--create-namespace"];
    let wait = ["--wait", "--timeout", "120s", "--set", "uninstall.timeout=15s"];
    let output = helm(node, &[&install[..], &wait].concat());
    assert!(output.status.success(), "{}", said(&output));
}

fn uninstall(node: &Node, flags: &[&str]) -> Output {
    helm(node, &[&["uninstall", RELEASE, "--timeout", "120s"], flags].concat())
}

/// One destination that is always there.
fn to_stdout() -> Value {
    let mut shipping = shipping();
    shipping["spec"]["destinations"] = json!([{"name": "out", "stdout": {}}]);
    shipping
}

/// Objects of the release in the whole cluster, but for the CustomResourceDefinition.
fn remains(namespace: &Namespace) -> String {
    let kinds = "deployments,jobs,pods,serviceaccounts,roles,rolebindings,clusterroles,clusterrolebindings,\
                 validatingadmissionpolicies,validatingadmissionpolicybindings,poddisruptionbudgets";
    let selector = format!("app.kubernetes.io/instance={RELEASE}");
    namespace.run(&[
        "get",
        kinds,
        "--all-namespaces",
        "--selector",
        &selector,
        "--output=name",
    ])
}

fn await_no_sidecar(namespace: &Namespace, original: &Value) {
    let template = || namespace.get("deployment", "server").unwrap()["spec"]["template"].take();
    wait::until_is("the template is as before", PATIENCE, template, |found| {
        found == original
    });
    wait::until("no pod has a sidecar", PATIENCE, || {
        pods(namespace).iter().all(|pod| !pod.has_sidecar()).then_some(())
    });
}

#[test]
fn helm_takes_the_sidecars_out_first_or_says_why_it_can_not() {
    let node = road::bare();
    install(&node);
    let namespace = Namespace::create(node.control_plane(), "leaving");
    namespace.apply(&deployment(1, &[]));
    let original = namespace.get("deployment", "server").unwrap()["spec"]["template"].take();
    namespace.apply(&to_stdout().to_string());
    await_condition(&namespace, "Delivering", "True FlowHealthy");
    injected_pods(&namespace, 1);

    let name = namespace.name();
    namespace.apply(&policy(name));
    wait::until("the policy is in force", PATIENCE, || {
        let clean = r#"{"spec":{"template":{"spec":{"initContainers":null}}}}"#;
        let patch = [
            "patch",
            "deployment",
            "server",
            "--dry-run=server",
            "--type=merge",
            "--patch",
            clean,
        ];
        namespace
            .try_run(&patch)
            .is_err_and(|error| error.contains("must stay"))
            .then_some(())
    });
    let refused = uninstall(&node, &[]);
    let words = said(&refused);
    eprintln!("helm said:\n{words}");
    assert!(!refused.status.success());
    for part in [
        &format!("Deployment {name}/server: the Deployment was refused"),
        "the sidecar must stay",
    ] {
        assert!(words.contains(part), "{part:?} in {words}");
    }
    assert!(remains(&namespace).contains(RELEASE), "nothing was deleted");

    namespace.run(&[
        "delete",
        "validatingadmissionpolicybinding,validatingadmissionpolicy",
        name,
    ]);
    let output = uninstall(&node, &[]);
    eprintln!("helm said:\n{}", said(&output));
    assert!(output.status.success(), "{}", said(&output));
    await_no_sidecar(&namespace, &original);
    wait::until_is(
        "nothing is left of the release",
        PATIENCE,
        || remains(&namespace),
        String::is_empty,
    );
    let shipping = namespace.get("logshipping", "server-logs").unwrap();
    assert!(
        shipping["metadata"]["finalizers"].is_null(),
        "the object stays, and can be deleted: {shipping}"
    );

    // Who leaves without cleaning up can do so later.
    install(&node);
    await_condition(&namespace, "Injected", "True AllInjected");
    let output = uninstall(&node, &["--no-hooks"]);
    assert!(output.status.success(), "{}", said(&output));
    assert_ne!(
        namespace.get("deployment", "server").unwrap()["spec"]["template"],
        original
    );
    let by_hand = helm(
        &node,
        &[
            "template",
            RELEASE,
            chart::folder().to_str().unwrap(),
            "--show-only",
            "templates/uninstall.yaml",
        ],
    );
    namespace
        .feed(
            &["apply", "--namespace", OPERATOR_NAMESPACE, "--filename=-"],
            &said(&by_hand),
        )
        .unwrap();
    let job = format!("job/{UNINSTALLER}");
    let done = [
        "wait",
        "--namespace",
        OPERATOR_NAMESPACE,
        "--for=condition=Complete",
        &job,
        "--timeout=120s",
    ];
    namespace.run(&done);
    await_no_sidecar(&namespace, &original);
}
