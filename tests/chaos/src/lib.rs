//! Breaks the sidecar on purpose and counts what arrived.
//!
//! A *scenario* follows from a seed alone: which applications write what and how their logs are rotated, where the lines
//! go, when the sidecar is killed, stopped, told to end or given another configuration, what destinations do wrong and for
//! how long, what the disk is and what the system denies. It runs the real program on real files against servers that
//! keep, for each line ever written, how often it arrived.
//!
//! The judgement afterwards: no line is missing that the sidecar had the time to read and to deliver, or still held
//! open; no more bytes came twice than the promise allows for what was done; the lines of a file arrived in their order;
//! the accounts balanced at every moment. Lines whose bytes were destroyed before they could be delivered are counted as
//! vanished: the writers keep a journal of when each line stood in its file and when that was destroyed.

#![allow(
    clippy::expect_used,
    reason = "where the machine doesn't allow what a scenario needs, nothing can be judged"
)]

mod campaign;
mod configuration;
mod ground;
mod journal;
mod line;
mod promise;
mod receiver;
mod report;
mod scenario;
mod score;
mod sidecar;
mod vanished;
mod writer;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

pub use campaign::{Campaign, Sum};
use ground::Ground;
use journal::{Absence, Journal, Span, Why};
use receiver::Receiver;
pub use scenario::Scenario;
use scenario::{Event, Timed};
pub use score::Verdict;
use sidecar::Sidecar;

/// How long everything may take to arrive once all is well again.
const SETTLE: Duration = Duration::from_secs(40);
/// Below those that systems give to connections by themselves.
const PORT: u16 = 9_000;

/// Runs the scenario of a seed with a program of the sidecar.
///
/// # Panics
/// Where the machine doesn't allow what a scenario needs: that is no verdict about the sidecar.
#[must_use]
pub fn run(seed: u64, program: &Path) -> Verdict {
    let scenario = Scenario::of(seed);
    let ground = Ground::new(scenario.disk);
    let receivers: Vec<_> = (1..)
        .zip(&scenario.destinations)
        .map(|(number, plan)| Receiver::start(plan.kind, address(seed, number)))
        .collect();
    let journal = Arc::new(Journal::default());
    let mut sidecar = Sidecar::start(program, address(seed, 0), (&ground, &receivers, &scenario));
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
        disturb(event, (&mut sidecar, &receivers, &ground, &journal));
    }
    std::thread::sleep(scenario.length.saturating_sub(began.elapsed()));
    receivers.iter().for_each(Receiver::heal);
    ground.empty_disk();
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.join().expect("a writer ends");
    }
    let settled = sidecar.settle(SETTLE);
    let told = sidecar.end();
    let mut verdict = score::judge(&scenario, &journal, &receivers, (settled, told));
    if !verdict.is_good() {
        let kept = std::env::temp_dir().join(format!("chaos-{seed}.log"));
        if std::fs::copy(ground.own("errors"), &kept).is_ok() {
            verdict.faults.push(format!("its log is in {}", kept.display()));
        }
    }
    verdict
}

/// Of our own as long as we live, also while nobody listens there: all of 127.0.0.0/8 is this machine.
fn address(seed: u64, number: u16) -> SocketAddr {
    let [low, high, ..] = seed.to_le_bytes();
    let process = std::process::id() % 250 + 1;
    let process = u8::try_from(process).unwrap_or(1);
    SocketAddr::from((Ipv4Addr::new(127, process, high, low), PORT + number))
}

fn disturb(event: &Event, (sidecar, receivers, ground, journal): (&mut Sidecar, &[Receiver], &Ground, &Journal)) {
    match event {
        Event::Kill => away(journal, || {
            sidecar.kill_and_start();
            Why::Killed
        }),
        Event::Terminate => away(journal, || Why::Ended(sidecar.terminate_and_start())),
        Event::Stop(time) => away(journal, || {
            sidecar.stop_for(*time);
            Why::Stopped
        }),
        Event::Fault(fault, destination, time) => {
            let from = Instant::now();
            journal.fails(*destination, Span { from, to: from + *time });
            receivers[*destination].misbehave(*fault, *time);
        }
        Event::FillDisk(time) => ground.fill_disk_for(*time),
        Event::PlantSiblings => ground.plant_siblings(),
        Event::Reload(what, times) => sidecar.reload(*what, *times),
    }
}

/// Notes from when to when the sidecar wasn't there.
fn away(journal: &Journal, disturbance: impl FnOnce() -> Why) {
    let from = Instant::now();
    let why = disturbance();
    let to = Instant::now();
    journal.absent(Absence {
        why,
        span: Span { from, to },
    });
}
