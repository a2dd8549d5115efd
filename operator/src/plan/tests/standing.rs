//! How a Deployment stands, seen from each LogShipping, and what happens to those that can't have what they ask for.

use crds::conditions::Reason;
use crds::names;

use super::world::{OWNER, SIMPLE, config, observed, reconcile, shape, shipping, template};
use crate::observed::{Life, Observed, Pod, SidecarContainer};
use crate::plan::{Action, Finding, Plan, Standing};

/// With this a specification can't be used.
const UNUSABLE: &str = "sidecar: {resources: {requests: {cpu: 2}, limits: {cpu: 1}}}";

fn standing<'a>(plan: &'a Plan, name: &str) -> &'a Standing {
    &plan.state.shippings[name].standing
}

fn finding<'a>(plan: &'a Plan, name: &str) -> &'a Finding {
    match standing(plan, name) {
        Standing::Skipped(finding) | Standing::Failed(finding) => finding,
        other => panic!("{name} is {other:?}"),
    }
}

fn revisions(observed: &Observed) -> Vec<(String, String)> {
    config(observed)
        .pipelines
        .into_iter()
        .map(|pipeline| (pipeline.name, pipeline.revision))
        .collect()
}

#[test]
fn a_target_is_in_progress_and_then_injected() {
    let mut world = observed(OWNER, vec![shipping("logs", SIMPLE)]);
    let first = reconcile(&mut world);
    assert_eq!(*standing(&first, "logs"), Standing::InProgress);
    assert!(first.state.carried.is_empty());
    let second = reconcile(&mut world);
    assert_eq!(*standing(&second, "logs"), Standing::Injected);
    assert_eq!(second.state.carried, ["logs".to_owned()].into());
    let revision = second.state.shippings["logs"].revision.clone().unwrap();
    assert_eq!(revisions(&world), [("shop/logs".to_owned(), revision)]);
}

#[test]
fn an_invalid_specification_keeps_its_last_good_configuration() {
    let mut world = observed(OWNER, vec![shipping("logs", SIMPLE), shipping("more", SIMPLE)]);
    reconcile(&mut world);
    let before = config(&world);
    world.shippings[0] = shipping("logs", &format!("{SIMPLE}, {UNUSABLE}"));
    let plan = reconcile(&mut world);
    assert_eq!((plan.patch, plan.config_map), (None, None));
    assert_eq!(config(&world), before);
    world.shippings[1] = shipping("more", &SIMPLE.replace("access.log", "error.log"));
    let plan = reconcile(&mut world);
    assert_eq!(plan.patch, None);
    let after = config(&world);
    assert_eq!(after.pipelines[0], before.pipelines[0]);
    assert_ne!(after.pipelines[1], before.pipelines[1]);
    assert_eq!(finding(&reconcile(&mut world), "logs").reason, Reason::InvalidSpec);
}

#[test]
fn an_invalid_specification_restarts_nothing_even_when_the_config_map_is_gone() {
    let mut world = observed(OWNER, vec![shipping("logs", SIMPLE)]);
    reconcile(&mut world);
    world.config_map = None;
    world.shippings = vec![shipping("logs", &format!("{SIMPLE}, {UNUSABLE}"))];
    let plan = reconcile(&mut world);
    assert_eq!((&plan.patch, &plan.config_map), (&None, &None));
    world.shippings = vec![shipping("logs", SIMPLE)];
    let plan = reconcile(&mut world);
    assert!(plan.patch.is_none() && plan.config_map.is_some());
}

#[test]
fn what_was_never_valid_gets_nothing() {
    let mut world = observed(OWNER, vec![shipping("logs", &format!("{SIMPLE}, {UNUSABLE}"))]);
    let plan = reconcile(&mut world);
    assert_eq!((&plan.patch, &plan.config_map), (&None, &None));
    let message = &finding(&plan, "logs").message;
    assert_eq!(
        message,
        "spec.sidecar.resources.requests.cpu: 2 is more than the limit 1"
    );
}

#[test]
fn a_pipeline_whose_object_is_gone_goes_even_when_the_other_one_is_invalid() {
    let mut world = observed(OWNER, vec![shipping("logs", SIMPLE), shipping("more", SIMPLE)]);
    reconcile(&mut world);
    world.shippings = vec![shipping("more", &format!("{SIMPLE}, {UNUSABLE}"))];
    let plan = reconcile(&mut world);
    assert_eq!(plan.patch, None);
    assert_eq!(reconcile(&mut world).state.carried, ["more".to_owned()].into());
}

#[test]
fn one_that_cannot_be_served_leaves_the_others_alone() {
    let nowhere = "sources: [{name: s, container: web, paths: [/x/y.log]}], destinations: [{name: out, stdout: {}}]";
    let mut world = observed(OWNER, vec![shipping("bad", nowhere), shipping("logs", SIMPLE)]);
    let plan = reconcile(&mut world);
    assert_eq!(finding(&plan, "bad").reason, Reason::ContainerNotFound);
    assert_eq!(revisions(&world).len(), 1);
    assert_eq!(*standing(&reconcile(&mut world), "logs"), Standing::Injected);
}

