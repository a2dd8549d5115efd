//! A namespace that is deleted with everything in it, however things stand there: it never hangs.

use tests::wait;

use super::life::{Life, reshaped};
use crate::operator::shop::{DEPLOYMENT, LOG_SHIPPING, PATIENCE};

fn delete(life: &Life) {
    let namespace = &life.shop.namespace;
    namespace.run(&["delete", "namespace", namespace.name(), "--timeout=60s"]);
}

#[test]
fn a_namespace_goes_with_deployments_and_log_shippings_in_every_state() {
    let life = Life::begin("everything");
    let namespace = &life.shop.namespace;
    let named = |name: &str| LOG_SHIPPING.replace("name: logs", &format!("name: {name}"));
    namespace.apply(&named("nothing").replace("app: server", "app: nobody"));
    namespace.apply(&named("invalid").replace("access.log]", "access.log], encoding: klingon"));
    namespace.apply(&named("preview").replace("spec:", "spec:\n  mode: Preview"));
    for (name, change) in [
        ("out", "metadata:\n  annotations: {logshipping.dev/inject: 'false'}"),
        ("plain", "metadata:"),
    ] {
        namespace.apply(
            &DEPLOYMENT
                .replace("\nmetadata:", &format!("\n{change}"))
                .replace("  name: server\n", &format!("  name: {name}\n")),
        );
    }
    namespace.run(&["rollout", "pause", "deployment", "plain"]);
    life.shop.await_condition("Injected", "True AllInjected");
    // In the middle of a rollout, and of a deletion.
    namespace.apply(&reshaped());
    namespace.run(&["delete", "logshipping", "preview", "--wait=false"]);
    delete(&life);
}

/// The finalizers wait for an operator, and any one will do.
#[test]
fn a_namespace_that_is_deleted_while_no_operator_runs_goes_when_one_is_back() {
    let life = Life::begin("meanwhile");
    let Life {
        shop,
        chronicle,
        original,
        operator,
    } = life;
    operator.stop();
    let namespace = &shop.namespace;
    namespace.run(&["delete", "namespace", namespace.name(), "--wait=false"]);
    wait::until("the Deployment is gone", PATIENCE, || {
        namespace.get("deployment", "server").is_none().then_some(())
    });
    assert!(namespace.get("logshipping", "logs").is_some(), "the finalizer holds it");
    let operator = tests::in_process::Operator::start(namespace);
    delete(&Life {
        shop,
        chronicle,
        original,
        operator,
    });
}
