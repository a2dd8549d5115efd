//! Volumes of ours that several sources or containers ask for.

use super::*;
use crate::plan::target::tests::resolved;

use crds::names;

fn settled(mut targets: Vec<SourceTarget>) -> Vec<SourceTarget> {
    settle(targets.iter_mut().collect());
    targets
}

fn volumes(target: &SourceTarget) -> Vec<(&str, &str)> {
    let places = target.places.iter();
    places
        .map(|place| (place.path.as_str(), place.volume.as_str()))
        .collect()
}

#[test]
fn two_containers_that_log_to_directories_of_one_name_get_a_volume_each() {
    let plain = names::logs_volume("/logs");
    let apart = names::logs_volume_of("/logs", "proxy");
    let first = names::logs_volume_of("/logs", "first");
    for (containers, expected) in [
        (&["app"][..], &[&plain][..]),
        (&["proxy"], &[&plain]),
        (&["app", "app"], &[&plain, &plain]),
        // An init container comes before the others, then the names count.
        (&["app", "proxy"], &[&names::logs_volume_of("/logs", "app"), &plain]),
        (&["proxy", "app"], &[&plain, &names::logs_volume_of("/logs", "app")]),
        (&["first", "app", "first"], &[&first, &plain, &first]),
    ] {
        let targets = containers.iter().map(|container| resolved(container, "/logs/x.log"));
        let targets = settled(targets.collect());
        let found: Vec<_> = targets.iter().map(|target| &target.places[0].volume).collect();
        assert_eq!(found, expected, "{containers:?}");
        assert!(!found.contains(&&apart), "{containers:?}");
    }
}

#[test]
fn what_is_mounted_twice_is_told_apart_in_the_sidecar() {
    let targets = settled(vec![resolved("app", "/logs/x"), resolved("proxy", "/logs/x")]);
    assert_ne!(targets[0].places[0].mounted_at(), targets[1].places[0].mounted_at());
    let shared = settled(vec![resolved("first", "/var/log/x"), resolved("first", "/var/log/y")]);
    assert_eq!(shared[0].places, shared[1].places);
}

#[test]
fn a_volume_that_another_source_has_added_is_read_where_a_pattern_reaches_into_it() {
    let nested = names::logs_volume("/logs/deep");
    for (container, path, reached) in [
        ("app", "/logs/**/*.log", true),
        ("app", "/logs/d*/*.log", true),
        ("app", "/logs/*.log", false),
        ("app", "/logs/x*/*.log", false),
        // Another container has another directory there.
        ("proxy", "/logs/**/*.log", false),
    ] {
        let targets = settled(vec![resolved(container, path), resolved("app", "/logs/deep/x.log")]);
        let found = volumes(&targets[0]).contains(&("/logs/deep", nested.as_str()));
        assert_eq!(found, reached, "{container} {path}");
        assert_eq!(volumes(&targets[1]), [("/logs/deep", nested.as_str())], "{path}");
    }
}
