//! Somebody takes our items out as soon as they are there. The operator stops after three times, says who it was as far
//! as that is on record, tries again after a pause, and says no more about it once its try has lasted.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use operator::Patience;
use serde_json::{Value, json};
use tests::chronicle::Step::{Ours, Removed};
use tests::chronicle::Template;
use tests::flux::Flux;
use tests::in_process::Operator;
use tests::server_side::ServerSide;
use tests::wait;

use super::git::{Git, LAST};
use super::lane::{Lane, PATIENCE};

/// Long enough that nothing is tried again before the test has looked.
const PAUSE: Duration = Duration::from_secs(12);

/// An operator that has less patience than users need.
fn operator(lane: &Lane) -> Operator {
    Operator::start_with(&lane.namespace, |settings| {
        settings.patience = Patience {
            pause: PAUSE,
            ..Patience::default()
        };
    })
}

/// Does `meanwhile` while somebody takes the sidecar out whenever it is there.
fn removing<T>(lane: &Lane, remove: impl Fn() + Sync, meanwhile: impl FnOnce() -> T) -> T {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                if carries(lane) {
                    remove();
                }
                thread::yield_now();
            }
        });
        let _end = SetWhenDropped(&done);
        meanwhile()
    })
}

/// Ends the fight, also when the test fails.
struct SetWhenDropped<'a>(&'a AtomicBool);

impl Drop for SetWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn carries(lane: &Lane) -> bool {
    !Template::of(&lane.deployment()["spec"]["template"]).ours.is_null()
}

/// Waits until the operator gives way, and returns what it says.
fn await_giving_way(lane: &Lane) -> String {
    let stalled = || lane.namespace.condition("logs", "Stalled");
    let message = wait::until_is("it gives way", PATIENCE, stalled, |found| {
        found.starts_with("True Conflict")
    });
    assert!(
        lane.namespace
            .condition("logs", "Injected")
            .starts_with("False Conflict"),
        "{message}"
    );
    assert_eq!(lane.ours().deployment_patches, 3, "it is tried three times: {message}");
    message
}

/// Fights with `remove` until the operator gives way, which it says with `who`; then the fight ends, and all is well.
fn fight_and_make_up(lane: &Lane, remove: impl Fn() + Sync, who: &str) {
    let _operator = operator(lane);
    let began = Instant::now();
    removing(lane, remove, || {
        lane.apply(&LAST.shipping());
        let message = await_giving_way(lane);
        assert!(message.contains(who), "{who:?} is not in: {message}");
        assert!(!carries(lane), "nothing is fought about any more");
    });
    lane.await_last();
    assert!(
        began.elapsed() > PAUSE,
        "it was tried again after the pause, not before"
    );
    assert_eq!(lane.ours().deployment_patches, 4);
    lane.assert_steps(&[Ours, Removed, Ours, Removed, Ours, Removed, Ours]);
}

/// The first write by whom the Deployment is created.
fn created_by(prefix: &str, arguments: &[&str]) -> Lane {
    let lane = Lane::open(prefix);
    lane.namespace.feed(arguments, &LAST.deployment().to_string()).unwrap();
    lane
}

/// Again when the operator or a controller was faster: the next look tells.
fn feed(lane: &Lane, arguments: &[&str]) {
    let _ = lane.namespace.feed(arguments, &LAST.deployment().to_string());
}

#[test]
fn whoever_replaces_the_object_again_and_again_is_left_alone() {
    let lane = created_by("fight-replace", &["apply", "--filename=-"]);
    let remove = || feed(&lane, &["replace", "--filename=-"]);
    fight_and_make_up(
        &lane,
        remove,
        "the only other writer on record is field manager \"kubectl-client-side-apply\"",
    );
}

#[test]
fn argo_with_replace_is_named() {
    let manager = "--field-manager=argocd-controller";
    let lane = created_by("fight-argo", &["create", "--save-config", manager, "--filename=-"]);
    let remove = || feed(&lane, &["replace", "--save-config", manager, "--filename=-"]);
    fight_and_make_up(&lane, remove, "field manager \"argocd-controller\"");
}