#[test]
fn a_refused_change_keeps_what_ran_before() {
    let mut world = observed(OWNER, vec![shipping("logs", SIMPLE)]);
    reconcile(&mut world);
    let before = config(&world);
    let nowhere = "sources: [{name: s, container: web, paths: [/x/y.log]}], destinations: [{name: out, stdout: {}}]";
    world.shippings = vec![shipping("logs", nowhere)];
    let plan = reconcile(&mut world);
    assert_eq!((&plan.patch, config(&world)), (&None, before));
    assert!(matches!(standing(&plan, "logs"), Standing::Failed(_)));
}

#[test]
fn higher_priority_comes_first_then_the_smaller_name() {
    let image = |image: &str, priority: i32| format!("{SIMPLE}, priority: {priority}, sidecar: {{image: '{image}'}}");
    let mut world = observed(
        OWNER,
        vec![
            shipping("c", &image("c", 0)),
            shipping("a", &image("a", 0)),
            shipping("b", &image("b", 1)),
        ],
    );
    let plan = reconcile(&mut world);
    assert_eq!(plan.state.sidecar_image.as_deref(), Some("b"));
    let order: Vec<_> = config(&world)
        .pipelines
        .into_iter()
        .map(|pipeline| pipeline.name)
        .collect();
    assert_eq!(order, ["shop/b", "shop/a", "shop/c"]);
}

#[test]
fn a_foreign_config_map_is_a_conflict_and_never_overwritten() {
    let mut world = observed(OWNER, vec![shipping("logs", SIMPLE)]);
    world.config_map = Some(super::world::yaml(
        "{metadata: {name: logshipping-deployment-server}, data: {a: b}}",
    ));
    let plan = reconcile(&mut world);
    assert_eq!(
        (&plan.patch, &plan.config_map, &plan.delete_config_map),
        (&None, &None, &None)
    );
    assert_eq!(finding(&plan, "logs").reason, Reason::Conflict);
    assert!(
        finding(&plan, "logs")
            .message
            .contains("ConfigMap logshipping-deployment-server exists")
    );
    world.shippings.clear();
    assert_eq!(reconcile(&mut world).delete_config_map, None);
}

#[test]
fn what_keeps_us_from_injecting_never_keeps_us_from_leaving() {
    let owned = |world: &mut Observed| {
        let owner = super::world::yaml("{apiVersion: v1, kind: Tenant, name: t, uid: u, controller: true}");
        world.deployment.metadata.owner_references = Some(vec![owner]);
    };
    let paused = |world: &mut Observed| world.deployment.spec.as_mut().unwrap().paused = Some(true);
    let foreign = |world: &mut Observed| world.config_map.as_mut().unwrap().metadata.labels = None;
    let obstacles: [&dyn Fn(&mut Observed); 3] = [&owned, &paused, &foreign];
    for obstacle in obstacles {
        let mut world = observed(OWNER, vec![shipping("logs", SIMPLE)]);
        let original = template(&world);
        reconcile(&mut world);
        obstacle(&mut world);
        assert_eq!(reconcile(&mut world).patch, None);
        world.shippings.clear();
        reconcile(&mut world);
        assert_eq!(template(&world), original);
    }
}

#[test]
fn a_deployment_that_is_left_alone_holds_up_nobody_who_leaves() {
    let owned = |world: &mut Observed| {
        let owner = super::world::yaml("{apiVersion: v1, kind: Tenant, name: t, uid: u, controller: true}");
        world.deployment.metadata.owner_references = Some(vec![owner]);
    };
    let system = |world: &mut Observed| {
        let text = serde_json::to_string(&world.config_map)
            .unwrap()
            .replace("shop/", "kube-system/");
        world.config_map = serde_json::from_str(&text).unwrap();
        world.deployment.metadata.namespace = Some("kube-system".to_owned());
    };
    let obstacles: [&dyn Fn(&mut Observed); 2] = [&owned, &system];
    for obstacle in obstacles {
        let mut world = observed(OWNER, vec![shipping("leaves", SIMPLE), shipping("stays", SIMPLE)]);
        let original = template(&world);
        reconcile(&mut world);
        obstacle(&mut world);
        let injected = template(&world);
        assert_eq!(reconcile(&mut world).state.carried.len(), 2);
        world.shippings.remove(0);
        reconcile(&mut world);
        let plan = reconcile(&mut world);
        assert_eq!((plan.patch, plan.config_map), (None, None));
        assert_eq!(plan.state.carried, ["stays".to_owned()].into());
        assert_eq!(template(&world), injected);

        world.shippings = vec![shipping("never-had", SIMPLE)];
        let plan = reconcile(&mut world);
        assert_eq!(plan.patch.map(|patch| patch.action), Some(Action::Remove));
        assert_eq!(template(&world), original, "a sidecar without a pipeline is of no use");
        assert!(reconcile(&mut world).state.carried.is_empty());
    }
}

