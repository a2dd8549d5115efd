//! The judgement: what is missing, what came too often, what is out of order, what was said.

use std::collections::BTreeMap;
use std::fmt;

use crate::journal::{Generation, GenerationId, Journal, LineId};
use crate::promise;
use crate::receiver::{Arrived, Receiver, Request};
use crate::report;
use crate::scenario::{Event, Fault, Kind, Scenario};
use crate::sidecar::Told;
use crate::vanished::Circumstances;

/// What came of a scenario. Lines are counted once for each destination.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    pub seed: u64,
    pub scenario: String,
    /// What was done, in words.
    pub disturbances: Vec<String>,
    pub lines: u64,
    /// Somebody could have read them.
    pub missing: u64,
    /// Nobody could have.
    pub vanished: u64,
    pub duplicates: u64,
    /// What should not be, one sentence each.
    pub faults: Vec<String>,
}

type Generations = BTreeMap<GenerationId, Generation>;

impl Verdict {
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.faults.is_empty()
    }

    fn fault_if(&mut self, found: bool, sentence: impl FnOnce() -> String) {
        if found {
            self.faults.push(sentence());
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            scenario,
            lines,
            missing,
            vanished,
            duplicates,
            faults,
            ..
        } = self;
        write!(
            f,
            "{scenario}: {lines} lines, {missing} missing, {vanished} vanished, {duplicates} twice"
        )?;
        faults.iter().try_for_each(|fault| write!(f, "\n    {fault}"))
    }
}

pub(crate) fn judge(
    scenario: &Scenario,
    journal: &Journal,
    receivers: &[Receiver],
    (settled, told): (bool, Told),
) -> Verdict {
    let mut verdict = Verdict {
        seed: scenario.seed,
        scenario: scenario.to_string(),
        disturbances: scenario.disturbances().collect(),
        ..Verdict::default()
    };
    let generations = journal.generations();
    for (number, receiver) in receivers.iter().enumerate() {
        let mut arrived = receiver.arrived();
        arrived.join_parts(|id| was_written(&generations, id));
        let circumstances = Circumstances::of(number, scenario, journal);
        judge_missing((number, &generations), &circumstances, &arrived, &mut verdict);
        judge_duplicates((number, scenario, journal), &generations, &arrived, &mut verdict);
        judge_order((number, scenario, journal), &arrived, &mut verdict);
        judge_texts((number, &generations), &arrived, &mut verdict);
    }
    judge_words((settled, &told), scenario, &mut verdict);
    verdict
}

fn judge_missing(
    (destination, generations): (usize, &Generations),
    circumstances: &Circumstances,
    arrived: &Arrived,
    verdict: &mut Verdict,
) {
    for (id, generation) in generations {
        verdict.lines += generation.lines.len() as u64;
        let mut missing = Vec::new();
        for (line, written) in (0..).zip(&generation.lines) {
            if arrived.count(LineId { generation: *id, line }) > 0 {
                continue;
            }
            if circumstances.must_have_arrived(generation, written) {
                missing.push(line);
            } else {
                verdict.vanished += 1;
            }
        }
        verdict.missing += missing.len() as u64;
        verdict.fault_if(!missing.is_empty(), || {
            format!(
                "out{destination}: {} of {} lines of w{} generation {} are missing, from {:?} to {:?}; destroyed {:?}",
                missing.len(),
                generation.lines.len(),
                id.writer,
                id.number,
                missing.first(),
                missing.last(),
                generation.destroyed.map(|(_, how)| how),
            )
        });
    }
}

fn judge_duplicates(
    (number, scenario, journal): (usize, &Scenario, &Journal),
    generations: &Generations,
    arrived: &Arrived,
    verdict: &mut Verdict,
) {
    let size = |id: LineId| {
        let generation = generations.get(&id.generation);
        let line = generation.and_then(|generation| generation.lines.get(id.line as usize));
        line.map_or(0, |line| line.bytes)
    };
    let size_of = |request: &Request| request.lines.iter().map(|id| size(*id)).sum();
    let plan = &scenario.destinations[number];
    let allowed = promise::allowed(scenario, plan, &journal.absences(), (&arrived.requests, &size_of));
    let again = arrived.counts().filter(|(_, count)| *count > 1);
    let (mut lines, mut bytes) = (0, 0);
    let mut places: BTreeMap<GenerationId, (u32, u32)> = BTreeMap::new();
    for (id, count) in again {
        let times = u64::from(count - 1);
        lines += times;
        bytes += times * size(id);
        let place = places.entry(id.generation).or_insert((id.line, id.line));
        *place = (place.0.min(id.line), place.1.max(id.line));
    }
    verdict.duplicates += lines;
    // What is under way is counted without the carriage returns that lines may end with.
    let returns = if allowed > 0 { lines } else { 0 };
    verdict.fault_if(bytes > allowed + returns, || {
        let places = places
            .iter()
            .map(|(id, (first, last))| format!("lines {first} to {last} of w{} generation {}", id.writer, id.number));
        let places: Vec<_> = places.collect();
        format!(
            "out{number}: {bytes} bytes came again, {allowed} are within the promise: {}",
            places.join(", ")
        )
    });
}

