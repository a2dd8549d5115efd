//! Expressions over the environments that containers have.

use super::*;

/// An environment with a variable of each kind.
const ENVIRONMENT: &str = "
- {name: POD_NAME, valueFrom: {fieldRef: {apiVersion: v1, fieldPath: metadata.name}}}
- {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
- {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
- {name: NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
- {name: APP, value: shop}
- {name: BOTH, value: $(APP)-$(POD_NAME)}
- {name: DOLLARS, value: a$$b$$(APP)$}
- {name: NOTHING, value: ''}
- {name: UP, value: ..}
- {name: EARLY, value: $(LATE)}
- {name: LATE, value: x}
- {name: TWICE, value: one}
- {name: TWICE, value: $(TWICE)-two}
- {name: LEVEL, valueFrom: {configMapKeyRef: {name: c, key: k}}}
- {name: TOKEN, valueFrom: {secretKeyRef: {name: s, key: k}}}
- {name: MEMORY, valueFrom: {resourceFieldRef: {resource: limits.memory}}}
- {name: INDIRECT, value: x-$(TOKEN)}
";

fn sub_path(mount: &str) -> Result<SubPath, ExpressionError> {
    let yaml = format!("{{name: app, volumeMounts: [{{name: v, mountPath: /x, {mount}}}]}}");
    let value: serde_json::Value = serde_saphyr::from_str(&yaml).unwrap();
    let mut container: Container = serde_json::from_value(value).unwrap();
    let environment: serde_json::Value = serde_saphyr::from_str(ENVIRONMENT).unwrap();
    container.env = serde_json::from_value(environment).unwrap();
    let mount = container.volume_mounts.as_ref().unwrap()[0].clone();
    SubPath::of(&container, &mount)
}

fn expression(text: &str) -> Result<SubPath, ExpressionError> {
    sub_path(&format!("subPathExpr: '{text}'"))
}

#[test]
fn what_is_constant_becomes_a_plain_sub_path() {
    for (mount, expected) in [
        ("subPath: logs", "logs"),
        ("subPath: $(POD_NAME)", "$(POD_NAME)"),
        ("subPathExpr: logs", "logs"),
        ("subPathExpr: $(APP)/logs", "shop/logs"),
        ("subPathExpr: $(DOLLARS)", "a$b$(APP)$"),
        ("subPathExpr: $$(APP)", "$(APP)"),
        ("subPathExpr: x$(NOTHING", "x$(NOTHING"),
        ("subPathExpr: $(TWICE)", "one-two"),
    ] {
        assert_eq!(sub_path(mount), Ok(SubPath::Fixed(expected.to_owned())), "{mount}");
    }
    assert_eq!(sub_path("readOnly: true"), Ok(SubPath::Whole));
    assert_eq!(sub_path("subPath: ''"), Ok(SubPath::Whole));
}

#[test]
fn fields_of_the_pod_are_asked_for_under_names_of_our_own() {
    for (text, expected, fields) in [
        (
            "$(POD_NAME)",
            "$(LOGSHIPPING_POD_NAME)".to_owned(),
            &["metadata.name"][..],
        ),
        ("$(BOTH)", "shop-$(LOGSHIPPING_POD_NAME)".to_owned(), &["metadata.name"]),
        (
            "$(NODE)/$(POD_NAME)",
            "$(LOGSHIPPING_NODE_NAME)/$(LOGSHIPPING_POD_NAME)".to_owned(),
            &["metadata.name", "spec.nodeName"],
        ),
        (
            "$$/$(NAMESPACE)",
            format!("$$/$({})", environment::of_field("metadata.namespace")),
            &["metadata.namespace"],
        ),
    ] {
        let found = expression(text).unwrap();
        let SubPath::Expression { text: ours, .. } = &found else {
            panic!("{text}: {found:?}")
        };
        assert_eq!(*ours, expected, "{text}");
        assert_eq!(found.fields().collect::<Vec<_>>(), fields, "{text}");
    }
}

#[test]
fn a_part_of_one_pod_is_told_from_one_of_many() {
    for (text, of_one) in [
        ("$(POD_NAME)", true),
        ("$(IP)", true),
        ("$(NODE)/$(POD_NAME)", true),
        ("$(NODE)", false),
        ("$(NAMESPACE)", false),
        ("$(APP)", false),
    ] {
        assert_eq!(expression(text).unwrap().is_of_one_pod(), of_one, "{text}");
    }
}

#[test]
fn what_only_the_owners_container_knows_is_refused() {
    for (text, expected) in [
        ("$(MISSING)", "variable MISSING is not in `env`"),
        ("$(EARLY)", "variable LATE is not in `env`"),
        ("$(NOTHING)", "variable NOTHING is empty"),
        ("$(LEVEL)", "variable LEVEL comes from a ConfigMap"),
        ("a/$(TOKEN)", "variable TOKEN comes from a Secret"),
        ("$(INDIRECT)", "variable TOKEN comes from a Secret"),
        ("$(MEMORY)", "variable MEMORY comes from a source of its own"),
        ("x/$(UP)/y", "leads out of the volume"),
    ] {
        let error = expression(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}
