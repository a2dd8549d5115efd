//! What is said about a LogShipping, in the words that users read.

mod messages;

use std::error::Error;

use crds::LogShipping;
use crds::conditions::{ConditionType, Reason};
use crds::status::LogShippingStatus;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use pipeline::report as sidecar;
use pipeline::validate::FieldError;
use serde_json::json;

use super::{Effect, Overview, PodView, Stand, TargetView, report};
use crate::observe::{SidecarCondition, SidecarPod, SpecNames};
use crate::observed::{self, Life, SidecarContainer};
use crate::plan::{Finding, Note};
use crate::poll::{PollError, Sighting};
use crate::settings::Switch;
use crate::validate::{Accepted, validate};

type Outcome = Result<(), Box<dyn Error>>;
type Verdict = Result<Accepted, Vec<FieldError>>;

const NEW: &str = "the new one";

/// A specification whose names don't matter.
static ANONYMOUS: SpecNames = SpecNames {
    sources: Vec::new(),
    destinations: Vec::new(),
};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or_default()
}

fn accepted() -> Result<Verdict, Box<dyn Error>> {
    let shipping: LogShipping = serde_json::from_value(json!({
        "apiVersion": "logshipping.dev/v1alpha1", "kind": "LogShipping", "metadata": {"name": "logs", "namespace": "shop"},
        "spec": {
            "selector": {"matchLabels": {"app": "server"}},
            "sources": [{"name": "access", "paths": ["/var/log/access.log"]}],
            "destinations": [{"name": "loki", "loki": {"url": "http://loki:3100"}}],
        },
    }))?;
    let accepted = validate(&shipping).map(|mut accepted| {
        NEW.clone_into(&mut accepted.revision);
        accepted
    });
    Ok(accepted)
}

fn pod(name: &str, condition: SidecarCondition) -> SidecarPod {
    SidecarPod {
        view: observed::Pod {
            name: name.to_owned(),
            uid: name.to_owned(),
            shape: None,
            nudged: None,
            sidecar: SidecarContainer::Native,
            loaded: None,
            life: Life::Live,
        },
        owner_uid: String::new(),
        address: Some(([10, 0, 0, 7], 19600).into()),
        condition,
    }
}

/// What a sidecar says that runs `revision`; `destination` is merged into its only destination.
fn heard(revision: &str, destination: &serde_json::Value) -> Result<Sighting, Box<dyn Error>> {
    let mut report: sidecar::Report = serde_json::from_value(json!({
        "pipelines": [{"name": "shop/logs", "revision": revision, "destinations": [destination]}],
    }))?;
    for destination in &mut report.pipelines[0].destinations {
        "loki".clone_into(&mut destination.name);
    }
    Ok(Sighting::after(None, Ok(report), None, at(0)))
}

fn silent(before: Option<&Sighting>) -> Sighting {
    let once = |before: Option<&Sighting>| Sighting::after(before, Err(PollError::Timeout), None, at(0));
    once(Some(&once(Some(&once(before)))))
}

fn target<'a>(name: &'a str, stand: Stand, pods: Vec<PodView<'a>>) -> TargetView<'a> {
    TargetView {
        name,
        replicas: i32::try_from(pods.len()).unwrap_or(0),
        stand,
        revision: Some(NEW),
        image: None,
        notes: &[],
        pods,
    }
}

fn view<'a>(pod: &'a SidecarPod, sighting: Option<&'a Sighting>) -> PodView<'a> {
    PodView {
        pod,
        expected: Some(NEW),
        sighting,
    }
}

fn overview<'a>(verdict: &'a Verdict, names: &'a SpecNames, targets: Vec<TargetView<'a>>) -> Overview<'a> {
    Overview {
        namespace: "shop",
        pipeline: "shop/logs".to_owned(),
        generation: Some(3),
        verdict,
        names,
        targets,
        polling: Switch::On,
        previous: None,
    }
}

fn condition(status: &LogShippingStatus, kind: ConditionType) -> Option<&Condition> {
    status
        .conditions
        .iter()
        .find(|condition| condition.type_ == kind.as_str())
}

/// `type status reason` of all conditions.
fn outline(status: &LogShippingStatus) -> Vec<String> {
    let line = |condition: &Condition| format!("{} {} {}", condition.type_, condition.status, condition.reason);
    status.conditions.iter().map(line).collect()
}

