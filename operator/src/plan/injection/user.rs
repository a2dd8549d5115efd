//! As whom the sidecar runs: restricted Pod Security, never root, able to read what the application writes.

use crds::spec::Sidecar;
use k8s_openapi::api::core::v1::{Capabilities, Container, PodSpec, SeccompProfile, SecurityContext};

use crate::plan::target::Writer;

/// The image's own user.
const UNPRIVILEGED: i64 = 65532;

pub(super) fn security_context(sidecar: &Sidecar, owner: &PodSpec, writer: Option<&Writer>) -> SecurityContext {
    let container = writer.and_then(|writer| {
        let containers = writer.list.of(owner).iter();
        containers
            .into_iter()
            .find(|container| container.name == writer.container)
    });
    let pod = owner.security_context.as_ref();
    SecurityContext {
        run_as_non_root: Some(true),
        allow_privilege_escalation: Some(false),
        read_only_root_filesystem: Some(true),
        capabilities: Some(Capabilities {
            drop: Some(vec!["ALL".to_owned()]),
            add: None,
        }),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            localhost_profile: None,
        }),
        run_as_user: user(
            sidecar.run_as_user,
            own(container, |context| context.run_as_user),
            pod.and_then(|pod| pod.run_as_user),
        ),
        // Group 0 is no privilege, and what root writes is often readable for its group only.
        run_as_group: sidecar
            .run_as_group
            .or_else(|| own(container, |context| context.run_as_group)),
        ..SecurityContext::default()
    }
}

fn own(container: Option<&Container>, field: impl Fn(&SecurityContext) -> Option<i64>) -> Option<i64> {
    container
        .and_then(|container| container.security_context.as_ref())
        .and_then(field)
}

/// What the spec says, else the application container's unless it is root, else what replaces root of the pod. Left
/// out otherwise: then the pod's or the image's user counts, and a platform that assigns ranges of users can.
fn user(spec: Option<i64>, container: Option<i64>, pod: Option<i64>) -> Option<i64> {
    let container = container.filter(|id| *id != 0);
    let instead_of_root = pod.filter(|id| *id == 0).map(|_| UNPRIVILEGED);
    spec.or(container).or(instead_of_root)
}
