//! What people do by hand beside a tool, and what becomes of it.

use tests::chronicle::Step::{Ours, Owner, Removed};
use tests::flux::Flux;
use tests::in_process::Operator;
use tests::wait;

use super::git::LAST;
use super::lane::{Lane, PATIENCE};

const OPT_OUT: [&str; 4] = ["annotate", "deployment", "server", "logshipping.dev/inject=false"];

/// Flux takes back whatever a field manager of kubectl's has written, annotations included.
#[test]
fn under_flux_an_opt_out_by_hand_lasts_until_the_next_look_unless_its_manager_is_not_kubectl() {
    let lane = Lane::open("flux-opt-out");
    let _operator = Operator::start(&lane.namespace);
    let flux = Flux::new(&lane.namespace);
    let look = || LAST.objects().map(|object| flux.reconcile(&object));
    look();
    lane.await_last();
    lane.namespace.run(&OPT_OUT);
    lane.await_steps(&[Ours, Removed]);
    assert_eq!(look(), [true, false], "Flux takes the annotation away");
    lane.await_steps(&[Ours, Removed, Ours]);

    lane.namespace.run(&[&OPT_OUT[..], &["--field-manager=ann"]].concat());
    lane.await_steps(&[Ours, Removed, Ours, Removed]);
    assert_eq!(look(), [false, false]);
}

/// To undo a release is no business of ours as long as the older template has the sidecar; where it hasn't, the sidecar
/// comes back to what was chosen.
#[test]
fn an_undone_release_keeps_the_sidecar_and_one_from_before_gets_it_again() {
    let lane = Lane::open("undo-release");
    let _operator = Operator::start(&lane.namespace);
    let [deployment, shipping] = LAST.objects();
    lane.apply(&deployment);
    lane.apply(&shipping);
    lane.await_last();
    let image = |tag: &str| format!("server=registry.example/server:{tag}");
    lane.namespace.run(&["set", "image", "deployment/server", &image("3")]);
    lane.await_steps(&[Ours, Owner]);
    lane.namespace.run(&["rollout", "undo", "deployment/server"]);
    lane.await_last();
    lane.await_steps(&[Ours, Owner, Owner]);
    lane.namespace
        .run(&["rollout", "undo", "deployment/server", "--to-revision=1"]);
    lane.await_steps(&[Ours, Owner, Owner, Removed, Ours]);
    lane.await_last();
}

/// The API server refuses a template whose sidecar mounts a volume that isn't there; without the sidecar it is the
/// owner's alone.
#[test]
fn a_volume_that_the_sidecar_reads_can_be_dropped_after_opting_out() {
    let lane = Lane::open("drop-volume");
    let _operator = Operator::start(&lane.namespace);
    let [deployment, mut shipping] = LAST.objects();
    shipping["spec"]["sources"][0]["paths"][0] = "/data/access.log".into();
    lane.apply(&deployment);
    lane.apply(&shipping);
    lane.await_steps(&[Ours]);
    let mut dropped = deployment;
    let pod = dropped["spec"]["template"]["spec"].as_object_mut().unwrap();
    pod.remove("volumes");
    pod["containers"][0].as_object_mut().unwrap().remove("volumeMounts");
    let apply = || lane.namespace.feed(&["apply", "--filename=-"], &dropped.to_string());
    let refused = apply().unwrap_err();
    assert!(
        refused.contains("initContainers[0].volumeMounts") && refused.contains("Not found"),
        "{refused}"
    );
    lane.namespace.run(&OPT_OUT);
    lane.await_steps(&[Ours, Removed]);
    apply().unwrap();
    lane.namespace
        .run(&["annotate", "deployment", "server", "logshipping.dev/inject-"]);
    let injected = || lane.namespace.condition("logs", "Injected");
    wait::until_is("a volume is added instead", PATIENCE, injected, |found| {
        found.starts_with("True AllInjected: 1 of 1")
    });
    lane.await_steps(&[Ours, Removed, Owner, Ours]);
}
