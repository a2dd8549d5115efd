//! What people do to our ConfigMap by hand. That its text comes back is in `operator::configuration`.

use crds::names;
use serde_json::{Value, json};
use tests::chronicle::Step::Ours;
use tests::wait;

use super::life::{Life, reconfigured};
use crate::operator::shop::{CONFIG_MAP, PATIENCE};

fn edit(life: &Life, patch: &Value) {
    let patch = patch.to_string();
    let arguments = ["patch", "configmap", CONFIG_MAP, "--type=merge", "--patch", &patch];
    let said = life.shop.namespace.run(&arguments);
    assert!(!said.contains("no change"), "{said}");
}

fn content(life: &Life) -> Option<Value> {
    let config_map = life.shop.config_map()?;
    let metadata = &config_map["metadata"];
    let about = [&metadata["annotations"], &metadata["ownerReferences"]];
    Some(json!([config_map["data"], config_map["binaryData"], about]))
}

#[test]
fn whatever_is_edited_in_it_comes_back_and_restarts_nothing() {
    let life = Life::begin("edited");
    let before = content(&life);
    for patch in [
        json!({"data": {"more": "text"}}),
        json!({"binaryData": {"blob": "AAAA"}}),
        json!({"data": null}),
        json!({"metadata": {"ownerReferences": null}}),
        json!({"metadata": {"annotations": {names::ADMITTED: null}}}),
    ] {
        edit(&life, &patch);
        let what = format!("{patch} is undone");
        wait::until_is(&what, PATIENCE, || content(&life), |now| *now == before);
    }
    life.await_steps(&[Ours]);
}

/// Nobody can take that back, so it is made anew. Kubelets that have it mounted don't look at it again, which the status
/// says when it lasts.
#[test]
fn one_that_was_made_immutable_is_made_anew_and_goes_on_changing() {
    let life = Life::begin("immutable");
    edit(&life, &json!({"metadata": {"labels": {"team": "shop"}}}));
    edit(&life, &json!({"immutable": true}));
    let look = || life.shop.config_map();
    wait::until_is("it can be changed again", PATIENCE, look, |found| {
        found
            .as_ref()
            .is_some_and(|found| found["immutable"].is_null() && found["data"].is_object())
    });
    life.shop.namespace.apply(&reconfigured());
    wait::until_is(
        "the configuration changes",
        PATIENCE,
        || life.files(),
        |files| files.contains("other.logging"),
    );
    assert_eq!(life.shop.config_map().unwrap()["metadata"]["labels"]["team"], "shop");
    life.shop.await_condition("Ready", "True Healthy");
    life.await_steps(&[Ours]);
}

/// People's own labels and annotations are none of our business.
#[test]
fn labels_that_people_add_stay() {
    let life = Life::begin("labelled");
    edit(&life, &json!({"metadata": {"labels": {"team": "shop"}}}));
    life.shop.namespace.apply(&reconfigured());
    wait::until_is(
        "the configuration changes",
        PATIENCE,
        || life.files(),
        |files| files.contains("other.logging"),
    );
    assert_eq!(life.shop.config_map().unwrap()["metadata"]["labels"]["team"], "shop");
}

/// Without our label it counts as somebody else's, which is never overwritten; who gives the label back ends that.
#[test]
fn one_that_lost_our_label_is_not_overwritten_until_it_has_it_again() {
    let life = Life::begin("unlabelled");
    edit(
        &life,
        &json!({"metadata": {"labels": {"logshipping.dev/managed": null}}}),
    );
    let message = life.shop.await_condition("Stalled", "True Conflict");
    assert!(
        message.contains(CONFIG_MAP) && message.contains("logshipping.dev/managed"),
        "{message}"
    );
    edit(
        &life,
        &json!({"metadata": {"labels": {"logshipping.dev/managed": "true"}}}),
    );
    life.shop.await_condition("Ready", "True Healthy");
    life.shop.await_condition("Stalled", "");
    life.await_steps(&[Ours]);
}
