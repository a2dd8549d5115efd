//! What each reason means to whoever reads it, and what to do. Together with [`TABLE`] this is the reference in
//! `docs/status.md`, which is generated from here.
//!
//! Deliberately not here: the messages of a status. They name places and other people's words, and are made where those
//! are known.

use super::{Reason, TABLE};

/// Reasons of the API that nothing gives in this version.
const RESERVED: &[Reason] = &[
    Reason::Lagging,
    Reason::RollingOut,
    Reason::Reloading,
    Reason::Soaking,
    Reason::WaitingForTurn,
    Reason::Pinned,
    Reason::RolloutHalted,
    Reason::DeadlineExceeded,
];

/// Reason, what it means, what to do.
const MEANINGS: &[(Reason, &str, &str)] = &[
    (Reason::Valid, "The specification is usable.", "Nothing."),
    (
        Reason::InvalidSpec,
        "The specification can't be used; the message lists every error with its field. The last good configuration runs on.",
        "Correct the fields that the message names.",
    ),
    (
        Reason::AllInjected,
        "Every matched Deployment that isn't skipped carries the sidecar as desired.",
        "Nothing.",
    ),
    (
        Reason::NoTargets,
        "No Deployment of the namespace has the labels of `spec.selector`.",
        "Label Deployments, or correct the selector. It is about labels of Deployments, not of pods.",
    ),
    (
        Reason::InProgress,
        "Deployments are being changed, or wait for a specification that can be used.",
        "Wait, or see `Accepted`.",
    ),
    (
        Reason::Paused,
        "`spec.rollout.paused` is true, and there is something to do. `status.worst` says what.",
        "Set it to false when the change may go on.",
    ),
    (
        Reason::Preview,
        "`spec.mode` is `Preview`: nothing is changed, and `status.worst` says what would be.",
        "Set `spec.mode` to `Enforce` to have it done.",
    ),
    (
        Reason::PatchFailed,
        "The API server refused what the operator writes.",
        "See the API server's words in the message: an admission webhook, a quota, missing rights. It is tried again.",
    ),
    (
        Reason::TargetRefused,
        "A Deployment can't carry the sidecar as asked. `status.worst` has the reason in one word, the message in a sentence.",
        "Change the Deployment or the specification as the message says, or narrow the selector.",
    ),
    (
        Reason::Conflict,
        "Somebody undoes the operator's change again and again, or has a ConfigMap, a container or a volume of a reserved name.",
        "The message names the other one. Let it leave the sidecar alone, rename what has the name, or narrow the selector.",
    ),
    (
        Reason::AllLoaded,
        "Every sidecar runs its revision of the configuration.",
        "Nothing.",
    ),
    (
        Reason::Loading,
        "Some pods don't run their revision yet, or have no sidecar yet.",
        "Wait; up to 90 seconds where the nudge is switched off.",
    ),
    (
        Reason::ReloadFailed,
        "A sidecar refused its new configuration and runs on with the old one.",
        "See its words in the message. Correct the specification, or update an old sidecar image.",
    ),
    (
        Reason::NoSidecars,
        "No pod with a sidecar runs, for example because the Deployments have no replicas.",
        "Nothing, or scale up.",
    ),
    (
        Reason::NotObserved,
        "Nothing is known of a sidecar, mostly because it doesn't answer. It may work.",
        "Let the operator reach the sidecar's port: look at NetworkPolicies and the service mesh.",
    ),
    (
        Reason::FlowHealthy,
        "The logs of all pods reach every destination.",
        "Nothing.",
    ),
    (
        Reason::NoTraffic,
        "The sidecars work, and nothing was logged yet.",
        "Nothing; if there should be lines, check `paths`.",
    ),
    (
        Reason::Lagging,
        "Logs arrive, but later than they should.",
        "Look at the destination's speed and at `spec.sidecar.resources`.",
    ),
    (
        Reason::Undelivered,
        "A destination doesn't take the logs. They wait in their files.",
        "See the server's words in the message: address, credentials, TLS, or an outage.",
    ),
    (
        Reason::RecordsDropped,
        "Records were lost within the last five minutes. The sidecar's `/status` counts them by cause.",
        "Remove the cause: records that the server refuses, `giveUpAfter`, or files deleted before they were read.",
    ),
    (
        Reason::SourceUnreadable,
        "A file that matches can't be read.",
        "Let the application write files that the sidecar's user may read, or set `spec.sidecar.runAsUser`.",
    ),
    (
        Reason::SecretMissing,
        "A Secret or ConfigMap, or a key of it, isn't there.",
        "Create it in the namespace of the Deployment; no restart is needed.",
    ),
    (
        Reason::VolumeFilling,
        "The volume of the logs holds 90 % of its size limit or more.",
        "Rotate the logs, set `spec.volume.reclaim: AfterDelivery`, or raise `spec.volume.sizeLimit`. Where delivered text can't be given back, the message says why.",
    ),
    (
        Reason::SidecarFailing,
        "The container of a sidecar doesn't run.",
        "See `kubectl describe pod`: usually the image can't be pulled or memory is short.",
    ),
    (
        Reason::Healthy,
        "Everything is as the specification wants it.",
        "Nothing.",
    ),
    (Reason::RollingOut, "Deployments get the change in waves.", "Wait."),
    (
        Reason::Reloading,
        "Sidecars load a new configuration in waves.",
        "Wait.",
    ),
    (
        Reason::Soaking,
        "The first Deployments have the change and are watched before the others get it.",
        "Wait.",
    ),
    (
        Reason::WaitingForTurn,
        "Other Deployments are being changed, and no more may be at once.",
        "Wait, or raise `rollout.maxConcurrentRestarts`.",
    ),
    (
        Reason::Pinned,
        "The annotation `logshipping.dev/pin-revision` holds back a newer revision.",
        "Remove the annotation to let it go on.",
    ),
    (
        Reason::RolloutHalted,
        "A Deployment didn't get well with the change, so the others don't get it.",
        "See the message; correct the specification and apply it again.",
    ),
    (
        Reason::DeadlineExceeded,
        "A Deployment took longer than `rollout.deadline`.",
        "Look at its pods; correct what holds them up.",
    ),
    (
        Reason::CleanupBlocked,
        "The LogShipping is being deleted, but the sidecar can't be taken out of a Deployment.",
        "Do what the message says. It also says when the LogShipping goes all the same.",
    ),
    (
        Reason::OptedOut,
        "The Deployment has the annotation `logshipping.dev/inject: \"false\"`.",
        "Remove the annotation to have it served.",
    ),
    (
        Reason::DeploymentPaused,
        "`spec.paused` of the Deployment is true, so its pods would not change.",
        "Resume it: `kubectl rollout resume`.",
    ),
    (Reason::BeingDeleted, "The Deployment is being deleted.", "Nothing."),
    (
        Reason::OwnedByController,
        "Another controller owns the Deployment and would undo the change.",
        "Select another Deployment, or ship the logs from what the owner creates.",
    ),
    (
        Reason::Windows,
        "The pods run on Windows; the sidecar is for Linux.",
        "Nothing.",
    ),
    (
        Reason::HostNetwork,
        "The pods use the network of their node, where the sidecar's port would be the node's.",
        "Switch `hostNetwork` off, or collect on the node.",
    ),
    (
        Reason::SystemNamespace,
        "The Deployment is in `kube-system`, where nothing is ever changed.",
        "Move the workload to a namespace of its own.",
    ),
    (
        Reason::RecreateStrategy,
        "The Deployment has strategy `Recreate`: the restart that the change needs is an outage.",
        "Set `rollout.allowRecreate` on every LogShipping that selects it, or use `RollingUpdate`.",
    ),
    (
        Reason::ContainerNotFound,
        "The Deployment has no container of the name in `container`.",
        "Correct `sources[].container`.",
    ),
    (
        Reason::VolumeRefused,
        "The directory of the logs can't be shared with the sidecar; the message says why.",
        "Mount another volume there, or choose another path.",
    ),
    (
        Reason::RestartPolicyStripped,
        "An admission webhook took `restartPolicy` away from the sidecar, so the application can't start.",
        "Exempt the pods from the webhook, or set `spec.sidecar.placement` to `Container`.",
    ),
];

