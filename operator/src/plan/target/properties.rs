//! What holds for every template and every set of sources.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Container;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::json;

use super::mounts::Mounts;
use super::tests::{resolve_in, source};
use super::*;

/// Names that meet each other, whatever they are put together to.
const NAMES: [&str; 4] = ["a", "b", "log", "x.log"];

/// Every file with up to four of the names.
fn files() -> Vec<String> {
    let mut files = vec![String::new()];
    let mut from = 0;
    for _ in 0..4 {
        let longest: Vec<_> = files[from..].to_vec();
        from = files.len();
        files.extend(
            longest
                .iter()
                .flat_map(|file| NAMES.map(|name| format!("{file}/{name}"))),
        );
    }
    files.remove(0);
    files
}

/// Paths of mounts, in the spellings that the API server takes.
fn path() -> impl Strategy<Value = String> {
    let odd = select(vec![
        "/",
        "/etc",
        "/etc/a",
        "/run/secrets/a",
        "/var/run/secrets/kubernetes.io/serviceaccount",
        "/a//b/",
        "a/b",
        "/a/./b",
        "/a/../b",
        "/var",
        "/usr/lib",
        "/ä/ö",
    ]);
    let plain = vec(select(&NAMES[..3]), 1..4).prop_map(|names| format!("/{}", names.join("/")));
    prop_oneof![1 => odd.prop_map(str::to_owned), 8 => plain]
}

fn glob() -> impl Strategy<Value = String> {
    let component = select(vec![
        "a", "a", "b", "log", "*", "**", "?", "{a,b}", "[ab]", "l*", "{a,etc}",
    ]);
    let last = select(vec!["x.log", "*.log", "*", "**", "{x,y}.log", "a"]);
    (vec(component, 1..4), last).prop_map(|(names, last)| format!("/{}/{last}", names.join("/")))
}

/// A template with two containers and a volume of each sort.
fn template() -> impl Strategy<Value = PodTemplateSpec> {
    let mount = (
        path(),
        select(vec!["empty", "empty", "claim", "claim", "conf", "host", "token"]),
        any::<bool>(),
    );
    vec(vec(mount, 0..5), 2).prop_map(|containers| {
        let named = containers.into_iter().zip(["one", "two"]);
        let containers: Vec<_> = named
            .map(|(mounts, name)| {
                let mounts: Vec<_> = mounts
                    .into_iter()
                    .map(|(path, volume, read_only)| json!({"name": volume, "mountPath": path, "readOnly": read_only && volume == "claim"}))
                    .collect();
                json!({"name": name, "volumeMounts": mounts})
            })
            .collect();
        serde_json::from_value(json!({"spec": {"containers": containers, "volumes": [
            {"name": "empty", "emptyDir": {}},
            {"name": "claim", "persistentVolumeClaim": {"claimName": "c"}},
            {"name": "conf", "configMap": {"name": "c"}},
            {"name": "host", "hostPath": {"path": "/var/log"}},
            {"name": "token", "projected": {}},
        ]}}))
        .unwrap()
    })
}

fn sources() -> impl Strategy<Value = Vec<Source>> {
    let one = (select(vec!["one", "two"]), vec(glob(), 1..3)).prop_map(|(container, globs)| Source {
        paths: globs,
        ..source(container, "/x")
    });
    vec(one, 1..4)
}

/// The targets of those that can be served, settled, with the sources that they are of.
fn served(template: &PodTemplateSpec, sources: &[Source]) -> Vec<(Source, SourceTarget)> {
    let resolved = sources.iter().filter_map(|source| {
        let target = resolve_in(template, source, &VolumeSpec::default()).ok()?;
        Some((source.clone(), target))
    });
    let mut served: Vec<_> = resolved.collect();
    settle(served.iter_mut().map(|(_, target)| target).collect());
    served
}

fn container<'a>(template: &'a PodTemplateSpec, target: &SourceTarget) -> &'a Container {
    let containers = &template.spec.as_ref().unwrap().containers;
    containers
        .iter()
        .find(|container| container.name == target.writer.container)
        .unwrap()
}

