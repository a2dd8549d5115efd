//! A small model of the API server's strategic merge for what a Deployment patch of ours may contain. That the model is
//! right is shown by the tests on a real API server.

use serde_json::{Map, Value};

/// Applies `patch` to `live`.
pub(super) fn merge(live: &mut Value, patch: &Value) {
    let (Value::Object(live), Value::Object(patch)) = (live, patch) else {
        panic!("only objects are merged")
    };
    for (field, value) in patch.iter().filter(|(field, _)| !field.starts_with('$')) {
        let order = patch.get(&format!("$setElementOrder/{field}"));
        merge_field(live, field, value, order);
    }
}

fn merge_field(live: &mut Map<String, Value>, field: &str, value: &Value, order: Option<&Value>) {
    match (value, key_of(field)) {
        (Value::Null, _) => {
            live.remove(field);
        }
        (Value::Object(_), _) => merge(live.entry(field).or_insert_with(|| Value::Object(Map::new())), value),
        (Value::Array(items), Some(key)) => {
            let mut list = live.get(field).and_then(Value::as_array).cloned().unwrap_or_default();
            merge_list(&mut list, items, key);
            if let Some(order) = order.and_then(Value::as_array) {
                assert_in_order(items, order, key);
                sort(&mut list, order, key);
            }
            live.insert(field.to_owned(), Value::Array(list));
        }
        _ => {
            live.insert(field.to_owned(), value.clone());
        }
    }
    // The server leaves out what is empty, but not an emptyDir.
    let is_empty = match live.get(field) {
        Some(Value::Array(list)) => list.is_empty(),
        Some(Value::Object(map)) => map.is_empty() && ["labels", "annotations"].contains(&field),
        _ => false,
    };
    if is_empty {
        live.remove(field);
    }
}

/// Deletions come first, whatever their place; new items go to the front.
fn merge_list(list: &mut Vec<Value>, patch: &[Value], key: &str) {
    let (deletions, items): (Vec<_>, Vec<_>) = patch.iter().partition(|item| item["$patch"] == "delete");
    list.retain(|live| !deletions.iter().any(|deletion| deletion[key] == live[key]));
    let mut new = Vec::new();
    for item in items {
        assert!(item.get("$patch").is_none(), "{item}");
        match list.iter_mut().find(|live| live[key] == item[key]) {
            Some(live) => merge(live, item),
            None => new.push(item.clone()),
        }
    }
    list.splice(0..0, new);
}

/// The server refuses a list whose items stand in another order.
fn assert_in_order(items: &[Value], order: &[Value], key: &str) {
    let added = items.iter().filter(|item| item.get("$patch").is_none());
    let places: Vec<_> = added
        .map(|item| order.iter().position(|entry| entry[key] == item[key]))
        .collect();
    assert!(
        places.is_sorted() && !places.contains(&None),
        "{items:?} are not in the order {order:?}"
    );
}

fn sort(list: &mut [Value], order: &[Value], key: &str) {
    let place = |item: &Value| order.iter().position(|entry| entry[key] == item[key]);
    for item in list.iter() {
        assert!(place(item).is_some(), "{item} has no place in {order:?}");
    }
    list.sort_by_key(place);
}

fn key_of(field: &str) -> Option<&'static str> {
    match field {
        "containers" | "initContainers" | "volumes" | "imagePullSecrets" | "env" => Some("name"),
        "volumeMounts" => Some("mountPath"),
        "ports" => Some("containerPort"),
        _ => None,
    }
}
