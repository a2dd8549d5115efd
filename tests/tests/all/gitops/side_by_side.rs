//! Two minutes of owners' tools at work, all at once, each in a namespace of its own, while the owner commits a change and
//! the LogShipping changes twice. Whatever the tool: each change is one rollout at most, the tool sees no drift, and
//! nobody writes without end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use tests::argo::{Argo, Synced};
use tests::chronicle::Step::{Ours, Owner, Removed};
use tests::flux::Flux;
use tests::helm::{Release, Version};
use tests::in_process::Operator;
use tests::wait;

use super::git::{self, BY_HAND, CONFIGURATION, Git, IMAGE, LAST, LENGTH, SHAPE};
use super::lane::{self, Lane};

type Tool = (&'static str, fn(&Lane) -> lane::Ours);

const TOOLS: [Tool; 9] = [
    ("flux", flux),
    ("argo", argo),
    ("argo-server-side", argo_server_side),
    ("helm3", helm_3),
    ("helm4", helm_4),
    ("commands", commands),
    ("autoscaler", autoscaler),
    ("undo", undo),
    ("replace", replace),
];

#[test]
fn every_tool_of_an_owner_gets_along_with_the_operator_for_two_minutes() {
    let lanes = TOOLS.map(|(name, tool)| (name, tool, Lane::open(name)));
    let namespaces = lanes
        .iter()
        .map(|(_, _, lane)| lane.namespace.name().to_owned())
        .collect();
    let _operator = Operator::start_with(&lanes[0].2.namespace, |settings| settings.reach.namespaces = namespaces);
    let failed: Vec<_> = thread::scope(|scope| {
        let running = lanes.each_ref().map(|(name, tool, lane)| {
            scope.spawn(move || {
                let outcome = catch_unwind(AssertUnwindSafe(|| tool(lane)));
                println!("{name}: {outcome:?}, steps {:?}", lane.chronicle.steps());
                outcome.is_err().then_some(*name)
            })
        });
        running.into_iter().filter_map(|lane| lane.join().unwrap()).collect()
    });
    assert!(failed.is_empty(), "{failed:?}: see above for what each of them found");
}

/// Flux adopts what kubectl created; it takes over what kubectl wrote, now and later, and leaves ours.
fn flux(lane: &Lane) -> lane::Ours {
    for object in Git::at(Duration::ZERO).objects() {
        lane.apply(&object);
    }
    lane.await_sidecar(Git::at(Duration::ZERO));
    let flux = Flux::new(&lane.namespace);
    let mut work = [0, 0];
    let mut hand = ByHand::default();
    wait::every(Duration::from_secs(1), LENGTH, |elapsed| {
        hand.act(lane, elapsed);
        for (object, work) in Git::at(elapsed).objects().iter().zip(&mut work) {
            *work += u32::from(flux.reconcile(object));
        }
    });
    lane.await_last();
    assert_eq!(
        work,
        [3, 3],
        "the adoption, a commit each (two of the LogShipping), and what was done by hand"
    );
    assert_eq!(
        LAST.objects().map(|object| flux.reconcile(&object)),
        [false, false],
        "no drift at the end"
    );
    lane.assert_steps(&[Ours, Owner, Ours, Owner, Owner]);
    lane.assert_two_patches()
}

fn argo(lane: &Lane) -> lane::Ours {
    sync_with(lane, &Argo::three_way(&lane.namespace, "shop"), Duration::from_secs(4))
}

fn argo_server_side(lane: &Lane) -> lane::Ours {
    sync_with(
        lane,
        &Argo::server_side(&lane.namespace, "shop"),
        Duration::from_secs(2),
    )
}

/// With self-heal, and with pruning of everything that has the label of the application and isn't in Git.
fn sync_with(lane: &Lane, argo: &Argo<'_>, interval: Duration) -> lane::Ours {
    lane.namespace.run(&["create", "configmap", "leftover"]);
    lane.namespace
        .run(&["label", "configmap", "leftover", "app.kubernetes.io/instance=shop"]);
    let (mut healed, mut pruned) = (0, Vec::new());
    let mut hand = ByHand::default();
    wait::every(interval, LENGTH, |elapsed| {
        hand.act(lane, elapsed);
        let synced = argo.sync(&Git::at(elapsed).objects());
        healed += u32::from(synced.healed);
        pruned.extend(synced.pruned);
    });
    lane.await_last();
    assert_eq!(healed, 5, "the creation, three commits, and what was done by hand");
    assert_eq!(
        pruned,
        ["configmap/leftover"],
        "nothing of ours belongs to the application"
    );
    assert_eq!(argo.sync(&LAST.objects()), Synced::default(), "no drift at the end");
    lane.assert_steps(&[Ours, Owner, Ours, Owner, Owner]);
    lane.assert_two_patches()
}

fn helm_3(lane: &Lane) -> lane::Ours {
    release_with(lane, Version::Three)
}

fn helm_4(lane: &Lane) -> lane::Ours {
    release_with(lane, Version::Four)
}

/// The same release again and again, with a rollback after the owner's change.
fn release_with(lane: &Lane, version: Version) -> lane::Ours {
    let release = Release::new(&lane.namespace, version, git::chart());
    let (mut before_image, mut rolled_back) = (0, false);
    wait::every(Duration::from_secs(7), LENGTH, |elapsed| {
        release.upgrade(&Git::at(elapsed).values());
        if elapsed < IMAGE {
            before_image = release.revision();
        } else if !rolled_back && elapsed < CONFIGURATION {
            release.rollback(before_image);
            rolled_back = true;
        }
    });
    assert!(rolled_back, "there was time for it");
    lane.await_last();
    // Helm sets labels and annotations of its own, which its manifest lacks: another manager's apply keeps them.
    let manifest = release.manifest();
    let diff = [
        "diff",
        "--server-side",
        "--force-conflicts",
        "--field-manager=nobody",
        "--filename=-",
    ];
    let drift = || lane.namespace.feed(&diff, &manifest).err().unwrap_or_default();
    wait::until_is("no drift at the end", Duration::from_secs(15), drift, String::is_empty);
    lane.assert_steps(&[Ours, Owner, Owner, Owner, Ours]);
    lane.assert_two_patches()
}

/// What people type.
fn commands(lane: &Lane) -> lane::Ours {
    lane.apply(&Git::at(Duration::ZERO).deployment());
    lane.apply(&serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "leftover", "labels": {"app": "server"}}}));
    let prune = [
        "apply",
        "--prune",
        "--selector=app=server",
        "--prune-allowlist=core/v1/ConfigMap",
        "--filename=-",
    ];
    let typed: [&[&str]; 5] = [
        &["rollout", "restart", "deployment/server"],
        &["scale", "deployment/server", "--replicas=3"],
        &[
            "set",
            "image",
            "deployment/server",
            "server=registry.example/server:typed",
        ],
        &["set", "env", "deployment/server", "--containers=server", "DEBUG=1"],
        &["scale", "deployment/server", "--replicas=1"],
    ];
    let mut turns = 0;
    wait::every(Duration::from_secs(3), LENGTH, |elapsed| {
        let git = Git::at(elapsed);
        lane.apply(&git.shipping());
        match typed.get(turns % (typed.len() + 1)) {
            Some(arguments) => lane.namespace.run(arguments),
            None => lane.namespace.feed(&prune, &git.deployment().to_string()).unwrap(),
        };
        turns += 1;
    });
    lane.namespace.feed(&prune, &LAST.deployment().to_string()).unwrap();
    assert_eq!(
        lane.namespace.get("configmap", "leftover"),
        None,
        "what isn't in Git was pruned"
    );
    lane.await_last();
    let steps = lane.chronicle.steps();
    let count = |step| steps.iter().filter(|found| **found == step).count();
    assert_eq!((count(Ours), count(Owner)), (2, steps.len() - 2), "{steps:?}");
    assert!(count(Owner) > turns / 3, "{steps:?}");
    lane.assert_two_patches()
}

