//! The judgement: what is missing, what is there too often, what is out of order.

use std::fmt;
use std::time::Duration;

use crate::journal::{Destruction, Generation, GenerationId, Journal};
use crate::receiver::{Arrived, Receiver};
use crate::scenario::{Event, Scenario};
use crate::sidecar::Told;

/// What is acknowledged within this time, or as many bytes, may come again after a kill (`delivery.md` section 1).
const LAST_SAVED: u64 = 1 << 20;
/// A file that is deleted so soon after it was made may never have been seen.
const TOO_SHORT: Duration = Duration::from_millis(250);

/// What came of a scenario.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    pub seed: u64,
    pub scenario: String,
    pub written: u64,
    /// Nobody could have read them.
    pub vanished: u64,
    pub duplicates: u64,
    /// What should not be, one sentence each.
    pub faults: Vec<String>,
}

impl Verdict {
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.faults.is_empty()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            scenario,
            written,
            vanished,
            duplicates,
            faults,
            ..
        } = self;
        write!(
            f,
            "{scenario}: {written} lines, {vanished} vanished, {duplicates} twice"
        )?;
        faults.iter().try_for_each(|fault| write!(f, "\n    {fault}"))
    }
}

pub(crate) fn judge(
    scenario: &Scenario,
    journal: &Journal,
    receiver: &Receiver,
    (settled, told): (bool, Told),
) -> Verdict {
    let arrived = receiver.arrived();
    let generations = journal.generations();
    let mut verdict = Verdict {
        seed: scenario.seed,
        scenario: scenario.to_string(),
        ..Verdict::default()
    };
    for (id, generation) in &generations {
        verdict.written += u64::from(generation.lines);
        let missing = missing(*id, generation, &arrived);
        if missing.is_empty() {
            continue;
        }
        if may_have_vanished(generation, journal) {
            verdict.vanished += missing.len() as u64;
        } else {
            let first = &missing[..missing.len().min(5)];
            verdict.faults.push(format!(
                "{} lines of w{} generation {} of {} lines are missing: {first:?}; destroyed {:?}",
                missing.len(),
                id.0,
                id.1,
                generation.lines,
                generation.destroyed.map(|(_, how)| how),
            ));
        }
    }
    verdict.duplicates = arrived
        .lines
        .values()
        .flatten()
        .map(|count| u64::from(count.saturating_sub(1)))
        .sum();
    judge_duplicates(scenario, &arrived, &mut verdict);
    judge_order(&arrived, &mut verdict);
    judge_words(&told, settled, &arrived, &mut verdict);
    verdict
}

fn missing((writer, number): GenerationId, generation: &Generation, arrived: &Arrived) -> Vec<u32> {
    let counts = arrived.lines.get(&(writer, number));
    let has = |line: u32| {
        counts
            .and_then(|counts| counts.get(line as usize))
            .is_some_and(|count| *count > 0)
    };
    (0..generation.lines).filter(|line| !has(*line)).collect()
}

/// Whether the bytes were gone before anybody could have read them: truncated, or deleted while the sidecar wasn't
/// there, or so soon that it didn't know of the file.
fn may_have_vanished(generation: &Generation, journal: &Journal) -> bool {
    let Some((at, how)) = generation.destroyed else {
        return false;
    };
    let disturbed = journal
        .disturbances()
        .iter()
        .any(|disturbance| *disturbance >= generation.began);
    how == Destruction::Truncated || disturbed || at - generation.began < TOO_SHORT
}

fn judge_duplicates(scenario: &Scenario, arrived: &Arrived, verdict: &mut Verdict) {
    let count = |wanted: fn(&Event) -> bool| scenario.events.iter().filter(|timed| wanted(&timed.event)).count() as u64;
    let kills = count(|event| matches!(event, Event::Kill));
    // A stopped process may find its request too old. One that is to end while its application goes on writing ends in
    // the middle of something.
    let ends = count(|event| matches!(event, Event::Stop(_) | Event::Terminate));
    let window = 2 * scenario.batch_bytes;
    let allowed = kills * (window + LAST_SAVED) + (u64::from(arrived.unanswered) + ends) * window;
    if arrived.duplicate_bytes > allowed {
        verdict.faults.push(format!(
            "{} bytes came again, {allowed} are within the promise",
            arrived.duplicate_bytes
        ));
    }
}

fn judge_order(arrived: &Arrived, verdict: &mut Verdict) {
    for (id, order) in &arrived.first_order {
        if let Some(at) = order.windows(2).position(|pair| pair[0] > pair[1]) {
            verdict.faults.push(format!(
                "line {} of w{} generation {} came after line {}",
                order[at + 1],
                id.0,
                id.1,
                order[at]
            ));
        }
    }
}

fn judge_words(told: &Told, settled: bool, arrived: &Arrived, verdict: &mut Verdict) {
    let mut fault = |found: bool, sentence: String| {
        if found {
            verdict.faults.push(sentence);
        }
    };
    fault(
        !settled,
        format!("{} bytes were still pending at the end", told.pending),
    );
    fault(!told.balanced, "its account doesn't balance".to_owned());
    fault(!told.ended_well, "it didn't end well after SIGTERM".to_owned());
    let foreign = &arrived.foreign[..arrived.foreign.len().min(3)];
    fault(!foreign.is_empty(), format!("nobody wrote {foreign:?}"));
    let refused = ["rejected", "unconfirmed", "tooLarge", "gaveUp"]
        .into_iter()
        .filter(|cause| told.dropped[*cause].as_u64().is_some_and(|records| records > 0));
    for cause in refused {
        fault(
            true,
            format!("it dropped records as {cause}, though none had anything wrong"),
        );
    }
}
