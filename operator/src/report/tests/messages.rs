//! The messages, word for word: for each reason that can stand in a condition there is one that a user could read.

use std::collections::BTreeSet;

use crds::conditions::TABLE;

use super::*;
use crate::report::blocked;

/// A status, and lines that have to be in it: `type status reason: message`.
type Scene = (LogShippingStatus, Vec<&'static str>);

fn lines(status: &LogShippingStatus) -> Vec<String> {
    let line = |one: &Condition| format!("{} {} {}: {}", one.type_, one.status, one.reason, one.message);
    status.conditions.iter().map(line).collect()
}

fn finding(reason: Reason, message: &str) -> Finding {
    Finding {
        reason,
        message: message.to_owned(),
    }
}

/// Of a specification that can be used.
fn status_of(targets: Vec<TargetView<'_>>) -> Result<LogShippingStatus, Box<dyn Error>> {
    let names = SpecNames {
        sources: vec!["access".to_owned()],
        destinations: vec!["loki".to_owned()],
    };
    Ok(report(&overview(&accepted()?, &names, targets), at(0)).status)
}

/// Of one Deployment without pods.
fn standing(stand: Stand) -> Result<LogShippingStatus, Box<dyn Error>> {
    status_of(vec![target("server", stand, Vec::new())])
}

/// Of one Deployment with one pod.
fn of_pod(condition: SidecarCondition, sighting: Option<&Sighting>) -> Result<LogShippingStatus, Box<dyn Error>> {
    let pod = pod("server-1", condition);
    status_of(vec![target("server", Stand::Injected, vec![view(&pod, sighting)])])
}

/// Of one Deployment with one pod that runs and says that.
fn answered(answer: &serde_json::Value) -> Result<LogShippingStatus, Box<dyn Error>> {
    let answer = serde_json::from_value(answer.clone())?;
    of_pod(
        SidecarCondition::Running,
        Some(&Sighting::after(None, Ok(answer), None, at(0))),
    )
}

/// Of one destination.
fn destination(said: &serde_json::Value) -> Result<LogShippingStatus, Box<dyn Error>> {
    of_pod(SidecarCondition::Running, Some(&heard(NEW, said)?))
}

fn of_specifications() -> Result<Vec<Scene>, Box<dyn Error>> {
    let invalid = Err(vec![FieldError::new("spec.priority", "too high")]);
    let invalid = report(&overview(&invalid, &ANONYMOUS, Vec::new()), at(0)).status;
    let usable = standing(Stand::Injected)?;
    Ok(vec![
        (
            invalid,
            vec![
                "Accepted False InvalidSpec: spec.priority: too high",
                "Ready False InvalidSpec: spec.priority: too high",
                "Stalled True InvalidSpec: spec.priority: too high",
            ],
        ),
        (
            blocked(Some(&usable), "the webhook says no", at(0)),
            vec!["Stalled True CleanupBlocked: the webhook says no"],
        ),
        (
            usable,
            vec![
                "Accepted True Valid: the specification is usable",
                "Injected True AllInjected: 1 of 1 Deployments carry the sidecar",
                "ConfigLoaded False NoSidecars: the matched Deployments run no pods with a sidecar",
                "Delivering Unknown NoSidecars: no pod with a sidecar runs",
                "Ready True Healthy: everything is as the specification wants it",
            ],
        ),
    ])
}

fn of_targets() -> Result<Vec<Scene>, Box<dyn Error>> {
    let waits = |reason| standing(Stand::Waits(finding(reason, ""), Effect::Restart));
    let fails = |reason, message: &str| standing(Stand::Failed(finding(reason, message)));
    Ok(vec![
        (
            status_of(Vec::new())?,
            vec![
                "Injected False NoTargets: no Deployment in namespace shop matches spec.selector, which is about the labels of Deployments, not of pods",
            ],
        ),
        (
            standing(Stand::Skipped(finding(Reason::OptedOut, "")))?,
            vec!["Injected True AllInjected: 0 of 0 Deployments carry the sidecar; 1 skipped, see worst"],
        ),
        (
            standing(Stand::InProgress)?,
            vec!["Injected False InProgress: 1 of 1 Deployments are being changed: server"],
        ),
        (
            waits(Reason::Preview)?,
            vec![
                "Injected False Preview: spec.mode is Preview, so nothing is changed. Of 1 Deployments 1 would restart: server. What would be done to each is in status.worst",
            ],
        ),
        (
            waits(Reason::Paused)?,
            vec![
                "Injected False Paused: spec.rollout.paused is true, so nothing is changed. Of 1 Deployments 1 would restart: server. What would be done to each is in status.worst",
            ],
        ),
        (
            fails(Reason::PatchFailed, "refused:\n\u{1b}[31mno")?,
            vec!["Injected False PatchFailed: refused:  [31mno"],
        ),
        (
            fails(Reason::ContainerNotFound, "no container web")?,
            vec!["Injected False TargetRefused: no container web"],
        ),
        (
            fails(Reason::Conflict, "undone")?,
            vec!["Injected False Conflict: undone", "Stalled True Conflict: undone"],
        ),
    ])
}

fn of_sidecars() -> Result<Vec<Scene>, Box<dyn Error>> {
    use SidecarCondition::{Failing, Running, Starting};
    let rejected = json!({"rejected": [{"pipeline": "shop/logs", "revision": NEW, "error": "sources[0]: no"}]});
    Ok(vec![
        (
            of_pod(Starting, None)?,
            vec![
                "ConfigLoaded False Loading: Deployment server, pod server-1: the sidecar has not started yet",
                "Delivering Unknown NotObserved: Deployment server, pod server-1: the sidecar has not been heard of yet",
            ],
        ),
        (
            answered(&rejected)?,
            vec![
                "ConfigLoaded False ReloadFailed: Deployment server, pod server-1: the sidecar refused revision the new one: sources[0]: no; what it had runs on",
            ],
        ),
        (
            of_pod(Running, Some(&silent(None)))?,
            vec![
                "ConfigLoaded Unknown NotObserved: Deployment server, pod server-1: the sidecar doesn't answer: no answer within 1 s. Usual causes: a NetworkPolicy or a service mesh keeps the operator from port 19600",
            ],
        ),
        (
            of_pod(Failing("CrashLoopBackOff".to_owned()), None)?,
            vec![
                "Delivering False SidecarFailing: Deployment server, pod server-1: the sidecar doesn't run: CrashLoopBackOff; see `kubectl describe pod server-1`",
            ],
        ),
    ])
}

fn of_deliveries() -> Result<Vec<Scene>, Box<dyn Error>> {
    let fails = |state: &str, reason: &str, error: &str| {
        destination(&json!({"state": state, "reason": reason, "lastError": {"at": "", "message": error}}))
    };
    let unreadable = json!({"pipelines": [{"name": "shop/logs", "revision": NEW, "sources": [
        {"name": "access", "unreadable": [{"path": "/var/log/a", "error": "mode 0600"}]},
    ]}]});
    let filling = |reclaim: &serde_json::Value| {
        answered(&json!({
            "volumes": [{"path": "/var/log", "usedBytes": 95, "limitBytes": 100}],
            "pipelines": [{"name": "shop/logs", "revision": NEW, "reclaim": reclaim}],
        }))
    };
    Ok(vec![
        (
            filling(&json!(null))?,
            vec![
                "Delivering False VolumeFilling: Deployment server, pod server-1: the volume at /var/log is nearly full: what is not delivered stays in it; rotate the logs, have delivered text given back with spec.volume.reclaim, or raise spec.volume.sizeLimit",
            ],
        ),
        (
            filling(&json!({"failed": [{"path": "/var/log/a", "error": "we may not write to it: mode 0644"}]}))?,
            vec![
                "Delivering False VolumeFilling: Deployment server, pod server-1: the volume at /var/log is nearly full: delivered text of /var/log/a can't be given back to it: we may not write to it: mode 0644",
            ],
        ),
        (
            destination(&json!({"state": "healthy"}))?,
            vec![
                "ConfigLoaded True AllLoaded: 1 of 1 sidecars run their revision",
                "Delivering True FlowHealthy: the logs of 1 of 1 pods reach every destination",
            ],
        ),
        (
            destination(&json!({"state": "idle"}))?,
            vec!["Delivering True NoTraffic: 1 of 1 sidecars work; nothing was logged yet"],
        ),
        (
            fails("retrying", "Unreachable", "no route")?,
            vec![
                "Delivering False Undelivered: Deployment server, pod server-1: destination loki fails (Unreachable): no route. It is tried again; lines wait in the file",
            ],
        ),
        (
            fails("blocked", "SecretMissing", "no key token")?,
            vec![
                "Delivering False SecretMissing: Deployment server, pod server-1: destination loki fails (SecretMissing): no key token. It needs somebody to act; lines wait in the file",
            ],
        ),
        (
            lossy()?,
            vec![
                "Delivering False RecordsDropped: Deployment server, pod server-1: destination loki lost records, 5 so far; the sidecar's /status says why",
            ],
        ),
        (
            answered(&unreadable)?,
            vec![
                "Delivering False SourceUnreadable: Deployment server, pod server-1: source access: /var/log/a can't be read: mode 0600; let the application write files that the sidecar's user may read, or set spec.sidecar.runAsUser",
            ],
        ),
    ])
}

/// Of a sidecar that lost records between two questions.
fn lossy() -> Result<LogShippingStatus, Box<dyn Error>> {
    let mut sighting = None;
    for lost in [2, 5] {
        let answer = serde_json::from_value(
            json!({"pipelines": [{"name": "shop/logs", "revision": NEW, "destinations": [
                {"name": "loki", "state": "healthy", "droppedRecords": {"rejected": lost}},
            ]}]}),
        )?;
        sighting = Some(Sighting::after(sighting.as_ref(), Ok(answer), None, at(0)));
    }
    of_pod(SidecarCondition::Running, sighting.as_ref())
}

#[test]
fn each_reason_of_a_condition_has_its_words() -> Outcome {
    let mut said = BTreeSet::new();
    for scenes in [of_specifications()?, of_targets()?, of_sidecars()?, of_deliveries()?] {
        for (status, expected) in scenes {
            let found = lines(&status);
            for line in expected {
                assert!(found.iter().any(|one| one == line), "{line}\nis not in {found:#?}");
                said.insert(line.split(':').next().unwrap_or_default());
            }
        }
    }
    for (condition, reason, truth) in TABLE.iter().filter(|(_, reason, _)| !reason.is_reserved()) {
        let begin = format!("{} {} {reason}", condition.as_str(), truth.as_str());
        assert!(said.contains(begin.as_str()), "nothing shows {begin}");
    }
    Ok(())
}

#[test]
fn the_revision_is_the_one_that_deployments_carry_as_long_as_a_new_one_waits() -> Outcome {
    let waits = |effect| Stand::Waits(finding(Reason::Paused, ""), effect);
    let carrying = |stand, revision| TargetView {
        revision,
        ..target("server", stand, Vec::new())
    };
    let old = Some("the old one");
    for (targets, expected) in [
        (vec![carrying(waits(Effect::Restart), old)], old),
        (vec![carrying(waits(Effect::Restart), None)], None),
        (vec![carrying(Stand::InProgress, old)], Some(NEW)),
        (
            vec![
                carrying(waits(Effect::Restart), old),
                carrying(Stand::Injected, Some(NEW)),
            ],
            Some(NEW),
        ),
        (Vec::new(), Some(NEW)),
    ] {
        let what = format!("{targets:?}");
        assert_eq!(status_of(targets)?.revision.as_deref(), expected, "{what}");
    }
    Ok(())
}
