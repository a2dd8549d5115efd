//! LogShippings that wait: in preview, and paused.

use serde_json::json;

use super::world::{OWNER, SIMPLE, config, observed, reconcile, shape, shipping, template, unjudged};
use crate::observed::Observed;
use crate::plan::{Foreseen, Plan, Standing};

const AUDIT: &str = "sources: [{name: audit, paths: [/data/audit.log]}], destinations: [{name: out, stdout: {}}]";

fn preview(spec: &str) -> String {
    format!("{spec}, mode: Preview")
}

fn paused(spec: &str) -> String {
    format!("{spec}, rollout: {{paused: true}}")
}

fn standing<'a>(plan: &'a Plan, name: &str) -> &'a Standing {
    &plan.state.shippings[name].standing
}

/// What one in preview or paused says that it would do.
fn foreseen(plan: &Plan, name: &str) -> String {
    match standing(plan, name) {
        Standing::Preview(foreseen) | Standing::Paused(foreseen) => foreseen.to_string(),
        other => panic!("{name} is {other:?}"),
    }
}

fn is_nothing(plan: &Plan) -> bool {
    plan.patch.is_none()
        && plan.config_map.is_none()
        && plan.delete_config_map.is_none()
        && plan.nudges.is_empty()
        && plan.events.is_empty()
}

fn pipelines(world: &Observed) -> Vec<String> {
    config(world)
        .pipelines
        .into_iter()
        .map(|pipeline| pipeline.name)
        .collect()
}

#[test]
fn a_preview_tells_what_would_be_added_where_and_changes_nothing() {
    let spec = "sources: [{name: access, paths: [/var/log/access.log]}, {name: audit, paths: [/data/audit.log]}], \
                destinations: [{name: out, http: {url: 'https://x'}, auth: {basic: {secretRef: {name: loki-auth}}}}], mode: Preview";
    let mut world = observed(OWNER, vec![unjudged("logs", spec)]);
    let plan = reconcile(&mut world);
    assert!(is_nothing(&plan), "{plan:#?}");
    assert!(plan.state.carried.is_empty() && plan.state.shippings["logs"].revision.is_none());
    assert_eq!(
        foreseen(&plan, "logs"),
        "its pods would restart: container logshipping-sidecar is added (registry.example/logshipping-sidecar:0.1.0), \
         an empty volume is mounted at /var/log of container app, it reads volume data, it mounts Secret loki-auth"
    );
}

#[test]
fn a_preview_beside_one_that_acts_tells_the_difference_only() {
    let mut world = observed(
        OWNER,
        vec![shipping("logs", SIMPLE), shipping("audit", &preview(AUDIT))],
    );
    reconcile(&mut world);
    let plan = reconcile(&mut world);
    assert!(is_nothing(&plan));
    assert_eq!(
        (standing(&plan, "logs"), pipelines(&world)),
        (&Standing::Injected, vec!["shop/logs".to_owned()])
    );
    let expected = "its pods would restart: container logshipping-sidecar is changed, it reads volume data";
    assert_eq!(foreseen(&plan, "audit"), expected);

    let more = SIMPLE.replace("access.log", "error.log");
    world.shippings[1] = shipping("audit", &preview(&more));
    let plan = reconcile(&mut world);
    assert_eq!(*standing(&plan, "audit"), Standing::Preview(Foreseen::Reload));
}

#[test]
fn a_preview_tells_what_would_keep_it_from_the_deployment() {
    let nowhere = "sources: [{name: s, container: web, paths: [/x/y.log]}], destinations: [{name: out, stdout: {}}]";
    let mut world = observed(OWNER, vec![shipping("logs", &preview(nowhere))]);
    let words = foreseen(&reconcile(&mut world), "logs");
    assert!(
        words.starts_with("nothing would change (ContainerNotFound): source s: "),
        "{words}"
    );

    let recreate = OWNER.replace("spec:\n  selector", "spec:\n  strategy: {type: Recreate}\n  selector");
    let mut world = observed(&recreate, vec![shipping("logs", &preview(SIMPLE))]);
    let words = foreseen(&reconcile(&mut world), "logs");
    assert!(
        words.starts_with("nothing would change (RecreateStrategy): "),
        "{words}"
    );
}

