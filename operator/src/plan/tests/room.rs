//! More LogShippings on one Deployment than a ConfigMap has room for.

use crds::conditions::Reason;

use super::world::{OWNER, SIMPLE, config, observed, reconcile, shipping};
use crate::observed::{Observed, Shipping};
use crate::plan::{Plan, Standing};

/// What a ConfigMap takes.
const CONFIG_MAP: usize = 1024 * 1024;
const ANNOTATIONS: usize = 256 * 1024;

/// About 290 KiB of configuration.
fn large(priority: i32) -> String {
    let path = format!("/var/log/{}", "x".repeat(1000));
    let list = vec![path.as_str(); 16].join(", ");
    let sources: Vec<_> = (0..16).map(|n| format!("{{name: s{n}, paths: [{list}]}}")).collect();
    format!(
        "sources: [{}], destinations: [{{name: out, stdout: {{}}}}], priority: {priority}",
        sources.join(", ")
    )
}

fn names(world: &Observed) -> Vec<String> {
    let pipelines = config(world).pipelines;
    pipelines.into_iter().map(|pipeline| pipeline.name).collect()
}

fn refused(plan: &Plan, name: &str) -> Option<String> {
    match &plan.state.shippings[name].standing {
        Standing::Failed(finding) => {
            assert_eq!(finding.reason, Reason::TargetRefused);
            Some(finding.message.clone())
        }
        _ => None,
    }
}

#[test]
fn one_that_finds_no_room_is_refused_with_what_to_do_and_the_others_run() {
    let all = vec![
        shipping("small", SIMPLE),
        shipping("b", &large(0)),
        shipping("a", &large(0)),
    ];
    let mut world = observed(OWNER, all);
    let plan = reconcile(&mut world);
    assert_eq!(names(&world), ["shop/a", "shop/small"]);
    let message = refused(&plan, "b").unwrap();
    assert!(
        message.contains("at most 496 KiB") && message.contains("fewer"),
        "{message}"
    );
    assert_eq!((refused(&plan, "a"), refused(&plan, "small")), (None, None));
    let again = reconcile(&mut world);
    assert_eq!((again.config_map, again.patch), (None, None));

    world.shippings.retain(|shipping| shipping.name != "a");
    reconcile(&mut world);
    assert_eq!(names(&world), ["shop/b", "shop/small"], "there is room now");
}

#[test]
fn nobody_who_runs_has_to_make_room_for_somebody_who_comes() {
    let mut world = observed(OWNER, vec![shipping("a", &large(0))]);
    reconcile(&mut world);
    world.shippings.push(shipping("urgent", &large(100)));
    let plan = reconcile(&mut world);
    assert_eq!(names(&world), ["shop/a"]);
    assert!(refused(&plan, "urgent").is_some());
    // It may still change what it has.
    world.shippings[0] = shipping("a", &large(0).replace("name: out", "name: other"));
    reconcile(&mut world);
    assert_eq!(config(&world).pipelines[0].destinations[0].name, "other");
}

#[test]
fn one_that_grows_beyond_the_room_keeps_what_it_has() {
    let mut world = observed(OWNER, vec![shipping("a", &large(0)), shipping("b", SIMPLE)]);
    reconcile(&mut world);
    world.shippings[1] = shipping("b", &large(1));
    let plan = reconcile(&mut world);
    assert!(refused(&plan, "b").is_some());
    let b = config(&world)
        .pipelines
        .into_iter()
        .find(|pipeline| pipeline.name == "shop/b");
    assert_eq!(b.map(|pipeline| pipeline.sources.len()), Some(1));
}

#[test]
fn two_hundred_have_room_twice() {
    let one = |number: usize| -> Shipping {
        let path = format!("/var/log/{number}.log");
        shipping(
            &format!("team-{number:03}"),
            &SIMPLE.replace("/var/log/access.log", &path),
        )
    };
    let mut world = observed(OWNER, (0..200).map(one).collect());
    reconcile(&mut world);
    assert_eq!(names(&world).len(), 200);
    let map = world.config_map.as_ref().unwrap();
    let data: usize = map.data.iter().flatten().map(|(_, text)| text.len()).sum();
    let notes: usize = map
        .metadata
        .annotations
        .iter()
        .flatten()
        .map(|(_, text)| text.len())
        .sum();
    assert!(2 * data < CONFIG_MAP && 2 * notes < ANNOTATIONS, "{data} {notes}");
}