#[test]
fn a_deployment_that_is_being_deleted_is_left_alone_and_holds_nobody_up() {
    let mut world = observed(OWNER, vec![shipping("logs", SIMPLE)]);
    reconcile(&mut world);
    world.deployment.metadata.deletion_timestamp = Some(super::world::yaml("2026-01-01T00:00:00Z"));
    let plan = reconcile(&mut world);
    assert_eq!(finding(&plan, "logs").reason, Reason::BeingDeleted);
    world.shippings.clear();
    let plan = reconcile(&mut world);
    assert_eq!((plan.patch, plan.state.carried.len()), (None, 0));
}

#[test]
fn opting_out_takes_the_sidecar_away_and_says_why() {
    let mut world = observed(OWNER, vec![shipping("logs", SIMPLE)]);
    let original = template(&world);
    reconcile(&mut world);
    let metadata = &mut world.deployment.metadata;
    metadata.annotations = Some([(names::INJECT.to_owned(), "false".to_owned())].into());
    let plan = reconcile(&mut world);
    assert_eq!(plan.patch.as_ref().unwrap().action, Action::Remove);
    assert_eq!(finding(&plan, "logs").reason, Reason::OptedOut);
    assert_eq!(template(&world), original);
}

#[test]
fn a_paused_deployment_reloads_but_its_template_stays() {
    let mut world = observed(OWNER, vec![shipping("logs", SIMPLE)]);
    world.deployment.spec.as_mut().unwrap().paused = Some(true);
    let plan = reconcile(&mut world);
    assert_eq!((&plan.patch, &plan.config_map), (&None, &None));
    assert_eq!(finding(&plan, "logs").reason, Reason::DeploymentPaused);

    world.deployment.spec.as_mut().unwrap().paused = None;
    reconcile(&mut world);
    world.deployment.spec.as_mut().unwrap().paused = Some(true);
    world.shippings = vec![shipping("logs", &SIMPLE.replace("access.log", "error.log"))];
    let plan = reconcile(&mut world);
    assert!(plan.patch.is_none() && plan.config_map.is_some());
    assert_eq!(*standing(&plan, "logs"), Standing::Injected);

    world.shippings = vec![shipping("logs", &format!("{SIMPLE}, sidecar: {{port: 20000}}"))];
    let plan = reconcile(&mut world);
    assert_eq!((&plan.patch, &plan.config_map), (&None, &None));
    assert_eq!(finding(&plan, "logs").reason, Reason::DeploymentPaused);
}

#[test]
fn recreate_needs_the_consent_of_all() {
    let recreate = OWNER.replace("spec:\n  selector", "spec:\n  strategy: {type: Recreate}\n  selector");
    let consents = format!("{SIMPLE}, rollout: {{allowRecreate: true}}");
    let mut world = observed(&recreate, vec![shipping("a", &consents), shipping("b", SIMPLE)]);
    let plan = reconcile(&mut world);
    assert_eq!(plan.patch, None);
    assert_eq!(finding(&plan, "a").reason, Reason::RecreateStrategy);
    world.shippings.pop();
    assert_eq!(reconcile(&mut world).patch.unwrap().action, Action::Inject);
}

#[test]
fn a_stripped_restart_policy_halts_until_the_placement_changes() {
    let mut world = observed(OWNER, vec![shipping("logs", SIMPLE)]);
    reconcile(&mut world);
    world.pods = vec![Pod {
        name: "server-1".to_owned(),
        uid: "u".to_owned(),
        shape: Some(shape(&world)),
        nudged: None,
        sidecar: SidecarContainer::Stripped,
        loaded: None,
        life: Life::Live,
    }];
    let plan = reconcile(&mut world);
    assert_eq!(finding(&plan, "logs").reason, Reason::RestartPolicyStripped);
    assert!(finding(&plan, "logs").message.contains("pod server-1"));
    world.pods[0].shape = Some("an older one".to_owned());
    assert_eq!(*standing(&reconcile(&mut world), "logs"), Standing::Injected);
    world.pods[0].shape = Some(shape(&world));
    world.shippings = vec![shipping(
        "logs",
        &format!("{SIMPLE}, sidecar: {{placement: Container}}"),
    )];
    assert_eq!(reconcile(&mut world).patch.unwrap().action, Action::Update);
}

#[test]
fn a_label_that_the_owner_selects_by_stays_when_everything_else_goes() {
    let label = format!("{}: 'true'", names::SIDECAR_LABEL);
    let expression = format!("{{key: {}, operator: Exists}}", names::SIDECAR_LABEL);
    for selector in [
        format!("{{matchLabels: {{app: server, {label}}}}}"),
        format!("{{matchLabels: {{app: server}}, matchExpressions: [{expression}]}}"),
    ] {
        let owner = OWNER
            .replace(
                "selector: {matchLabels: {app: server}}",
                &format!("selector: {selector}"),
            )
            .replace(
                "labels: {app: server, app.",
                &format!("labels: {{app: server, {label}, app."),
            );
        let mut world = observed(&owner, vec![shipping("logs", SIMPLE)]);
        let before = template(&world);
        reconcile(&mut world);
        assert_ne!(template(&world), before, "{selector}");
        world.shippings.clear();
        reconcile(&mut world);
        assert_eq!(template(&world), before, "{selector}");
        assert_eq!(reconcile(&mut world).patch, None, "{selector}");
    }
}
