//! `deletionPolicy: Retain`: what a LogShipping leaves behind, and how one gets rid of it.

use crds::names;

use super::world::{OWNER, SIMPLE, config, observed, reconcile, shipping, template};
use crate::observed::Observed;
use crate::plan::{Action, Standing};

const AUDIT: &str = "sources: [{name: audit, paths: [/audit/*.log]}], destinations: [{name: out, stdout: {}}]";

/// The mark on the ConfigMap.
fn mark(world: &Observed) -> Option<String> {
    let annotations = world.config_map.as_ref()?.metadata.annotations.as_ref()?;
    annotations.get(names::RETAINED).cloned()
}

/// One that was deleted and may go because its pipeline was marked.
fn retained(other: &str) -> Observed {
    let mut world = observed(OWNER, vec![shipping("logs", SIMPLE), shipping("other", other)]);
    reconcile(&mut world);
    world.shippings.remove(0);
    world.retaining = ["logs".to_owned()].into();
    assert!(
        reconcile(&mut world).state.carried.contains("logs"),
        "not before it is written down"
    );
    assert_eq!(mark(&world).as_deref(), Some("logs"));
    assert!(!reconcile(&mut world).state.carried.contains("logs"));
    world.retaining.clear();
    world
}

#[test]
fn what_is_retained_stays_and_works_on_when_its_object_is_gone() {
    let mut world = observed(OWNER, vec![shipping("logs", SIMPLE)]);
    reconcile(&mut world);
    let (before, runs) = (template(&world), config(&world));
    world.shippings.clear();
    world.retaining = ["logs".to_owned()].into();
    let plan = reconcile(&mut world);
    assert!(plan.patch.is_none() && plan.config_map.is_some());
    assert!(reconcile(&mut world).state.carried.is_empty());
    world.retaining.clear();
    let plan = reconcile(&mut world);
    assert_eq!(
        (plan.patch, plan.config_map, plan.delete_config_map),
        (None, None, None)
    );
    assert_eq!((template(&world), config(&world)), (before, runs));
}

#[test]
fn without_the_mark_a_pipeline_of_nobody_is_an_orphan_and_goes() {
    let mut world = retained(AUDIT);
    let annotations = world
        .config_map
        .as_mut()
        .unwrap()
        .metadata
        .annotations
        .as_mut()
        .unwrap();
    annotations.remove(names::RETAINED);
    reconcile(&mut world);
    let left: Vec<_> = config(&world)
        .pipelines
        .into_iter()
        .map(|pipeline| pipeline.name)
        .collect();
    assert_eq!(left, ["shop/other"]);
}

#[test]
fn others_come_and_go_beside_what_is_retained() {
    let mut world = retained(AUDIT);
    let runs = config(&world).pipelines[0].clone();
    world.shippings = vec![
        shipping("other", &AUDIT.replace("*.log", "x.log")),
        shipping("third", AUDIT),
    ];
    reconcile(&mut world);
    assert_eq!(config(&world).pipelines.len(), 3);
    world.shippings.clear();
    reconcile(&mut world);
    assert_eq!(config(&world).pipelines, [runs]);
    assert_eq!(mark(&world).as_deref(), Some("logs"));
}

#[test]
fn one_of_the_same_name_takes_over_as_soon_as_it_acts() {
    let mut world = retained(AUDIT);
    let waits = format!("{SIMPLE}, mode: Preview");
    world.shippings.push(shipping("logs", &waits));
    let plan = reconcile(&mut world);
    assert_eq!((plan.patch, plan.config_map), (None, None));
    assert_eq!(mark(&world).as_deref(), Some("logs"));

    *world.shippings.last_mut().unwrap() = shipping("logs", SIMPLE);
    let plan = reconcile(&mut world);
    assert_eq!((plan.patch, mark(&world)), (None, None));
    let plan = reconcile(&mut world);
    assert_eq!(plan.state.shippings["logs"].standing, Standing::Injected);
    assert!(plan.state.carried.contains("logs"));
}

#[test]
fn the_owner_who_opts_out_gets_rid_of_it() {
    let mut world = retained(AUDIT);
    world.shippings.clear();
    reconcile(&mut world);
    let metadata = &mut world.deployment.metadata;
    metadata.annotations = Some([(names::INJECT.to_owned(), "false".to_owned())].into());
    let plan = reconcile(&mut world);
    assert_eq!(plan.patch.map(|patch| patch.action), Some(Action::Remove));
    assert!(reconcile(&mut world).delete_config_map.is_some());
}

#[test]
fn a_deployment_that_is_left_alone_keeps_what_is_retained_and_holds_nobody_up() {
    let mut world = observed(OWNER, vec![shipping("logs", SIMPLE), shipping("other", AUDIT)]);
    reconcile(&mut world);
    let owner = super::world::yaml("{apiVersion: v1, kind: Tenant, name: t, uid: u, controller: true}");
    world.deployment.metadata.owner_references = Some(vec![owner]);
    world.shippings.remove(0);
    world.retaining = ["logs".to_owned()].into();
    assert_eq!(reconcile(&mut world).patch, None);
    assert_eq!(reconcile(&mut world).state.carried, ["other".to_owned()].into());
    assert_eq!(config(&world).pipelines.len(), 2);
}