/// The real controller of HorizontalPodAutoscalers writes the scale, here because of `minReplicas`: it needs no metrics.
fn autoscaler(lane: &Lane) -> lane::Ours {
    let without_replicas = |git: Git| {
        let mut deployment = git.deployment();
        deployment["spec"].as_object_mut().unwrap().remove("replicas");
        deployment
    };
    wait::every(Duration::from_secs(10), LENGTH, |elapsed| {
        let git = Git::at(elapsed);
        lane.apply(&without_replicas(git));
        lane.apply(&git.shipping());
        let least = 2 + elapsed.as_secs() / 30;
        lane.apply(&serde_json::json!({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "server"},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "server"},
                "minReplicas": least, "maxReplicas": 9,
            },
        }));
    });
    lane.await_last();
    let user = "system:serviceaccount:kube-system:horizontal-pod-autoscaler";
    let scaled = lane.namespace.changes_by(user);
    let scaled = scaled
        .iter()
        .filter(|change| change.resource == "deployments/scale" && change.has_succeeded());
    assert!(scaled.count() >= 3, "the autoscaler was at work");
    lane.assert_steps(&[Ours, Owner, Ours]);
    lane.assert_two_patches()
}

/// `kubectl rollout undo` right after a write of ours takes back just that; it is made once more.
fn undo(lane: &Lane) -> lane::Ours {
    lane.apply(&Git::at(Duration::ZERO).deployment());
    let mut undone = Vec::new();
    wait::every(Duration::from_secs(5), LENGTH, |elapsed| {
        let git = Git::at(elapsed);
        lane.apply(&git.shipping());
        if !undone.contains(&git.size) {
            lane.await_sidecar(git);
            lane.namespace.run(&["rollout", "undo", "deployment/server"]);
            undone.push(git.size);
        }
        lane.await_sidecar(git);
    });
    lane.apply(&LAST.deployment());
    lane.await_last();
    let to_none = [Ours, Removed, Ours];
    let to_the_first_shape = [Ours, Ours, Ours];
    lane.assert_steps(&[&to_none[..], &to_the_first_shape, &[Owner]].concat());
    let ours = lane.ours();
    assert_eq!(ours.deployment_patches, 4, "{ours:?}");
    ours
}

