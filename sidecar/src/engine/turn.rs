//! One turn of the loop: settlements, batches, positions, the end, and how long to wait for the next turn.

use std::time::{Duration, Instant};

use pipeline::report::State;

use crate::reading::facts::Facts;

use super::budget::{Budget, Ledger};
use super::clock::Now;
use super::drain::{Drain, Step};
use super::files::FileId;
use super::lane::{Lane, Pace, Recheck, Remember, Turn};
use super::{Draining, Engine, punch};

/// The longest wait; every deadline that matters is nearer.
const IDLE: Duration = Duration::from_secs(5);
/// How often the termination message is written during the drain.
const MESSAGE_EVERY: Duration = Duration::from_secs(1);
/// How often the end of the drain is judged.
const DRAIN_STEP: Duration = Duration::from_millis(50);

impl Engine {
    /// Takes settled batches back.
    pub(super) fn settle(&mut self, now: Now) {
        let Some(saved) = &mut self.saved else {
            return;
        };
        let mut any = false;
        for (id, settled) in self.mailbox.settled() {
            any = true;
            // A batch of a lane that was replaced comes too late: its bytes are read again.
            for running in &mut self.running {
                if let Some(lane) = running.lanes.iter_mut().find(|lane| lane.id() == id) {
                    let bytes = settled.batch.source_bytes();
                    let buffers = lane.settle(settled, &self.files, saved, now);
                    running.keep(buffers);
                    if punch::asks(running) {
                        self.reclaimer.stir(bytes);
                    }
                    break;
                }
            }
        }
        if any {
            self.publish_soon(now);
        }
    }

    /// Fills and hands over batches.
    pub(super) fn pump(&mut self, now: Now) {
        self.revive(now);
        let mut ledger = self.ledger();
        let flush = self.draining.as_ref().is_some_and(|draining| draining.ship_rest);
        let Some(saved) = &mut self.saved else {
            return;
        };
        let (remember, pace) = match &self.draining {
            Some(_) => (Remember::WhatIsRead, Pace::Lifted),
            None => (Remember::AsUsual, Pace::Kept),
        };
        let mut turn = Turn::new((&mut self.files, saved, now), &mut ledger);
        (turn.flush, turn.pace) = (flush, pace);
        for (pipeline, running) in self.running.iter_mut().enumerate() {
            for lane in &mut running.lanes {
                lane.relink(now);
                lane.forget_formers(turn.files, turn.saved, (now, remember));
            }
            turn.pipeline = pipeline;
            for index in 0..running.lanes.len() {
                running.pump(index, &mut turn);
            }
        }
        let mut rechecks = turn.rechecks;
        // Every cursor in a file finds the same.
        rechecks.sort_unstable();
        rechecks.dedup();
        for (file, recheck) in rechecks {
            self.recheck(file, recheck, now);
        }
    }

    /// A sending task that ended by itself is a defect; its lane goes on with a new one.
    fn revive(&mut self, now: Now) {
        for running in &mut self.running {
            for lane in running.lanes.iter_mut().filter(|lane| lane.is_dead()) {
                tracing::error!(pipeline = %running.pipeline.name, destination = %lane.destination.name,
                    "a defect: the sending task has ended, it is started again");
                match self
                    .sending
                    .link(&running.pipeline.name, &lane.destination, &lane.health)
                {
                    Ok(link) => lane.replace_link(link),
                    Err(error) => tracing::error!(%error, at = now.wall, "the sending task can't be started"),
                }
            }
        }
    }

    pub(super) fn budget(&self) -> Budget {
        let lanes = self.running.iter().map(|running| running.lanes.len()).sum();
        Budget::new(self.settings.memory_limit, lanes)
    }

    /// What everybody holds now.
    pub(super) fn ledger(&self) -> Ledger {
        let pipelines = self.running.iter().map(|running| {
            let lanes = running.lanes.iter().map(Lane::reserved);
            (lanes.collect(), running.stock.held())
        });
        Ledger::new(self.budget(), pipelines.collect())
    }