/// Where one request is under way at a time, lines come in order, unless one is refused: then it is tried in parts. Where
/// several are, their times are in order; a new process gives times of its own.
fn judge_order((number, scenario, journal): (usize, &Scenario, &Journal), arrived: &Arrived, verdict: &mut Verdict) {
    let plan = &scenario.destinations[number];
    let by_time = plan.kind == Kind::Loki && journal.absences().is_empty();
    let is_refused = |event: &Event| matches!(event, Event::Fault(Fault::BadRequest, of, _) if *of == number);
    if !by_time && scenario.events.iter().any(|timed| is_refused(&timed.event)) {
        return;
    }
    for (id, order) in &arrived.order {
        let mut order = order.clone();
        if plan.in_flight > 1 {
            order.sort_by_key(|(line, _)| *line);
        }
        let is_wrong = |pair: &[(u32, i64)]| pair[0].0 > pair[1].0 || by_time && pair[0].1 >= pair[1].1;
        if let Some(at) = order.windows(2).position(is_wrong) {
            let (before, after) = (order[at], order[at + 1]);
            verdict.faults.push(format!(
                "out{number}: line {} of w{} generation {} came after line {}, with times {} and {}",
                after.0, id.writer, id.number, before.0, after.1, before.1
            ));
        }
    }
}

fn judge_texts((number, generations): (usize, &Generations), arrived: &Arrived, verdict: &mut Verdict) {
    let texts = arrived.foreign.iter().map(|text| text.chars().take(80).collect());
    let unknown = arrived
        .counts()
        .filter(|(id, count)| *count > 0 && !was_written(generations, *id));
    let foreign: Vec<String> = texts.chain(unknown.map(|(id, _)| format!("{id:?}"))).collect();
    verdict.fault_if(!foreign.is_empty(), || {
        let first = &foreign[..foreign.len().min(3)];
        format!("out{number}: nobody wrote {} texts, such as {first:?}", foreign.len())
    });
}

fn was_written(generations: &Generations, id: LineId) -> bool {
    let generation = generations.get(&id.generation);
    generation.is_some_and(|generation| (id.line as usize) < generation.lines.len())
}

fn judge_words((settled, told): (bool, &Told), scenario: &Scenario, verdict: &mut Verdict) {
    verdict.faults.extend(told.defects.iter().cloned());
    verdict.fault_if(!told.ended_well, || "it didn't end well after SIGTERM".to_owned());
    let Some(report) = &told.report else {
        verdict.faults.push("it doesn't answer".to_owned());
        return;
    };
    verdict.fault_if(!settled, || {
        format!("{:?} bytes are still pending", report::pending(report))
    });
    verdict.fault_if(!told.unbalanced.is_empty(), || {
        format!(
            "its account didn't balance {} times, such as {}",
            told.unbalanced.len(),
            told.unbalanced[0]
        )
    });
    let revision = report::revision(report);
    verdict.fault_if(revision != Some(&told.revision), || {
        format!("it runs {revision:?}, not {}", told.revision)
    });
    let watch = if scenario.limits.forbid_events() {
        "poll"
    } else {
        "inotify"
    };
    verdict.fault_if(report["watch"] != watch, || {
        format!("it says that it watches by {}", report["watch"])
    });
    for (number, destination) in report::destinations(report).enumerate() {
        verdict.fault_if(verdict.missing > 0, || {
            format!("out{number} says that it dropped {}", destination["droppedRecords"])
        });
        for cause in ["rejected", "unconfirmed", "tooLarge", "gaveUp"] {
            let records = &destination["droppedRecords"][cause];
            verdict.fault_if(*records != 0, || {
                format!("out{number}: {records} records were dropped as {cause}, and nothing is wrong with any")
            });
        }
    }
}
