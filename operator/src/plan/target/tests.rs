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
    volumeMounts:
    - {name: host, mountPath: /host}
    - {name: conf, mountPath: /conf}
    - {name: secret, mountPath: /secret}
    - {name: all, mountPath: /all}
    - {name: data, mountPath: /expr, subPathExpr: $(POD_NAME)}
    - {name: lost, mountPath: /lost}
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
fn volumes_that_cannot_be_shared_are_refused_with_what_to_do() {
    for (path, kind) in [
        ("/host/x", "hostPath"),
        ("/conf/x", "configMap"),
        ("/secret/x", "secret"),
        ("/all/x", "projected"),
        ("/expr/x", "subPathExpr"),
        ("/lost/x", "lost"),
    ] {
        let (reason, message) = refused(&source("app", path), &VolumeSpec::default());
        assert_eq!(reason, Reason::VolumeRefused, "{path}");
        assert!(
            message.starts_with("source s, container app: ") && message.contains(kind),
            "{message}"
        );
    }
    let (reason, message) = refused(&source("app", "/etc/x.log"), &VolumeSpec::default());
    assert_eq!(reason, Reason::VolumeRefused);
    assert!(message.contains("/etc belongs to the system"), "{message}");
    let (_, message) = refused(&source("app", "/var/x.log"), &VolumeSpec::default());
    assert!(message.contains("would hide the image's own files"), "{message}");
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
