//! Several LogShippings on one Deployment.

use crds::conditions::Reason;

use super::world::{OWNER, SIMPLE, config, observed, reconcile, shape, shipping, template};
use crate::observed::Observed;
use crate::plan::{Plan, Standing};

/// What can't be used, but keeps what it has.
const INVALID: &str =
    "sources: [{name: s, paths: ['/a/b'], encoding: nonsense}], destinations: [{name: out, stdout: {}}]";

const AUDIT: &str = "sources: [{name: audit, paths: [/audit/*.log]}], destinations: [{name: out, stdout: {}}]";

fn notes(plan: &Plan, name: &str) -> Vec<String> {
    plan.state.shippings[name]
        .notes
        .iter()
        .map(ToString::to_string)
        .collect()
}

/// `path limitBytes` of the first source of a pipeline.
fn limit(world: &Observed, pipeline: usize) -> Option<u64> {
    config(world).pipelines[pipeline].sources[0].mounts[0].limit_bytes
}

#[test]
fn the_loser_of_a_disagreement_is_injected_and_told() {
    let port = |port: u16| format!("{SIMPLE}, sidecar: {{port: {port}}}");
    let mut world = observed(OWNER, vec![shipping("b", &port(20001)), shipping("a", &port(20000))]);
    reconcile(&mut world);
    let plan = reconcile(&mut world);
    assert_eq!(plan.state.shippings["b"].standing, Standing::Injected);
    assert_eq!(
        notes(&plan, "b"),
        ["sidecar.port is 20000, as LogShipping a has it, not 20001"]
    );
    assert!(notes(&plan, "a").is_empty());
}

#[test]
fn a_higher_priority_that_says_nothing_decides_nothing() {
    let silent = format!("{SIMPLE}, priority: 100, sidecar: {{port: 19600}}");
    let speaks = format!("{AUDIT}, sidecar: {{port: 20000}}");
    let mut world = observed(OWNER, vec![shipping("silent", &silent), shipping("speaks", &speaks)]);
    reconcile(&mut world);
    let plan = reconcile(&mut world);
    assert!(template(&world).to_string().contains("[::]:20000"));
    assert!(notes(&plan, "silent").is_empty() && notes(&plan, "speaks").is_empty());
}

#[test]
fn a_shared_directory_has_one_size_limit_and_all_pipelines_know_it() {
    let size = |size: &str| format!("{SIMPLE}, volume: {{sizeLimit: {size}}}");
    let shippings = vec![
        shipping("a", SIMPLE),
        shipping("b", &size("1Gi")),
        shipping("c", &size("2Gi")),
    ];
    let mut world = observed(OWNER, shippings);
    reconcile(&mut world);
    let plan = reconcile(&mut world);
    assert_eq!([0, 1, 2].map(|pipeline| limit(&world, pipeline)), [Some(1 << 30); 3]);
    assert_eq!(
        notes(&plan, "c"),
        ["volume.sizeLimit of /var/log is 1Gi, as LogShipping b has it, not 2Gi"]
    );
    assert!(notes(&plan, "a").is_empty());
}

#[test]
fn one_that_becomes_invalid_keeps_its_say_so_that_nobody_restarts() {
    let says = format!(
        "{SIMPLE}, priority: 7, sidecar: {{port: 20000, resources: {{limits: {{memory: 1Gi}}}}}}, volume: {{sizeLimit: 1Gi}}"
    );
    let mut world = observed(OWNER, vec![shipping("says", &says), shipping("other", AUDIT)]);
    reconcile(&mut world);
    let before = (template(&world), config(&world));
    world.shippings[0] = shipping("says", INVALID);
    let plan = reconcile(&mut world);
    assert_eq!((&plan.patch, &plan.config_map), (&None, &None));
    assert!(
        matches!(&plan.state.shippings["says"].standing, Standing::Failed(found) if found.reason == Reason::InvalidSpec)
    );
    assert_eq!((template(&world), config(&world)), before);

    world.shippings[1] = shipping("other", &format!("{AUDIT}, sidecar: {{port: 20001}}"));
    reconcile(&mut world);
    let plan = reconcile(&mut world);
    assert_eq!(
        template(&world),
        before.0,
        "the invalid one still has the higher priority"
    );
    assert_eq!(
        notes(&plan, "other"),
        ["sidecar.port is 20000, as LogShipping says has it, not 20001"]
    );
}

#[test]
fn one_that_the_deployment_has_no_room_for_keeps_its_say_as_well() {
    let nowhere = "sources: [{name: s, container: web, paths: [/x/y.log]}], destinations: [{name: out, stdout: {}}]";
    let says = format!("{SIMPLE}, sidecar: {{port: 20000}}");
    let mut world = observed(OWNER, vec![shipping("says", &says), shipping("other", AUDIT)]);
    reconcile(&mut world);
    let before = shape(&world);
    world.shippings[0] = shipping("says", &format!("{nowhere}, sidecar: {{port: 30000}}"));
    assert_eq!(reconcile(&mut world).patch, None);
    assert_eq!(shape(&world), before);
}

#[test]
fn one_that_leaves_takes_its_say_with_it() {
    let says = format!("{SIMPLE}, sidecar: {{port: 20000}}");
    let mut world = observed(OWNER, vec![shipping("says", &says), shipping("other", SIMPLE)]);
    let mut alone = observed(OWNER, vec![shipping("other", SIMPLE)]);
    reconcile(&mut world);
    reconcile(&mut alone);
    world.shippings.remove(0);
    reconcile(&mut world);
    assert_eq!(template(&world), template(&alone));
}
