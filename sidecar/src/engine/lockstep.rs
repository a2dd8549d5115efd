//! The lanes of one pipeline, kept in step: what one of them reads, others are given. See [`lane`](super::lane).

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Instant;

use crate::batch::Batch;
use crate::sending::LaneId;

use super::lane::{Filled, Lane, Offer, Turn};
use super::patience::Patience;
use super::running::Running;

/// A busy pipeline keeps so many buffers for the next batches.
const SPARES: usize = 2;

/// Batches that lanes of a pipeline have in common.
#[derive(Debug, Default)]
pub(crate) struct Stock {
    /// What lanes that are level haven't taken yet, in the order of reading.
    offers: VecDeque<Offer>,
    /// Batches that were offered, and what they take as long as anybody has them.
    shared: Vec<(Weak<Batch>, usize)>,
    /// Buffers that came back.
    pub(super) spare: Vec<Batch>,
    /// With lanes that are a window behind.
    patience: Patience,
    /// Lanes that wait for those, in this turn.
    waiting: Vec<LaneId>,
}

/// Whether there is more to do in this turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Again,
    Done,
}

impl Stock {
    /// Bytes that no lane is charged for.
    pub(crate) fn held(&self) -> usize {
        let shared = self.shared.iter().filter(|(batch, _)| batch.strong_count() > 0);
        let shared: usize = shared.map(|(_, bytes)| bytes).sum();
        let offers: usize = self.offers.iter().map(Offer::memory).sum();
        shared + offers + self.spare.iter().map(Batch::memory).sum::<usize>()
    }

    /// Whoever was owed something reads it again.
    pub(crate) fn clear(&mut self) {
        self.offers.clear();
    }

    fn owed(&self, lane: LaneId) -> usize {
        self.offers.iter().filter(|offer| offer.owed.contains(&lane)).count()
    }

    fn first_owed(&self, lane: LaneId) -> Option<usize> {
        self.offers.iter().position(|offer| offer.owed.contains(&lane))
    }

    /// The lane was given the offer at this place.
    fn given(&mut self, place: usize, lane: LaneId) {
        if let Some(offer) = self.offers.get_mut(place) {
            offer.owed.retain(|owed| *owed != lane);
        }
        self.offers.retain(|offer| !offer.owed.is_empty());
    }

    /// The lane reads by itself from now on.
    fn leave_behind(&mut self, lane: LaneId) {
        self.retain(|owed| owed != lane);
    }

    fn keep_for(&mut self, lanes: &[Lane]) {
        self.retain(|owed| lanes.iter().any(|lane| lane.id() == owed));
    }

    fn retain(&mut self, is_owed: impl Fn(LaneId) -> bool) {
        self.offers.retain_mut(|offer| {
            offer.owed.retain(|owed| is_owed(*owed));
            !offer.owed.is_empty()
        });
    }

    fn share(&mut self, batch: &Arc<Batch>) {
        self.shared.retain(|(batch, _)| batch.strong_count() > 0);
        self.shared.push((Arc::downgrade(batch), batch.memory()));
    }
}

impl Running {
    /// The lane at `index` takes, reads and hands over what it can.
    pub(crate) fn pump(&mut self, index: usize, turn: &mut Turn<'_>) {
        let Some(lane) = self.lanes.get_mut(index) else {
            return;
        };
        lane.begin_turn(turn, &self.sources);
        let id = lane.id();
        self.stock.waiting.retain(|waiting| *waiting != id);
        self.make_room(index, turn);
        if !self.replayed(index, turn) {
            return turn.account(index, self);
        }
        while self.lanes[index].has_room() && self.step(index, turn) == Step::Again {}
        if self.lanes[index].is_due(turn.now.instant, turn.flush) {
            self.hand_over(index, turn);
        }
        turn.account(index, self);
        if !self.lanes.iter().any(Lane::is_busy) {
            self.stock.spare.clear();
        }
    }