/// Volume that a container sees at a path, once it has what we add for all sources; none where it is no volume.
fn seen(
    template: &PodTemplateSpec,
    all: &[(Source, SourceTarget)],
    target: &SourceTarget,
    path: &Directory,
) -> Option<String> {
    let mounts = Mounts::of(template, container(template, target));
    let owners = mounts
        .covering(path)
        .map(|(at, mounted)| (at.clone(), mounted.mount.name.clone()));
    let same = all.iter().filter(|(_, other)| other.writer == target.writer);
    let added = same
        .flat_map(|(_, other)| &other.places)
        .filter(|place| place.is_added());
    let added = added.map(|place| (Directory::of(&place.path), place.volume.clone()));
    let covering = owners.into_iter().chain(added).filter(|(at, _)| path.is_within(at));
    covering
        .max_by_key(|(at, _)| at.as_str().len())
        .map(|(_, volume)| volume)
}

/// Volumes of the test's template that can't be read: where they are mounted below a directory they are left out.
fn is_left_out(template: &PodTemplateSpec, target: &SourceTarget, path: &Directory) -> bool {
    let mounts = Mounts::of(template, container(template, target));
    mounts.covering(path).is_some_and(|(at, mounted)| {
        let read_only = mounted.mount.read_only == Some(true);
        at.is_forbidden() || read_only || ["conf", "token"].contains(&mounted.mount.name.as_str())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn nothing_forbidden_is_ever_shared(template in template(), sources in sources()) {
        for (_, target) in served(&template, &sources) {
            for place in &target.places {
                let path = Directory::of(&place.path);
                prop_assert_eq!(path.as_str(), &place.path);
                prop_assert!(!path.is_forbidden(), "{}", path);
                if place.is_added() {
                    prop_assert!(!path.is_part_of_the_image(), "{}", path);
                    let covered = Mounts::of(&template, container(&template, &target)).covering(&path).is_some();
                    prop_assert!(!covered, "{} has a mount of the owner's", path);
                }
            }
        }
    }

    #[test]
    fn a_file_that_matches_is_read_on_the_volume_where_its_container_has_it(
        template in template(),
        sources in sources(),
    ) {
        let all = served(&template, &sources);
        for (source, target) in &all {
            let patterns = Patterns::new(&source.paths, &[]).unwrap();
            for file in files() {
                let directory = Directory::of(file.rsplit_once('/').map_or("", |(directory, _)| directory));
                if !patterns.at(&file).is_match || is_left_out(&template, target, &directory) {
                    continue;
                }
                let covering = target.places.iter().filter(|place| directory.is_within(&Directory::of(&place.path)));
                let deepest = covering.max_by_key(|place| place.path.len());
                let expected = seen(&template, &all, target, &directory);
                prop_assert_eq!(deepest.map(|place| place.volume.clone()), expected, "{} of {:?}", file, source.paths);
            }
        }
    }

    #[test]
    fn each_path_is_told_once_and_each_mount_has_a_place_of_its_own(template in template(), sources in sources()) {
        let all = served(&template, &sources);
        let mut at = BTreeSet::new();
        let mut volumes = BTreeSet::new();
        for (_, target) in &all {
            let paths: Vec<_> = target.places.iter().map(|place| &place.path).collect();
            prop_assert!(paths.is_sorted_by(|a, b| a < b), "{:?}", paths);
            for place in &target.places {
                at.insert(place.mounted_at());
                volumes.insert(place.volume.clone());
            }
        }
        prop_assert_eq!(at.len(), volumes.len());
    }

    #[test]
    fn the_order_of_sources_does_not_matter_and_settling_again_changes_nothing(
        template in template(),
        sources in sources(),
        from in any::<Index>(),
    ) {
        let mut shuffled = sources.clone();
        shuffled.rotate_left(from.index(sources.len()));
        let places = |all: &[(Source, SourceTarget)]| {
            let mut places: Vec<_> = all.iter().map(|(source, target)| format!("{:?} {:?} {:?}", source.container, source.paths, target.places)).collect();
            places.sort();
            places
        };
        let mut first = served(&template, &sources);
        prop_assert_eq!(places(&first), places(&served(&template, &shuffled)));
        let before = places(&first);
        settle(first.iter_mut().map(|(_, target)| target).collect());
        prop_assert_eq!(places(&first), before);
    }
}