#[test]
fn one_pod_decides_what_is_said() -> Outcome {
    use SidecarCondition::{Failing, Running, Starting};
    let verdict = accepted()?;
    let healthy = heard(NEW, &json!({"state": "healthy"}))?;
    let old = heard("the old one", &json!({"state": "healthy"}))?;
    let idle = heard(NEW, &json!({"state": "idle"}))?;
    let down = json!({"state": "retrying", "reason": "Unreachable", "lastError": {"at": "", "message": "no route"}});
    let secret =
        json!({"state": "blocked", "reason": "SecretMissing", "lastError": {"at": "", "message": "loki-auth"}});
    let (down, secret, silent) = (heard(NEW, &down)?, heard(NEW, &secret)?, silent(Some(&healthy)));
    let crashing = Failing("CrashLoopBackOff: last ended with OOMKilled".to_owned());
    let cases: [(SidecarCondition, Option<&Sighting>, [&str; 4]); 9] = [
        (
            Running,
            Some(&healthy),
            ["True AllLoaded", "True FlowHealthy", "True Healthy", "Healthy"],
        ),
        (
            Running,
            Some(&idle),
            ["True AllLoaded", "True NoTraffic", "True Healthy", "NoTraffic"],
        ),
        (
            Running,
            Some(&old),
            ["False Loading", "True FlowHealthy", "False Loading", "Loading"],
        ),
        (
            Running,
            Some(&down),
            ["True AllLoaded", "False Undelivered", "True Healthy", "Undelivered"],
        ),
        (
            Running,
            Some(&secret),
            ["True AllLoaded", "False SecretMissing", "True Healthy", "SecretMissing"],
        ),
        (
            Running,
            Some(&silent),
            [
                "Unknown NotObserved",
                "Unknown NotObserved",
                "Unknown NotObserved",
                "NotObserved",
            ],
        ),
        (
            Running,
            None,
            ["False Loading", "Unknown NotObserved", "False Loading", "Loading"],
        ),
        (
            Starting,
            None,
            ["False Loading", "Unknown NotObserved", "False Loading", "Loading"],
        ),
        (
            crashing,
            Some(&healthy),
            [
                "False Loading",
                "False SidecarFailing",
                "False Loading",
                "SidecarFailing",
            ],
        ),
    ];
    for (state, sighting, [loaded, delivering, ready, column]) in cases {
        let pod = pod("server-1", state);
        let targets = vec![target("server", Stand::Injected, vec![view(&pod, sighting)])];
        let status = report(&overview(&verdict, &ANONYMOUS, targets), at(0)).status;
        let expected = [
            "Accepted True Valid".to_owned(),
            "Injected True AllInjected".to_owned(),
            format!("ConfigLoaded {loaded}"),
            format!("Delivering {delivering}"),
            format!("Ready {ready}"),
        ];
        assert_eq!(outline(&status), expected, "{sighting:?}");
        assert_eq!(status.summary.state, column, "{sighting:?}");
    }
    Ok(())
}

#[test]
fn without_polling_nothing_is_claimed_about_sidecars() -> Outcome {
    let verdict = accepted()?;
    let pod = pod("server-1", SidecarCondition::Running);
    let mut overview = overview(
        &verdict,
        &ANONYMOUS,
        vec![target("server", Stand::Injected, vec![view(&pod, None)])],
    );
    overview.polling = Switch::Off;
    let status = report(&overview, at(0)).status;
    assert_eq!(
        outline(&status),
        ["Accepted True Valid", "Injected True AllInjected", "Ready True Healthy"]
    );
    assert_eq!(
        (status.summary.loaded.as_str(), status.summary.delivering.as_str()),
        ("", "")
    );
    Ok(())
}

#[test]
fn a_sidecar_that_cannot_be_asked_holds_back_ready_for_a_minute_only() -> Outcome {
    let verdict = accepted()?;
    let pod = pod("server-1", SidecarCondition::Running);
    let silent = silent(None);
    let build = || {
        overview(
            &verdict,
            &ANONYMOUS,
            vec![target("server", Stand::Injected, vec![view(&pod, Some(&silent))])],
        )
    };
    let first = report(&build(), at(100));
    assert_eq!(first.changes_at, Some(at(160)));
    let mut later = build();
    later.previous = Some(&first.status);
    let ready = |now| {
        let report = report(&later, at(now));
        condition(&report.status, ConditionType::Ready).map(|ready| ready.status.clone())
    };
    assert_eq!(
        (ready(159).as_deref(), ready(160).as_deref()),
        (Some("Unknown"), Some("True"))
    );
    assert_eq!(ready(-3600).as_deref(), Some("True"), "the clock was put back");
    Ok(())
}