    /// Whether the lane has sent again all that an earlier process, or sending task, had under way.
    fn replayed(&mut self, index: usize, turn: &mut Turn<'_>) -> bool {
        // None of them takes part in anything before it knows what it has to send again.
        for lane in &mut self.lanes {
            lane.begin_replay(turn.saved, turn.now);
        }
        if !self.lanes[index].is_replaying() {
            return true;
        }
        turn.account(index, self);
        turn.memory = turn.allowance(index);
        self.lanes[index].replay(turn, &mut self.sources, &mut self.stock.spare)
    }

    /// What waits for others gives way to what somebody can send.
    fn make_room(&mut self, index: usize, turn: &mut Turn<'_>) {
        if self.stock.offers.is_empty() {
            return;
        }
        // A lane has another name once its sending task was replaced, and reads again.
        self.stock.keep_for(&self.lanes);
        turn.account(index, self);
        let lane = &self.lanes[index];
        if lane.has_room() && lane.lacks_memory(turn.allowance(index)) {
            self.stock.clear();
        }
    }

    fn step(&mut self, index: usize, turn: &mut Turn<'_>) -> Step {
        if let Some(step) = self.take_owed(index, turn) {
            return step;
        }
        let leader = self.leader_of(index);
        self.lanes[index].following = leader.is_some();
        if let Some(leader) = leader {
            if self.lanes[index].is_due(turn.now.instant, turn.flush) {
                self.hand_over(leader, turn);
                return Step::Again;
            }
            return Step::Done;
        }
        if self.waits(index, turn.now.instant) {
            return Step::Done;
        }
        turn.account(index, self);
        turn.memory = turn.allowance(index);
        let Self {
            lanes, sources, stock, ..
        } = self;
        let (before, rest) = lanes.split_at_mut(index);
        let Some((lane, after)) = rest.split_first_mut() else {
            return Step::Done;
        };
        let team = before.iter().chain(&*after).filter(|other| other.is_teamed());
        let team: Vec<&Lane> = team.filter(|other| lane.is_alike(other, sources)).collect();
        match lane.fill(turn, sources, (&team, &mut stock.spare)) {
            Filled::Full if !lane.is_free() => {
                self.hand_over(index, turn);
                Step::Again
            }
            _ => Step::Done,
        }
    }

    /// Whether the lane had better not read on by now, for others would be left behind. As long as it has enough under
    /// way that costs it nothing.
    fn waits(&mut self, index: usize, now: Instant) -> bool {
        let lane = &self.lanes[index];
        if !lane.has_news() {
            return false;
        }
        let others = self.lanes.iter().filter(|other| other.id() != lane.id());
        let behind = others.filter(|other| self.stock.owed(other.id()) >= other.window());
        let behind: Vec<LaneId> = behind.map(Lane::id).collect();
        if behind.is_empty() {
            self.stock.patience.rest(now);
            return false;
        }
        if lane.is_occupied() {
            return true;
        }
        if self.stock.patience.lasts(now) {
            self.stock.waiting.push(lane.id());
            return true;
        }
        for id in behind {
            self.stock.leave_behind(id);
        }
        self.stock.patience.rest(now);
        false
    }

    /// Takes what was kept for the lane. `None` where there is nothing that it could take, now or later.
    fn take_owed(&mut self, index: usize, turn: &mut Turn<'_>) -> Option<Step> {
        let id = self.lanes[index].id();
        let place = self.stock.first_owed(id)?;
        let offer = &self.stock.offers[place];
        if !self.lanes[index].may_take(offer) {
            self.stock.leave_behind(id);
            return None;
        }
        turn.account(index, self);
        let offer = &self.stock.offers[place];
        if !self.lanes[index].can_hold(&offer.batch, turn.allowance(index)) {
            return Some(Step::Done);
        }
        let buffers = self.lanes[index].take(offer, turn.shared());
        self.stock.given(place, id);
        self.keep(buffers);
        Some(Step::Again)
    }

