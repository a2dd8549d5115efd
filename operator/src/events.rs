//! Events: what changed for the better or worse, on the LogShipping and on the Deployment. Only transitions are told.
//!
//! Publishing never holds up work: the queue is bounded and so is what is said about one object; what doesn't fit is
//! left out, since the status says the same.

use std::collections::HashMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crds::names;

use crate::words;

const QUEUE: usize = 256;
/// What may be said about one object in a burst and after it; the numbers of client-go.
const BURST: u32 = 25;
const REFILL: Duration = Duration::from_secs(300);
/// Objects whose budget is remembered; the others have all of theirs.
const REMEMBERED: usize = 4096;

/// Why an event was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventReason {
    Injected,
    CleanedUp,
    ConflictDetected,
    Skipped,
    ConfigReloaded,
    DeliveryFailing,
    DeliveryRecovered,
    LogsLeftBehind,
}

impl EventReason {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Injected => "Injected",
            Self::CleanedUp => "CleanedUp",
            Self::ConflictDetected => "ConflictDetected",
            Self::Skipped => "Skipped",
            Self::ConfigReloaded => "ConfigReloaded",
            Self::DeliveryFailing => "DeliveryFailing",
            Self::DeliveryRecovered => "DeliveryRecovered",
            Self::LogsLeftBehind => "LogsLeftBehind",
        }
    }

    const fn action(self) -> &'static str {
        match self {
            Self::Injected => "Inject",
            Self::CleanedUp => "CleanUp",
            Self::ConflictDetected | Self::Skipped => "Plan",
            Self::ConfigReloaded => "Reload",
            Self::DeliveryFailing | Self::DeliveryRecovered | Self::LogsLeftBehind => "Deliver",
        }
    }

    const fn kind(self) -> EventType {
        match self {
            Self::Injected | Self::CleanedUp | Self::Skipped | Self::ConfigReloaded | Self::DeliveryRecovered => {
                EventType::Normal
            }
            Self::ConflictDetected | Self::DeliveryFailing | Self::LogsLeftBehind => EventType::Warning,
        }
    }
}

/// An event to publish.
#[derive(Clone, Debug)]
pub(crate) struct Notice {
    pub(crate) reason: EventReason,
    pub(crate) message: String,
    pub(crate) regarding: ObjectReference,
    /// The Deployment of an event on a LogShipping.
    pub(crate) related: Option<ObjectReference>,
}

/// Where notices go.
#[derive(Clone, Debug)]
pub(crate) struct Events {
    sender: mpsc::Sender<Notice>,
}

impl Events {
    /// The sender, and the task that publishes until all senders are gone.
    pub(crate) fn new(client: Client) -> (Self, impl Future<Output = ()>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self { sender }, publish(client, receiver))
    }

    pub(crate) fn tell(&self, notice: Notice) {
        if let Err(error) = self.sender.try_send(notice) {
            tracing::debug!(%error, "an event was left out");
        }
    }
}

async fn publish(client: Client, mut notices: mpsc::Receiver<Notice>) {
    let reporter = Reporter {
        controller: names::FIELD_MANAGER.to_owned(),
        instance: None,
    };
    let recorder = Recorder::new(client, reporter);
    let mut budgets = Budgets::default();
    while let Some(notice) = notices.recv().await {
        let Notice {
            reason,
            message,
            regarding,
            related,
        } = notice;
        let object = regarding.uid.clone().unwrap_or_default();
        if !budgets.take(object, Instant::now()) {
            tracing::debug!(%message, "an event was left out: too many about this object");
            continue;
        }
        let event = Event {
            type_: reason.kind(),
            reason: reason.as_str().to_owned(),
            note: Some(words::message(&message)),
            action: reason.action().to_owned(),
            secondary: related,
        };
        if let Err(error) = recorder.publish(&event, &regarding).await {
            tracing::warn!(%error, reason = reason.as_str(), "an event was not published");
        }
    }
}

/// A token bucket for each object.
#[derive(Debug, Default)]
struct Budgets {
    buckets: HashMap<String, (u32, Instant)>,
}

impl Budgets {
    fn take(&mut self, object: String, now: Instant) -> bool {
        if self.buckets.len() >= REMEMBERED && !self.buckets.contains_key(&object) {
            self.buckets
                .retain(|_, (_, since)| now.duration_since(*since) < REFILL * BURST);
            if self.buckets.len() >= REMEMBERED {
                self.forget_the_longest_quiet();
            }
        }
        let (tokens, since) = self.buckets.entry(object).or_insert((BURST, now));
        let refills = u32::try_from(now.duration_since(*since).as_secs() / REFILL.as_secs()).unwrap_or(BURST);
        if refills > 0 {
            *tokens = BURST.min(tokens.saturating_add(refills));
            *since += REFILL * refills;
        }
        let left = tokens.checked_sub(1);
        *tokens = left.unwrap_or(0);
        left.is_some()
    }

    /// Its budget is full again, or the nearest to it.
    fn forget_the_longest_quiet(&mut self) {
        let quiet = self
            .buckets
            .iter()
            .max_by_key(|(_, (tokens, since))| (*tokens, std::cmp::Reverse(*since)));
        if let Some(object) = quiet.map(|(object, _)| object.clone()) {
            self.buckets.remove(&object);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_object_can_not_take_the_floor_from_the_others() {
        let mut budgets = Budgets::default();
        let now = Instant::now();
        let said = (0..100).filter(|_| budgets.take("a".to_owned(), now)).count();
        assert_eq!(said, 25);
        assert!(budgets.take("b".to_owned(), now));
        assert!(budgets.take("a".to_owned(), now + REFILL));
        assert!(!budgets.take("a".to_owned(), now + REFILL));
        // Any number of others has its say, and the loud one is remembered longest.
        assert!((0..2 * REMEMBERED).all(|number| budgets.take(number.to_string(), now)));
        assert!(budgets.buckets.len() <= REMEMBERED && budgets.buckets.contains_key("a"));
    }
}
