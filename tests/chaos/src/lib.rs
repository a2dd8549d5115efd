//! Breaks the sidecar on purpose and counts what arrived.
//!
//! A *scenario* follows from a seed alone: which applications write and how their logs are rotated, when the sidecar is
//! killed, stopped or told to end, what the destination does wrong and for how long, what the disk is. It runs the real
//! program on real files against a server that keeps, for each line ever written, how often it arrived.
//!
//! The judgement afterwards: no line is missing that somebody could have read; no line is there twice more often than the
//! promise allows; the lines of a file arrived in their order. Lines whose bytes were destroyed before anybody could have
//! read them are counted as vanished, and the writers keep a journal to tell them from lost ones.

#![allow(
    clippy::expect_used,
    reason = "where the machine doesn't allow what a scenario needs, nothing can be judged"
)]

mod ground;
mod journal;
mod receiver;
mod scenario;
mod score;
mod sidecar;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ground::Ground;
use journal::Journal;
use receiver::Receiver;
pub use scenario::Scenario;
use scenario::{Event, Timed};
pub use score::Verdict;
use sidecar::Sidecar;

/// How long everything may take to arrive once all is well again.
const SETTLE: Duration = Duration::from_secs(40);

/// Runs the scenario of a seed with a program of the sidecar.
///
/// # Panics
/// Where the machine doesn't allow what a scenario needs: that is no verdict about the sidecar.
#[must_use]
pub fn run(seed: u64, program: &Path) -> Verdict {
    let scenario = Scenario::of(seed);
    let ground = Ground::new(scenario.disk);
    let receiver = Receiver::start();
    let journal = Arc::new(Journal::default());
    let mut sidecar = Sidecar::start(program, &ground, &receiver, &scenario);
    let began = Instant::now();
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = scenario
        .writers
        .iter()
        .enumerate()
        .map(|(number, plan)| writer::start((number, *plan, seed), &ground, &journal, &stop))
        .collect();
    for Timed { at, event } in &scenario.events {
        std::thread::sleep(at.saturating_sub(began.elapsed()));
        disturb(event, (&mut sidecar, &receiver, &ground, &journal));
    }
    std::thread::sleep(scenario.length.saturating_sub(began.elapsed()));
    receiver.heal();
    ground.empty_disk();
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.join().expect("a writer ends");
    }
    let settled = sidecar.settle(SETTLE);
    let told = sidecar.end();
    score::judge(&scenario, &journal, &receiver, (settled, told))
}

fn disturb(event: &Event, (sidecar, receiver, ground, journal): (&mut Sidecar, &Receiver, &Ground, &Journal)) {
    match event {
        Event::Kill => away(journal, || sidecar.kill_and_start()),
        Event::Terminate => away(journal, || sidecar.terminate_and_start()),
        Event::Stop(time) => away(journal, || sidecar.stop_for(*time)),
        Event::Fault(fault, time) => receiver.misbehave(*fault, *time),
        Event::FillDisk(time) => ground.fill_disk_for(*time),
        Event::PlantSiblings => ground.plant_siblings(),
    }
}

/// Notes from when to when the sidecar wasn't there.
fn away(journal: &Journal, disturbance: impl FnOnce()) {
    journal.disturbed();
    disturbance();
    journal.disturbed();
}
