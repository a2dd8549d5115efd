//! How many bytes may come twice (`delivery.md` section 1), for what was done to the sidecar and what its destination did.
//!
//! After a killed process: what was under way, at most `inFlight` x `maxBytes`, and what was acknowledged in the last
//! 20 ms, at most 1 MiB. After a lost answer: that request. Where a process ended in the middle of something, a stopped one
//! found its requests too old, or a changed destination had to leave some behind: what was under way. Otherwise nothing.

use std::time::{Duration, Instant};

use crate::configuration::TIMEOUT_SECONDS;
use crate::journal::{Absence, Drained, Why};
use crate::receiver::Request;
use crate::scenario::{DestinationPlan, Event, Reload, Scenario};

/// Positions are saved so soon after an acknowledgement, on a machine that has other things to do as well.
const SAVED_WITHIN: Duration = Duration::from_millis(20 + 100);
/// Or after so many bytes.
const SAVED_AFTER: u64 = 1 << 20;
/// Between our taking the time and the signal.
const SIGNALLED_WITHIN: Duration = Duration::from_millis(50);

/// Requests that were stored, and the bytes of one's lines.
pub(crate) type Stored<'a> = (&'a [Request], &'a dyn Fn(&Request) -> u64);

/// For one destination.
pub(crate) fn allowed(
    scenario: &Scenario,
    plan: &DestinationPlan,
    absences: &[Absence],
    (requests, size): Stored<'_>,
) -> u64 {
    let after_absences: u64 = absences
        .iter()
        .map(|absence| match absence.why {
            Why::Killed => plan.window() + just_acknowledged(plan, absence.span.from, (requests, size)),
            Why::Ended(Drained::InPart) => plan.window(),
            Why::Ended(Drained::Completely) => 0,
            Why::Stopped => after_stop(plan, absence),
        })
        .sum();
    let unanswered = requests.iter().filter(|request| !request.answered);
    let changes: u64 = scenario
        .events
        .iter()
        .filter(|timed| matches!(timed.event, Event::Reload(Reload::Address, _)))
        .map(|_| plan.window())
        .sum();
    after_absences + unanswered.map(size).sum::<u64>() + changes
}

fn just_acknowledged(plan: &DestinationPlan, killed: Instant, (requests, size): Stored<'_>) -> u64 {
    let just = requests
        .iter()
        .filter(|request| request.at + SAVED_WITHIN > killed && request.at < killed + SIGNALLED_WITHIN);
    just.map(size).sum::<u64>().min(SAVED_AFTER + plan.batch_bytes)
}

/// Its clock went on.
fn after_stop(plan: &DestinationPlan, absence: &Absence) -> u64 {
    let stopped = absence.span.to - absence.span.from;
    if stopped + Duration::from_millis(300) > Duration::from_secs(TIMEOUT_SECONDS) {
        plan.window()
    } else {
        0
    }
}