#[test]
fn one_that_is_switched_to_preview_leaves_its_pipeline_as_it_is() {
    let mut world = observed(OWNER, vec![shipping("logs", SIMPLE)]);
    reconcile(&mut world);
    let before = (template(&world), config(&world));
    world.shippings = vec![shipping("logs", &preview(SIMPLE))];
    let plan = reconcile(&mut world);
    assert!(is_nothing(&plan));
    assert_eq!(*standing(&plan, "logs"), Standing::Preview(Foreseen::Nothing));
    assert_eq!(plan.state.carried, ["logs".to_owned()].into());

    world.shippings = vec![shipping(
        "logs",
        &preview(&format!("{SIMPLE}, sidecar: {{port: 20000}}")),
    )];
    let plan = reconcile(&mut world);
    assert!(is_nothing(&plan));
    assert_eq!(
        foreseen(&plan, "logs"),
        "its pods would restart: container logshipping-sidecar is changed"
    );
    assert_eq!((template(&world), config(&world)), before);
}

#[test]
fn while_paused_nothing_new_of_it_is_changed_and_the_others_go_on() {
    let mut world = observed(
        OWNER,
        vec![shipping("logs", &paused(SIMPLE)), shipping("other", SIMPLE)],
    );
    reconcile(&mut world);
    assert_eq!(pipelines(&world), ["shop/other"]);
    let plan = reconcile(&mut world);
    assert_eq!(*standing(&plan, "logs"), Standing::Paused(Foreseen::Reload));

    world.shippings[0] = shipping("logs", SIMPLE);
    reconcile(&mut world);
    let before = (shape(&world), config(&world).pipelines[0].clone());
    let port = format!(
        "{}, sidecar: {{port: 20000}}, priority: -5",
        SIMPLE.replace("access", "error")
    );
    world.shippings[0] = shipping("logs", &paused(&port));
    world.shippings[1] = shipping("other", &SIMPLE.replace("access.log", "other.log"));
    let plan = reconcile(&mut world);
    assert!(plan.patch.is_none() && plan.config_map.is_some());
    assert_eq!((shape(&world), config(&world).pipelines[0].clone()), before);
    assert!(matches!(
        standing(&plan, "logs"),
        Standing::Paused(Foreseen::Restart(_))
    ));
    assert_eq!(*standing(&plan, "other"), Standing::Injected);
    assert!(is_nothing(&reconcile(&mut world)));
}

#[test]
fn one_that_is_paused_with_nothing_to_do_is_injected() {
    let mut world = observed(OWNER, vec![shipping("logs", SIMPLE)]);
    reconcile(&mut world);
    world.shippings = vec![shipping("logs", &paused(SIMPLE))];
    let plan = reconcile(&mut world);
    assert!(is_nothing(&plan));
    assert_eq!(*standing(&plan, "logs"), Standing::Injected);
}

#[test]
fn one_that_waits_and_goes_is_taken_out() {
    let mut world = observed(OWNER, vec![shipping("logs", SIMPLE)]);
    let original = template(&world);
    reconcile(&mut world);
    for waits in [preview(SIMPLE), paused(SIMPLE)] {
        world.shippings = vec![shipping("logs", &waits)];
        assert!(is_nothing(&reconcile(&mut world)));
    }
    world.shippings.clear();
    reconcile(&mut world);
    assert_eq!(template(&world), original);
}

#[test]
fn in_preview_an_owner_who_takes_the_sidecar_out_is_not_contradicted() {
    let mut world = observed(OWNER, vec![shipping("logs", SIMPLE)]);
    let original = serde_json::to_value(&world.deployment).unwrap();
    reconcile(&mut world);
    world.deployment = serde_json::from_value(original.clone()).unwrap();
    world.shippings = vec![shipping("logs", &preview(SIMPLE))];
    assert_eq!(reconcile(&mut world).patch, None);
    assert_eq!(json!(world.deployment), original);
}