    /// A lane that reads just what this one would read next.
    fn leader_of(&self, index: usize) -> Option<usize> {
        let lane = &self.lanes[index];
        let is_leader = |(other, leader): &(usize, &Lane)| {
            *other != index && leader.is_teamed() && lane.is_alike(leader, &self.sources) && lane.follows(leader)
        };
        let mut leaders = self.lanes.iter().enumerate();
        leaders.find(is_leader).map(|(leader, _)| leader)
    }

    /// The open batch of a lane leaves, and the others that stand where it begins are given it too.
    fn hand_over(&mut self, index: usize, turn: &mut Turn<'_>) {
        let Some(leaving) = self.lanes[index].close() else {
            return;
        };
        let lane = &self.lanes[index];
        let has_team = self
            .lanes
            .iter()
            .enumerate()
            .any(|(other, known)| other != index && known.is_teamed() && lane.is_alike(known, &self.sources));
        let offer = has_team.then(|| lane.offer(&leaving)).flatten();
        let charge = match &offer {
            Some(_) => {
                self.stock.share(&leaving.batch);
                0
            }
            None => leaving.batch.memory(),
        };
        let buffers = self.lanes[index].hand_over(leaving, charge, turn.shared());
        self.keep(buffers);
        turn.account(index, self);
        if let Some(offer) = offer {
            self.distribute(index, offer, turn);
        }
    }

    fn distribute(&mut self, from: usize, mut offer: Offer, turn: &mut Turn<'_>) {
        for index in 0..self.lanes.len() {
            let (lane, maker) = (&self.lanes[index], &self.lanes[from]);
            if index == from || !lane.is_teamed() || !lane.is_alike(maker, &self.sources) {
                continue;
            }
            let (id, owed) = (lane.id(), self.stock.owed(lane.id()));
            let is_level = lane.may_take(&offer);
            if owed == 0 && !is_level {
                continue;
            }
            turn.account(index, self);
            let lane = &mut self.lanes[index];
            if owed == 0 && lane.has_room() && lane.can_hold(&offer.batch, turn.allowance(index)) {
                let buffers = lane.take(&offer, turn.shared());
                self.keep(buffers);
            } else if owed < lane.window() {
                offer.owed.push(id);
            } else {
                self.stock.leave_behind(id);
            }
        }
        if !offer.owed.is_empty() {
            self.stock.offers.push_back(offer);
        }
    }

    /// Buffers of a batch that nobody has any more.
    pub(super) fn keep(&mut self, buffers: Option<Batch>) {
        if self.stock.spare.len() < SPARES && self.lanes.iter().any(Lane::is_busy) {
            self.stock.spare.extend(buffers);
        }
    }

    /// Gives everybody what was read for them: the content that it was read from is about to be given up.
    pub(super) fn share_open(&mut self, turn: &mut Turn<'_>) {
        for index in 0..self.lanes.len() {
            let has_followers = |leader: &Lane| {
                let others = self.lanes.iter().filter(|other| other.id() != leader.id());
                let team = others.filter(|other| other.is_teamed() && other.is_alike(leader, &self.sources));
                team.into_iter().any(|other| other.stands_before(leader))
            };
            let leader = &self.lanes[index];
            if leader.is_teamed() && has_followers(leader) {
                self.hand_over(index, turn);
            }
        }
    }

    /// When somebody has waited long enough for others.
    pub(crate) fn loses_patience_at(&self) -> Option<Instant> {
        let ends_at = self.stock.patience.ends_at();
        ends_at.filter(|_| !self.stock.waiting.is_empty())
    }

    /// Bytes that this pipeline holds.
    pub(crate) fn memory(&self) -> usize {
        self.stock.held() + self.lanes.iter().map(Lane::held).sum::<usize>()
    }
}