#[test]
fn the_time_of_a_condition_moves_with_its_status_only() -> Outcome {
    let verdict = accepted()?;
    let pod = pod("server-1", SidecarCondition::Running);
    let (healthy, idle) = (
        heard(NEW, &json!({"state": "healthy"}))?,
        heard(NEW, &json!({"state": "idle"}))?,
    );
    let down = heard(NEW, &json!({"state": "retrying"}))?;
    let mut previous = None;
    let mut times = Vec::new();
    for (second, sighting) in [(10, &healthy), (20, &idle), (30, &down)] {
        let mut overview = overview(
            &verdict,
            &ANONYMOUS,
            vec![target("server", Stand::Injected, vec![view(&pod, Some(sighting))])],
        );
        overview.previous = previous.as_ref();
        let status = report(&overview, at(second)).status;
        times.extend(condition(&status, ConditionType::Delivering).map(|condition| condition.last_transition_time.0));
        previous = Some(status);
    }
    assert_eq!(times, [at(10), at(10), at(30)]);
    Ok(())
}

#[test]
fn the_worst_targets_come_first_and_keep_their_time() -> Outcome {
    let verdict = accepted()?;
    let names: Vec<_> = (0..30).map(|number| format!("server-{number:02}")).collect();
    let skipped = || {
        Stand::Skipped(Finding {
            reason: Reason::OptedOut,
            message: "no, thank you".to_owned(),
        })
    };
    let refused = Stand::Failed(Finding {
        reason: Reason::PatchFailed,
        message: "the webhook says no".to_owned(),
    });
    let mut targets: Vec<_> = names.iter().map(|name| target(name, skipped(), Vec::new())).collect();
    targets[17].stand = refused;
    let mut overview = overview(&verdict, &ANONYMOUS, targets);
    let first = report(&overview, at(10)).status;
    assert_eq!(first.worst.len(), 20);
    assert_eq!(
        (first.worst[0].target.name.as_str(), first.worst[0].reason.as_str()),
        ("server-17", "PatchFailed")
    );
    assert_eq!(first.worst[1].target.name, "server-00");
    assert_eq!(first.summary.injected, "0/1");
    overview.previous = Some(&first);
    assert_eq!(report(&overview, at(99)).status.worst, first.worst);
    Ok(())
}

#[test]
fn what_cannot_be_used_is_said_with_its_path_and_what_runs_on() -> Outcome {
    let verdict = Err(vec![
        FieldError::new("spec.sources[0].encoding", "unknown"),
        FieldError::new("spec.priority", "too high"),
    ]);
    let healthy = heard("the old one", &json!({"state": "healthy"}))?;
    let pod = pod("server-1", SidecarCondition::Running);
    let mut running = view(&pod, Some(&healthy));
    running.expected = Some("the old one");
    let status = report(
        &overview(
            &verdict,
            &ANONYMOUS,
            vec![target("server", Stand::Injected, vec![running])],
        ),
        at(0),
    )
    .status;
    let message = condition(&status, ConditionType::Accepted).map(|condition| condition.message.as_str());
    let expected = "spec.sources[0].encoding: unknown; spec.priority: too high. The last good configuration runs on";
    assert_eq!(message, Some(expected));
    assert_eq!(
        outline(&status),
        [
            "Accepted False InvalidSpec",
            "Injected True AllInjected",
            "ConfigLoaded True AllLoaded",
            "Delivering True FlowHealthy",
            "Ready False InvalidSpec",
            "Stalled True InvalidSpec",
        ]
    );
    Ok(())
}

#[test]
fn names_that_only_a_sidecar_knows_are_not_repeated() -> Outcome {
    let verdict = accepted()?;
    let pod = pod("server-1", SidecarCondition::Running);
    let down = heard(
        NEW,
        &json!({"state": "blocked", "lastError": {"at": "", "message": "401"}}),
    )?;
    let targets = vec![target("server", Stand::Injected, vec![view(&pod, Some(&down))])];
    let status = report(&overview(&verdict, &ANONYMOUS, targets), at(0)).status;
    let message = condition(&status, ConditionType::Delivering).map(|condition| condition.message.clone());
    let message = message.unwrap_or_default();
    assert!(
        message.contains("destination (not in the specification) fails: 401"),
        "{message}"
    );
    assert_eq!(status.destinations, []);
    Ok(())
}

