//! Who undoes what we write: to make the same change of the same Deployment again and again is a quarrel that nobody
//! wins and that restarts the application each time. After a few times the operator gives way, says who writes
//! otherwise ([`undoer`]), and tries again ever more rarely.
//!
//! The judgement is pure: the time comes in as an argument. What is forgotten at a restart is what was undone so far, so
//! a quarrel begins anew.

mod undoer;

use std::collections::BTreeMap;
use std::time::Duration;

use crds::conditions::Reason;
use crds::names;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use tokio::time::Instant;

use crate::observe::TargetKey;
use crate::plan::{Finding, Standing, TargetState};

pub(crate) use undoer::{Undoer, recorded, undoer};

/// So often within [`Patience::window`] the same change is undone before the operator gives way: an owner who replaces
/// the whole object undoes it once.
const TIMES: usize = 3;

/// What the operator puts up with. Not a flag: nobody needs other values but tests, which can't wait so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// What lasts so long was not undone: an owner who replaces the whole object with each release may do so.
    pub window: Duration,
    /// The first pause; it doubles each time.
    pub pause: Duration,
    pub longest_pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(600),
            pause: Duration::from_secs(600),
            longest_pause: Duration::from_secs(3600),
        }
    }
}

/// What a patch leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Aim {
    /// A Deployment of the same name is another one.
    pub(crate) uid: Option<String>,
    /// Pod shape of the template afterwards; none where everything of ours goes.
    pub(crate) shape: Option<String>,
}

/// The last aim for each Deployment, and what became of it.
#[derive(Debug, Default)]
pub(crate) struct Contests {
    patience: Patience,
    pursuits: BTreeMap<TargetKey, Pursuit>,
}

#[derive(Debug)]
struct Pursuit {
    aim: Aim,
    written: Instant,
    /// The API server's own time of that write.
    recorded: Option<Time>,
    /// Whether the write was found undone already: it counts once, however often it is looked at.
    seen_undone: bool,
    /// When it was found undone, the last few times.
    undone: Vec<Instant>,
    pauses: u32,
    until: Option<Instant>,
    by: Option<Undoer>,
}

/// The Deployment is left as it is for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pause {
    pub(crate) left: Duration,
    /// None as long as nobody asked.
    pub(crate) by: Option<Undoer>,
    pub(crate) written: Option<Time>,
}

impl Contests {
    pub(crate) fn new(patience: Patience) -> Self {
        let pursuits = BTreeMap::new();
        Self { patience, pursuits }
    }

    /// Told each time a patch is planned. None when it may be sent.
    pub(crate) fn judge(&mut self, target: &TargetKey, aim: &Aim, now: Instant) -> Option<Pause> {
        let pursuit = self.pursuits.get_mut(target).filter(|pursuit| pursuit.aim == *aim)?;
        if !pursuit.seen_undone {
            pursuit.count(now, self.patience);
        }
        let left = pursuit.until?.saturating_duration_since(now);
        (!left.is_zero()).then(|| Pause {
            left,
            by: pursuit.by.clone(),
            written: pursuit.recorded.clone(),
        })
    }

    /// A patch was sent, and the API server recorded it at that time.
    pub(crate) fn wrote(&mut self, target: &TargetKey, aim: Aim, now: Instant, recorded: Option<Time>) {
        let before = self.pursuits.remove(target).filter(|pursuit| pursuit.aim == aim);
        let mut pursuit = before.unwrap_or_else(|| Pursuit::of(aim, now));
        pursuit.written = now;
        pursuit.recorded = recorded;
        pursuit.seen_undone = false;
        self.pursuits.insert(target.clone(), pursuit);
    }

    /// Remembers who it was for the rest of the pause: whoever writes later is somebody else.
    pub(crate) fn blame(&mut self, target: &TargetKey, by: &Undoer) {
        if let Some(pursuit) = self.pursuits.get_mut(target) {
            pursuit.by = Some(by.clone());
        }
    }

    /// Nothing is wanted of the Deployment, so there is nothing to quarrel about.
    pub(crate) fn forget(&mut self, target: &TargetKey) {
        self.pursuits.remove(target);
    }
}

impl Pursuit {
    const fn of(aim: Aim, now: Instant) -> Self {
        Self {
            aim,
            written: now,
            recorded: None,
            seen_undone: false,
            undone: Vec::new(),
            pauses: 0,
            until: None,
            by: None,
        }
    }

    fn count(&mut self, now: Instant, patience: Patience) {
        self.seen_undone = true;
        if now >= self.written + patience.window {
            self.pauses = 0;
        }
        self.undone.retain(|at| now < *at + patience.window);
        self.undone.push(now);
        let quarrels = self.pauses > 0 || self.undone.len() >= TIMES;
        self.until = quarrels.then(|| now + patience.pause_after(self.pauses));
        self.by = None;
        self.pauses = if quarrels { self.pauses.saturating_add(1) } else { 0 };
    }
}

