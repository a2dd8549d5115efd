//! Which container and which volume, over one template that has each sort.

use super::*;

/// An owner's template with a container for each way in which a directory may be held.
pub(super) fn template() -> PodTemplateSpec {
    let yaml = "
metadata:
  annotations: {kubectl.kubernetes.io/default-container: app}
spec:
  initContainers:
  - {name: migrate, image: x}
  - {name: proxy, image: x, restartPolicy: Always}
  containers:
  - name: first
    image: x
    volumeMounts: [{name: scratch, mountPath: /var/log/}, {name: data, mountPath: /var/log/app, subPath: logs}]
  - name: app
    image: x
    command: [/app/bin/server, --log, /elsewhere/x]
    workingDir: /desk/dir
    volumeMounts:
    - {name: host, mountPath: /host}
    - {name: conf, mountPath: /conf}
    - {name: secret, mountPath: /secret}
    - {name: all, mountPath: /all}
    - {name: data, mountPath: /expr, subPathExpr: $(POD_NAME)}
    - {name: lost, mountPath: /lost}
    - {name: data, mountPath: /read, readOnly: true}
    - {name: data, mountPath: nested//file.log, subPath: file.log}
    - {name: data, mountPath: /mixed/./data/}
    - {name: scratch, mountPath: /mixed/data/deep}
    - {name: conf, mountPath: /mixed/conf}
    - {name: host, mountPath: /mixed/node}
  volumes:
  - {name: scratch, emptyDir: {sizeLimit: 1Gi}}
  - {name: data, persistentVolumeClaim: {claimName: data}}
  - {name: host, hostPath: {path: /var/log}}
  - {name: conf, configMap: {name: c}}
  - {name: secret, secret: {secretName: s}}
  - {name: all, projected: {sources: []}}
";
    let value: serde_json::Value = serde_saphyr::from_str(yaml).unwrap();
    serde_json::from_value(value).unwrap()
}

pub(super) fn source(container: &str, path: &str) -> Source {
    let mut source: Source = serde_json::from_value(serde_json::json!({"name": "s", "paths": [path]})).unwrap();
    source.container = (!container.is_empty()).then(|| container.to_owned());
    source
}

pub(super) fn resolve_in(
    template: &PodTemplateSpec,
    source: &Source,
    wanted: &VolumeSpec,
) -> Result<SourceTarget, TargetError> {
    let ground = Ground {
        template,
        host_paths: HostPaths::Refused,
        pods: Pods::AtMostOne,
    };
    resolve(ground, source, wanted)
}

pub(super) fn resolved(container: &str, path: &str) -> SourceTarget {
    resolve_in(&template(), &source(container, path), &VolumeSpec::default()).unwrap()
}

fn refused(source: &Source, wanted: &VolumeSpec) -> (Reason, String) {
    let error = resolve_in(&template(), source, wanted).unwrap_err();
    (error.reason(), error.to_string())
}

#[test]
fn the_container_is_the_named_one_else_kubectls_default_else_the_first() {
    assert_eq!(resolved("first", "/logs/x").writer.container, "first");
    assert_eq!(resolved("proxy", "/logs/x").writer.list, crate::plan::parts::List::Init);
    assert_eq!(resolved("", "/logs/x").writer.container, "app");
    let mut unmarked = template();
    unmarked.metadata = None;
    let target = resolve_in(&unmarked, &source("", "/logs/x"), &VolumeSpec::default()).unwrap();
    assert_eq!(target.writer.container, "first");
}

#[test]
fn a_container_that_is_not_there_is_named_together_with_those_that_are() {
    let (reason, message) = refused(&source("web", "/logs/x"), &VolumeSpec::default());
    assert_eq!(reason, Reason::ContainerNotFound);
    assert_eq!(
        message,
        "source s: the pod template has no container \"web\", only first, app: correct `container`, or leave it out for the default one"
    );
    let (reason, message) = refused(&source("migrate", "/logs/x"), &VolumeSpec::default());
    assert_eq!(reason, Reason::ContainerNotFound);
    assert!(message.contains("restartPolicy Always"), "{message}");
}

#[test]
fn the_deepest_mount_that_covers_a_directory_is_used() {
    let place = &resolved("first", "/var/log/app/x.log").places[0];
    assert_eq!((place.path.as_str(), place.volume.as_str()), ("/var/log/app", "data"));
    assert_eq!(
        (place.sub_path.clone(), place.outlives_the_pod()),
        (SubPath::Fixed("logs".to_owned()), true)
    );
    let place = &resolved("first", "/var/log/deep/er/x.log").places[0];
    assert_eq!((place.path.as_str(), place.volume.as_str()), ("/var/log", "scratch"));
    assert_eq!(
        (place.limit_bytes, place.origin),
        (Some(1 << 30), Origin::Owners(Lifetime::Pod))
    );
}

#[test]
fn without_a_mount_an_empty_dir_is_added_at_the_directory_itself() {
    let limited = VolumeSpec {
        size_limit: Some(pipeline::ByteSize::from_mib(2)),
        ..VolumeSpec::default()
    };
    let target = resolve_in(&template(), &source("app", "/var/log/nginx/*.log"), &limited).unwrap();
    let place = &target.places[0];
    assert_eq!(place.path, "/var/log/nginx");
    assert_eq!(place.volume, crds::names::logs_volume("/var/log/nginx"));
    assert_eq!(place.limit_bytes, Some(2 << 20));
    assert_eq!(
        place.origin,
        Origin::Added {
            size_limit: limited.size_limit
        }
    );
}

#[test]
fn two_globs_in_one_directory_share_one_place() {
    let mut both = source("app", "/logs/a.log");
    both.paths.push("/logs/b-*.log".to_owned());
    assert_eq!(
        resolve_in(&template(), &both, &VolumeSpec::default())
            .unwrap()
            .places
            .len(),
        1
    );
}

#[test]
fn two_directories_on_one_mount_share_one_place() {
    let mut both = source("first", "/var/log/a/x.log");
    both.paths.push("/var/log/b/x.log".to_owned());
    assert_eq!(
        resolve_in(&template(), &both, &VolumeSpec::default())
            .unwrap()
            .places
            .len(),
        1
    );
}

#[test]
fn what_cannot_be_shared_is_refused_with_what_to_do() {
    for (path, problem) in [
        ("/host/x", "of type hostPath, which this operator doesn't allow"),
        ("/conf/x", "of type configMap, which Kubernetes fills"),
        ("/secret/x", "of type secret, which Kubernetes fills"),
        ("/all/x", "of type projected, which Kubernetes fills"),
        (
            "/read/x",
            "\"data\", which the container can't write to: name in `container` the one",
        ),
        (
            "/expr/x",
            "can't be worked out for the sidecar: variable POD_NAME is not in `env` of the container",
        ),
        ("/lost/x", "\"lost\", whose type this version doesn't know"),
        ("/etc/x.log", "/etc belongs to the system and is never shared"),
        (
            "/var/run/secrets/kubernetes.io/serviceaccount/token",
            "belongs to the system",
        ),
        ("/{srv,proc/1}/x.log", "/proc/1 belongs to the system"),
        ("/*.log", "/ belongs to the system"),
        ("/var/x.log", "would hide the image's own files"),
        ("/home/*/x.log", "would hide the image's own files"),
        ("/app/x.log", "would hide the program /app/bin/server"),
        ("/desk/x.log", "would hide the working directory /desk/dir"),
        ("/a:b/x.log", "has a colon in it"),
        ("/host", "/host is where volume \"host\" is mounted"),
        (
            "/nested/file.log",
            "/nested/file.log is where volume \"data\" is mounted",
        ),
        // What a pattern reaches into is refused like the directory itself, where files could be missed.
        ("/**/x.log", "/ belongs to the system"),
        ("/mixed/**/x.log", "/mixed/node is on volume \"host\" of type hostPath"),
    ] {
        let (reason, message) = refused(&source("app", path), &VolumeSpec::default());
        assert_eq!(reason, Reason::VolumeRefused, "{path}");
        assert!(
            message.starts_with("source s, container app: ") && message.contains(problem),
            "{message}"
        );
    }
}

#[test]
fn directories_beside_what_would_be_hidden_are_fine() {
    for path in [
        "/app/logs/x",
        "/desk/x/y",
        "/var/log/x",
        "/usr/local/tomcat/logs/x",
        "/opt/app/x",
    ] {
        assert!(resolved("app", path).places[0].is_added(), "{path}");
    }
}

#[test]
fn mounts_below_a_directory_are_read_where_a_pattern_reaches_into_them() {
    for (path, expected) in [
        ("/mixed/*.log", &["/mixed added"][..]),
        ("/mixed/*/x.log", &[]),
        ("/mixed/d*/x.log", &["/mixed added", "/mixed/data data"]),
        // Nothing is logged into a ConfigMap.
        ("/mixed/conf/{x,*}.log", &[]),
        ("/mixed/c*/x.log", &["/mixed added"]),
        ("/mixed/data/*.log", &["/mixed/data data"]),
        ("/mixed/data/**", &["/mixed/data data", "/mixed/data/deep scratch"]),
        (
            "/mixed/d*/deep/*.log",
            &["/mixed added", "/mixed/data data", "/mixed/data/deep scratch"],
        ),
    ] {
        let places = |target: SourceTarget| -> Vec<String> {
            let places = target.places.iter();
            let volume = |place: &Place| {
                if place.is_added() {
                    "added".to_owned()
                } else {
                    place.volume.clone()
                }
            };
            places
                .map(|place| format!("{} {}", place.path, volume(place)))
                .collect()
        };
        let found = resolve_in(&template(), &source("app", path), &VolumeSpec::default());
        assert_eq!(found.map(places).unwrap_or_default(), expected, "{path}");
    }
}

#[test]
fn existing_only_never_adds_a_volume() {
    let existing = VolumeSpec {
        policy: crds::spec::VolumePolicy::ExistingOnly,
        ..VolumeSpec::default()
    };
    assert!(resolve_in(&template(), &source("first", "/var/log/x"), &existing).is_ok());
    let (reason, message) = refused(&source("app", "/logs/x"), &existing);
    assert_eq!(reason, Reason::VolumeRefused);
    assert!(message.contains("ExistingOnly"), "{message}");
}

#[test]
fn a_volume_that_outlives_the_pod_is_read_from_its_end_unless_told_otherwise() {
    for (container, path, expected) in [
        ("first", "/var/log/app/x", StartAt::End),
        ("first", "/var/log/x", StartAt::Beginning),
        ("app", "/logs/x", StartAt::Beginning),
    ] {
        let completed = resolved(container, path).complete(&source(container, path));
        assert_eq!(completed.start_at, Some(expected), "{path}");
        assert_eq!(completed.resource["k8s.container.name"], container);
    }
    let told = Source {
        start_at: Some(StartAt::Beginning),
        ..source("first", "/var/log/app/x")
    };
    assert_eq!(
        resolved("first", "/var/log/app/x").complete(&told).start_at,
        Some(StartAt::Beginning)
    );
}
