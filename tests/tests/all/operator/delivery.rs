//! What is said when logs don't arrive: what is wrong, where, in the server's words, and what to do.

use pipeline::report::{DestinationState, FailureReason, LastError, Report, Unreadable};
use tests::pods::{Answers, Edit};
use tests::wait;

use super::shop::{PATIENCE, Shop, columns};

fn destination_down(report: &mut Report) {
    for destination in report
        .pipelines
        .iter_mut()
        .flat_map(|pipeline| &mut pipeline.destinations)
    {
        destination.state = DestinationState::Retrying;
        destination.reason = Some(FailureReason::ServerError);
        destination.failing_since = Some("2026-01-02T03:04:05Z".to_owned());
        destination.last_error = Some(LastError {
            at: "2026-01-02T03:04:06Z".to_owned(),
            message: "503 Service Unavailable from http://loki.logging:3100: too many \u{7}outstanding requests"
                .to_owned(),
        });
    }
}

#[test]
fn a_destination_that_is_down_is_told_in_the_servers_words_and_holds_up_no_rollout() {
    let (shop, _operator) = Shop::healthy("down");
    shop.pods.direct(|script| script.edit = Edit::new(destination_down));
    let message = shop.await_condition("Delivering", "False Undelivered: Deployment server, pod server-");
    for part in [
        "destination loki fails (ServerError) since 2026-01-02T03:04:05Z",
        "503 Service Unavailable from http://loki.logging:3100: too many  outstanding requests",
        "lines wait in the file",
        "(and 1 more",
    ] {
        assert!(message.contains(part), "{part:?} in {message}");
    }
    shop.await_condition("Ready", "True Healthy");
    let row = || columns(&shop.namespace.run(&["get", "logshipping"]));
    let has = |row: &Vec<(String, String)>, name: &str, cell: &str| row.contains(&(name.to_owned(), cell.to_owned()));
    wait::until_is("the columns say so", PATIENCE, row, |row| {
        has(row, "DELIVERING", "0/2") && has(row, "STATUS", "Undelivered")
    });
    let status = shop.namespace.get("logshipping", "logs").unwrap()["status"].take();
    assert_eq!(status["worst"][0]["target"]["name"], "server");
    assert_eq!(status["worst"][0]["reason"], "Undelivered");
    assert_eq!(status["destinations"][0]["reason"], "Undelivered");

    for kind in ["LogShipping", "Deployment"] {
        let told = shop.await_event("DeliveryFailing", kind);
        assert!(
            told.contains("pod server-") && told.contains("503 Service Unavailable"),
            "{told}"
        );
    }

    shop.pods.direct(|script| script.edit = Edit::default());
    shop.await_condition("Delivering", "True FlowHealthy");
    let told = shop.await_event("DeliveryRecovered", "Deployment");
    assert_eq!(told, "the logs of 2 of 2 pods reach every destination again");
    let told = shop.await_event("DeliveryRecovered", "LogShipping");
    assert!(told.starts_with("Deployment server: the logs of 2 of 2 pods"), "{told}");
}

#[test]
fn pods_that_go_while_a_destination_is_down_are_told_with_what_they_had_left() {
    let (shop, _operator) = Shop::healthy("left-behind");
    let held_up = |report: &mut Report| {
        destination_down(report);
        report.pipelines[0].destinations[0].pending_bytes = 4711;
    };
    shop.pods.direct(|script| script.edit = Edit::new(held_up));
    shop.await_condition("Delivering", "False Undelivered");
    shop.namespace.run(&["scale", "deployment", "server", "--replicas=1"]);
    for kind in ["LogShipping", "Deployment"] {
        let told = shop.await_event("LogsLeftBehind", kind);
        for part in ["pod server-", "destination loki failed", "4711 bytes"] {
            assert!(told.contains(part), "{part:?} in {told}");
        }
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_its_owner_and_mode() {
    let (shop, _operator) = Shop::healthy("unreadable");
    shop.pods.direct(|script| {
        script.edit = Edit::new(|report| {
            report.pipelines[0].sources[0].unreadable = vec![Unreadable {
                path: "/var/log/access.log".to_owned(),
                error: "mode 0600, owner 0:0, we are 65532:0".to_owned(),
            }];
        });
    });
    let message = shop.await_condition("Delivering", "False SourceUnreadable: ");
    for part in [
        "source access",
        "/var/log/access.log",
        "mode 0600, owner 0:0, we are 65532:0",
        "spec.sidecar.runAsUser",
    ] {
        assert!(message.contains(part), "{part:?} in {message}");
    }
}

#[test]
fn sidecars_that_do_not_answer_are_unknown_and_the_usual_causes_are_named() {
    let (shop, _operator) = Shop::healthy("silent");
    shop.pods.direct(|script| script.answers = Answers::No);
    for condition in ["ConfigLoaded", "Delivering"] {
        let message = shop.await_condition(condition, "Unknown NotObserved");
        assert!(
            message.contains("NetworkPolicy") && message.contains("19600"),
            "{message}"
        );
    }
    shop.await_condition("Ready", "Unknown NotObserved");
    let status = shop.namespace.get("logshipping", "logs").unwrap()["status"].take();
    assert_eq!(status["sidecars"]["unreachable"], 2);

    shop.pods.direct(|script| script.answers = Answers::Yes);
    shop.await_condition("Ready", "True Healthy");
}