impl Patience {
    fn pause_after(self, pauses: u32) -> Duration {
        let pause = self.pause.saturating_mul(2_u32.saturating_pow(pauses));
        self.longest_pause.min(pause)
    }
}

/// How a target stands whose patch isn't sent.
pub(crate) fn concede(state: &mut TargetState, by: Option<&Undoer>) {
    let who = by.map_or_else(|| "it is not known by whom".to_owned(), Undoer::to_string);
    let message = format!(
        "what the operator writes into the pod template was undone again and again: {who}. It is tried again ever more \
         rarely; have that writer leave alone what is named logshipping, or set annotation {}: \"false\" on the Deployment",
        names::INJECT
    );
    let finding = Finding {
        reason: Reason::Conflict,
        message,
    };
    state.held_up = Some(finding.message.clone());
    for shipping in state.shippings.values_mut() {
        if shipping.standing == Standing::InProgress {
            shipping.standing = Standing::Failed(finding.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn aim(shape: &str) -> Aim {
        Aim {
            uid: None,
            shape: Some(shape.to_owned()),
        }
    }

    struct World {
        contests: Contests,
        now: Instant,
    }

    impl World {
        /// After the first write.
        fn new() -> Self {
            let mut world = Self {
                contests: Contests::default(),
                now: Instant::now(),
            };
            assert_eq!(world.pause("a"), None);
            world.write("a");
            world
        }

        /// Minutes for which the patch is held back, looking twice.
        fn pause(&mut self, shape: &str) -> Option<u64> {
            let target = TargetKey::new("shop", "server");
            let first = self.contests.judge(&target, &aim(shape), self.now);
            let again = self.contests.judge(&target, &aim(shape), self.now);
            assert_eq!(first, again, "looking again counts nothing");
            first.map(|pause| pause.left.as_secs() / 60)
        }

        fn write(&mut self, shape: &str) {
            let target = TargetKey::new("shop", "server");
            self.contests.wrote(&target, aim(shape), self.now, None);
        }

        /// After so many minutes the write is found undone; it is made again unless it is held back.
        fn undone_after(&mut self, minutes: u32) -> Option<u64> {
            self.now += MINUTE * minutes;
            let pause = self.pause("a");
            if pause.is_none() {
                self.write("a");
            }
            pause
        }
    }

    #[test]
    fn three_times_within_ten_minutes_are_a_quarrel_however_they_are_spread() {
        for [first, second, third] in [[0, 0, 0], [60, 1, 1], [1, 8, 1], [1, 1, 8], [3, 4, 5]] {
            let mut world = World::new();
            assert_eq!(world.undone_after(first), None);
            assert_eq!(world.undone_after(second), None);
            assert_eq!(world.undone_after(third), Some(10), "{first} {second} {third}");
        }
    }

    #[test]
    fn an_owner_who_replaces_everything_with_each_release_may_do_so() {
        let mut world = World::new();
        for minutes in [1, 5, 6, 5, 6, 10, 60, 1, 9, 9, 9] {
            assert_eq!(world.undone_after(minutes), None, "{minutes}");
        }
    }

    #[test]
    fn it_is_tried_again_ever_more_rarely_until_it_lasts() {
        let mut world = World::new();
        let pauses: Vec<_> = (0..3).filter_map(|_| world.undone_after(1)).collect();
        assert_eq!(pauses, [10]);
        for minutes in [10, 20, 40, 60, 60] {
            world.now += MINUTE * (minutes - 1);
            assert_eq!(world.pause("a"), Some(1), "{minutes}");
            world.now += MINUTE;
            assert_eq!(world.pause("a"), None, "{minutes}");
            world.write("a");
            world.now += MINUTE;
            let next = u64::from(minutes * 2).min(60);
            assert_eq!(world.pause("a"), Some(next));
        }
        world.now += MINUTE * 60;
        assert_eq!(world.undone_after(0), None, "the next try");
        assert_eq!(world.undone_after(10), None, "it had lasted");
    }

    #[test]
    fn changes_that_are_asked_for_are_no_quarrel() {
        let mut world = World::new();
        for number in 0..20 {
            let shape = if number % 2 == 0 { "b" } else { "a" };
            assert_eq!(world.pause(shape), None);
            world.write(shape);
        }
    }

    #[test]
    fn who_was_blamed_is_remembered_for_the_pause_and_asked_for_anew_after_the_next_try() {
        let (mut world, target) = (World::new(), TargetKey::new("shop", "server"));
        while world.undone_after(1).is_none() {}
        let undoer = Undoer::Recorded("tenant".to_owned());
        world.contests.blame(&target, &undoer);
        let by = |world: &mut World| {
            world
                .contests
                .judge(&target, &aim("a"), world.now)
                .map(|pause| pause.by)
        };
        assert_eq!(by(&mut world), Some(Some(undoer)));
        assert_eq!(world.undone_after(10), None);
        assert_eq!(by(&mut world), Some(None));
    }
}
