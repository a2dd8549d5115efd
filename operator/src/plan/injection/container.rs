//! The sidecar's container: command line, environment, mounts. No probe of any kind: one that fails would take the
//! application down with it.

use std::collections::BTreeSet;

use crds::names::{self, environment, paths};
use crds::spec::Sidecar;
use k8s_openapi::api::core::v1::{Container, ContainerPort, EnvVar, EnvVarSource, ObjectFieldSelector, VolumeMount};

use super::State;
use crate::plan::parts::List;

pub(super) fn container(
    sidecar: &Sidecar,
    (list, image): (List, &str),
    state: &State<'_>,
    mounts: Vec<VolumeMount>,
) -> Container {
    let own_mounts = [
        Some(mount(names::CONFIG_VOLUME, paths::CONFIG)),
        state.mount(),
        Some(mount(names::NO_TOKEN_VOLUME, paths::SERVICE_ACCOUNT)),
    ];
    Container {
        name: names::CONTAINER.to_owned(),
        image: Some(image.to_owned()),
        image_pull_policy: Some(sidecar.image_pull_policy.as_str().to_owned()),
        restart_policy: (list == List::Init).then(|| "Always".to_owned()),
        args: Some(arguments(sidecar.port, &state.path())),
        ports: Some(vec![ContainerPort {
            name: Some(names::PORT.to_owned()),
            container_port: sidecar.port,
            protocol: Some("TCP".to_owned()),
            ..ContainerPort::default()
        }]),
        volume_mounts: Some(own_mounts.into_iter().flatten().chain(mounts).collect()),
        // What the server fills in when it is left out: sent, so that what is read back equals what was sent.
        termination_message_path: Some("/dev/termination-log".to_owned()),
        termination_message_policy: Some("File".to_owned()),
        ..Container::default()
    }
}

fn arguments(port: i32, state: &str) -> Vec<String> {
    let listen = format!("[::]:{port}");
    [
        "run",
        "--config",
        paths::CONFIG,
        "--state",
        state,
        "--refs-dir",
        paths::REFS,
        "--listen",
        &listen,
    ]
    .map(str::to_owned)
    .to_vec()
}

/// Who the pod is, and the other fields of it that our mounts speak of, from the downward API.
pub(super) fn variables(fields: &BTreeSet<&str>) -> Vec<EnvVar> {
    let identity = ["metadata.name", "metadata.uid", "spec.nodeName"];
    let others = fields.iter().copied().filter(|field| !identity.contains(field));
    identity.into_iter().chain(others).map(from_field).collect()
}

fn from_field(path: &str) -> EnvVar {
    EnvVar {
        name: environment::of_field(path),
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector {
                api_version: Some("v1".to_owned()),
                field_path: path.to_owned(),
            }),
            ..EnvVarSource::default()
        }),
        value: None,
    }
}

fn mount(volume: &str, path: &str) -> VolumeMount {
    VolumeMount {
        name: volume.to_owned(),
        mount_path: path.to_owned(),
        read_only: Some(true),
        ..VolumeMount::default()
    }
}