    fn recheck(&mut self, id: FileId, recheck: Recheck, now: Now) {
        match recheck {
            Recheck::Short => {
                self.dirty.insert(id);
                self.lanes_mut().for_each(|lane| lane.grew(id, 0));
            }
            Recheck::Reclaimed => {
                if let Some(end) = self.files.get(id).and_then(|file| file.reclaimed.hole_ahead(0)) {
                    self.lanes_mut().for_each(|lane| lane.pass_hole(id, end));
                }
            }
            Recheck::Rewritten => {
                let Some(file) = self.files.get_mut(id) else {
                    return;
                };
                let before = file.size;
                // What is known of its size may be the former content's.
                if let Some(Ok(facts)) = file.fd().map(Facts::of) {
                    (file.size, file.allocated) = (facts.size, facts.allocated);
                }
                file.begin_anew(now);
                self.begin_anew(id, before, now);
            }
            Recheck::Hole => self.skip_hole(id),
        }
    }

    pub(super) fn save(&mut self, now: Now) {
        if let Some(saved) = &mut self.saved {
            saved.flush(now);
        }
    }

    /// Whether the process was asked to end and may.
    pub(super) fn drained(&mut self, now: Now) -> bool {
        if !self.mailbox.must_drain() {
            return false;
        }
        if self.draining.is_none() {
            self.begin_drain(now);
        }
        let Some(draining) = &self.draining else {
            return false;
        };
        let lanes = self.running.iter().flat_map(|running| &running.lanes);
        let pending = lanes.map(|lane| lane.pending_bytes() + self.suspected_bytes(lane));
        let pending_bytes = pending.sum();
        let step = Drain {
            placement: self.settings.placement,
            timeout: self.settings.drain_timeout.to_std(),
            elapsed: now.instant - draining.since,
            quiet: now.instant.saturating_duration_since(draining.grew_at),
            all_closed: draining.open.is_empty(),
            pending_bytes,
        }
        .next();
        let message_due = now.instant >= draining.message_due;
        if let Some(draining) = &mut self.draining {
            draining.ship_rest |= step == Step::ShipRest;
            if message_due {
                draining.message_due = now.instant + MESSAGE_EVERY;
            }
        }
        if message_due {
            self.say_goodbye();
        }
        step == Step::Exit
    }

    fn begin_drain(&mut self, now: Now) {
        tracing::info!(placement = ?self.settings.placement, "asked to end, delivering what is there");
        self.state = State::Draining;
        let written = self.files.iter().filter(|(_, file)| file.being_written);
        self.draining = Some(Draining {
            since: now.instant,
            open: written.map(|(id, _)| id).collect(),
            grew_at: now.instant,
            ship_rest: false,
            message_due: now.instant,
        });
        // What was written just before is found without waiting for its event.
        self.due.sweep = now.instant;
        self.due.rescan = now.instant;
        // It may not last long.
        self.due.publish = now.instant;
    }

    pub(super) fn pending_bytes(&self) -> u64 {
        let lanes = self.running.iter().flat_map(|running| &running.lanes);
        lanes.map(Lane::pending_bytes).sum()
    }

    /// Waits for news, or for the next thing to do.
    pub(super) fn wait(&self) {
        let now = Instant::now();
        let gathering = self.due.events > now;
        let also = if gathering { None } else { self.watcher.fd() };
        let mut until = now + IDLE;
        let mut at = |time: Option<Instant>| until = until.min(time.unwrap_or(until));
        at(gathering.then_some(self.due.events));
        at(Some(self.due.config));
        at(Some(self.due.rescan));
        at(Some(self.due.sweep));
        at(self.saved.is_none().then_some(self.due.state));
        at(self.saved.as_ref().and_then(super::saved::Saved::next_flush));
        at(self.draining.is_some().then_some(now + DRAIN_STEP));
        at(Some(self.due.publish));
        at(self.reclaimer.next().filter(|_| self.draining.is_none()));
        at(self.suspects.iter().map(|suspect| suspect.look_at).min());
        for running in &self.running {
            at(running.loses_patience_at());
            for lane in &running.lanes {
                at(lane.next_wake(&running.sources, &self.files));
            }
        }
        self.mailbox.wait(also, until);
    }
}