#[test]
fn a_controller_that_resets_the_template_is_named() {
    let lane = created_by(
        "fight-controller",
        &["create", "--field-manager=tenant-controller", "--filename=-"],
    );
    let controller = ServerSide::new(&lane.namespace, "tenant-controller");
    let original = lane.deployment()["spec"]["template"].clone();
    let reset = json!([{"op": "replace", "path": "/spec/template", "value": original}]);
    let remove = || controller.patch(&LAST.deployment(), &reset);
    fight_and_make_up(&lane, remove, "field manager \"tenant-controller\"");
}

/// It writes fields of ours, so there is a record of it, also beside others.
#[test]
fn whoever_keeps_changing_our_container_is_named_among_several_writers() {
    let lane = created_by("fight-image", &["apply", "--filename=-"]);
    lane.namespace.run(&["set", "env", "deployment/server", "A=b"]);
    let _operator = operator(&lane);
    let ours = |lane: &Lane| Template::of(&lane.deployment()["spec"]["template"]).ours;
    let image = |value: &Value| value["initContainers"][0]["image"].clone();
    let change = [
        "set",
        "image",
        "deployment/server",
        "logshipping-sidecar=registry.example/other:1",
    ];
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                if image(&ours(&lane)) == tests::in_process::SIDECAR_IMAGE {
                    let _ = lane.namespace.try_run(&change);
                }
                thread::yield_now();
            }
        });
        let _end = SetWhenDropped(&done);
        lane.apply(&LAST.shipping());
        let message = await_giving_way(&lane);
        assert!(
            message.contains("field manager \"kubectl-set\" has written it since"),
            "{message}"
        );
    });
    lane.await_last();
    assert_eq!(image(&ours(&lane)), tests::in_process::SIDECAR_IMAGE);
}

/// Who has the sidecar of one day in Git undoes every later change of it.
#[test]
fn flux_with_our_sidecar_in_git_is_named() {
    let lane = created_by("fight-export", &["apply", "--filename=-"]);
    let _operator = operator(&lane);
    let first = Git::at(Duration::ZERO);
    lane.apply(&first.shipping());
    lane.await_sidecar(first);
    let mut exported = LAST.deployment();
    exported["spec"]["template"] = lane.deployment()["spec"]["template"].clone();
    let flux = Flux::new(&lane.namespace);
    flux.reconcile(&exported);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                flux.reconcile(&exported);
            }
        });
        let _end = SetWhenDropped(&done);
        lane.apply(&LAST.shipping());
        let stalled = || lane.namespace.condition("logs", "Stalled");
        let message = wait::until_is("it gives way", PATIENCE, stalled, |found| {
            found.starts_with("True Conflict")
        });
        assert!(
            message.contains("field manager \"kustomize-controller\" has written it since"),
            "{message}"
        );
    });
    lane.await_last();
}

/// The way out that the message names, and back, without waiting for the end of the pause.
#[test]
fn opting_out_ends_a_quarrel_and_opting_in_again_is_tried_at_once() {
    let lane = created_by("fight-opt-out", &["apply", "--filename=-"]);
    let _operator = Operator::start(&lane.namespace);
    let annotate = |annotation: &str| lane.namespace.run(&["annotate", "deployment", "server", annotation]);
    removing(
        &lane,
        || feed(&lane, &["replace", "--filename=-"]),
        || {
            lane.apply(&LAST.shipping());
            await_giving_way(&lane);
        },
    );
    annotate("logshipping.dev/inject=false");
    let stalled = || lane.namespace.condition("logs", "Stalled");
    wait::until_is("the quarrel is over", PATIENCE, stalled, String::is_empty);
    assert!(!carries(&lane));
    annotate("logshipping.dev/inject-");
    lane.await_last();
}