#[test]
fn what_waits_is_told_and_is_as_the_specification_wants_it() -> Outcome {
    let verdict = accepted()?;
    let waits = |reason, effect, message: &str| {
        let message = message.to_owned();
        Stand::Waits(Finding { reason, message }, effect)
    };
    for (reason, why) in [
        (Reason::Preview, "spec.mode is Preview"),
        (Reason::Paused, "spec.rollout.paused is true"),
    ] {
        let targets = vec![
            target(
                "a",
                waits(reason, Effect::Restart, "Deployment a: its pods would restart"),
                Vec::new(),
            ),
            target("b", waits(reason, Effect::Restart, ""), Vec::new()),
            target("c", waits(reason, Effect::Kept, ""), Vec::new()),
        ];
        let status = report(&overview(&verdict, &ANONYMOUS, targets), at(0)).status;
        let injected = condition(&status, ConditionType::Injected).ok_or("no condition")?;
        let expected = format!(
            "{why}, so nothing is changed. Of 3 Deployments 2 would restart: a, b; 1 could not be served: c. What would be \
             done to each is in status.worst"
        );
        assert_eq!(
            (injected.reason.as_str(), &injected.message),
            (reason.as_str(), &expected)
        );
        assert_eq!(
            condition(&status, ConditionType::Ready).map(|ready| ready.status.as_str()),
            Some("True")
        );
        assert_eq!(status.summary.state, reason.as_str());
        assert_eq!(status.summary.injected, "0/3");
        let row = &status.worst[0];
        assert_eq!(
            (row.reason.as_str(), row.message.as_str()),
            (reason.as_str(), "Deployment a: its pods would restart")
        );
    }
    Ok(())
}

#[test]
fn a_disagreement_that_was_lost_is_told_and_is_no_failure() -> Outcome {
    let verdict = accepted()?;
    let notes: Vec<_> = (1..=5)
        .map(|number| Note::Overruled {
            field: "sidecar.port".to_owned(),
            wanted: number.to_string(),
            winner: "audit".to_owned(),
            value: "20000".to_owned(),
        })
        .collect();
    let mut server = target("server", Stand::Injected, Vec::new());
    server.notes = &notes;
    let status = report(&overview(&verdict, &ANONYMOUS, vec![server]), at(0)).status;
    let injected = condition(&status, ConditionType::Injected).ok_or("no condition")?;
    let line = |number| format!("Deployment server: sidecar.port is 20000, as LogShipping audit has it, not {number}");
    let expected = format!(
        "1 of 1 Deployments carry the sidecar. {}; {}; {} (and 2 more)",
        line(1),
        line(2),
        line(3)
    );
    assert_eq!(
        (injected.reason.as_str(), injected.message.as_str()),
        ("AllInjected", expected.as_str())
    );
    Ok(())
}

#[test]
fn destinations_are_summed_up_by_their_name_in_the_specification() -> Outcome {
    let verdict = accepted()?;
    let names = SpecNames {
        sources: Vec::new(),
        destinations: vec!["loki".to_owned(), "unheard".to_owned()],
    };
    let (one, two) = (
        pod("server-1", SidecarCondition::Running),
        pod("server-2", SidecarCondition::Running),
    );
    let healthy = heard(NEW, &json!({"state": "healthy"}))?;
    let down = json!({"state": "blocked", "reason": "Unauthorized", "lastError": {"at": "", "message": "401 from http://loki"}});
    let down = heard(NEW, &down)?;
    let pods = vec![view(&one, Some(&healthy)), view(&two, Some(&down))];
    let status = report(
        &overview(&verdict, &names, vec![target("server", Stand::Injected, pods)]),
        at(0),
    )
    .status;
    let rows: Vec<_> = status
        .destinations
        .iter()
        .map(|row| (row.name.as_str(), row.delivering, row.reason.as_str()))
        .collect();
    assert_eq!(rows, [("loki", 1, "Undelivered"), ("unheard", 0, "NotObserved")]);
    let expected = "Deployment server, pod server-2: destination loki fails (Unauthorized): 401 from http://loki. It needs \
                    somebody to act; lines wait in the file";
    assert_eq!(status.destinations[0].message, expected);
    assert_eq!(
        (status.sidecars.delivering, status.summary.delivering.as_str()),
        (1, "1/2")
    );
    Ok(())
}

#[test]
fn a_deletion_that_is_held_up_is_added_to_what_was_said_before() -> Outcome {
    let verdict = accepted()?;
    let healthy = report(&overview(&verdict, &ANONYMOUS, Vec::new()), at(0)).status;
    let first = super::blocked(Some(&healthy), "refused", at(7));
    assert_eq!(first.conditions.len(), healthy.conditions.len() + 1);
    assert_eq!(first.summary.state, "CleanupBlocked");
    let again = super::blocked(Some(&first), "refused", at(9));
    assert_eq!(again, first, "the time stays");
    assert_eq!(super::blocked(None, "refused", at(0)).conditions.len(), 1);
    Ok(())
}