impl Reason {
    /// What it means.
    pub fn meaning(self) -> &'static str {
        self.entry().map_or("", |(_, meaning, _)| meaning)
    }

    /// What to do.
    pub fn advice(self) -> &'static str {
        self.entry().map_or("", |(_, _, advice)| advice)
    }

    /// Whether nothing gives it in this version.
    pub fn is_reserved(self) -> bool {
        RESERVED.contains(&self)
    }

    fn entry(self) -> Option<&'static (Self, &'static str, &'static str)> {
        MEANINGS.iter().find(|(reason, _, _)| *reason == self)
    }

    /// The conditions that it can stand in, and what it says of each.
    fn conditions(self) -> String {
        let rows = TABLE.iter().filter(|(_, reason, _)| *reason == self);
        let rows: Vec<_> = rows
            .map(|(condition, _, truth)| format!("`{}` {}", condition.as_str(), truth.as_str()))
            .collect();
        rows.join(", ")
    }
}

/// Markdown: all reasons, first those of conditions in the order of the conditions, then those of single Deployments.
pub fn markdown() -> String {
    let rows = Reason::ALL.iter().map(|reason| {
        let conditions = match reason.conditions() {
            none if none.is_empty() => "one Deployment".to_owned(),
            some if reason.is_reserved() => format!("{some} (reserved)"),
            some => some,
        };
        format!(
            "| `{reason}` | {conditions} | {} | {} |\n",
            reason.meaning(),
            reason.advice()
        )
    });
    let head = "| reason | stands in | what it means | what to do |\n|---|---|---|---|\n";
    head.to_owned() + &rows.collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_explained_once_and_in_sentences() {
        for reason in Reason::ALL {
            let entries = MEANINGS.iter().filter(|(explained, _, _)| explained == reason).count();
            assert_eq!(entries, 1, "{reason}");
            for sentence in [reason.meaning(), reason.advice()] {
                assert!(
                    sentence.ends_with('.') && !sentence.contains(['|', '\n']),
                    "{reason}: {sentence}"
                );
            }
        }
    }

    #[test]
    fn a_row_says_where_a_reason_stands() {
        let table = markdown();
        assert_eq!(table.lines().count(), Reason::ALL.len() + 2);
        for row in [
            "| `NoTraffic` | `Delivering` True | ",
            "| `Conflict` | `Injected` False, `Stalled` True | ",
            "| `Lagging` | `Delivering` False (reserved) | ",
            "| `OptedOut` | one Deployment | ",
        ] {
            assert!(table.lines().any(|line| line.starts_with(row)), "{row}: {table}");
        }
    }
}