/// `kubectl replace` removes everything of ours; it comes back once each time.
fn replace(lane: &Lane) -> lane::Ours {
    lane.apply(&Git::at(Duration::ZERO).deployment());
    let mut replaced = 0;
    wait::every(Duration::from_secs(5), LENGTH, |elapsed| {
        let git = Git::at(elapsed);
        lane.apply(&git.shipping());
        lane.await_sidecar(git);
        let due = [Duration::from_secs(10), IMAGE, SHAPE + Duration::from_secs(10)];
        if due.get(replaced).is_some_and(|due| elapsed >= *due) {
            lane.namespace
                .feed_again(&["replace", "--filename=-"], &git.deployment().to_string())
                .unwrap();
            replaced += 1;
        }
    });
    lane.await_last();
    lane.assert_steps(&[Ours, Removed, Ours, Removed, Ours, Ours, Removed, Ours]);
    let ours = lane.ours();
    assert_eq!((replaced, ours.deployment_patches), (3, 5), "{ours:?}");
    ours
}

/// Somebody who changes the Deployment past Git, once.
#[derive(Default)]
struct ByHand {
    done: bool,
}

impl ByHand {
    fn act(&mut self, lane: &Lane, elapsed: Duration) {
        if !self.done && elapsed >= BY_HAND {
            let image = "server=registry.example/server:by-hand";
            lane.namespace.run(&["set", "image", "deployment/server", image]);
            self.done = true;
        }
    }
}
