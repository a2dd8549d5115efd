//! Another sending task takes over: because the destination was changed, or because the old task is gone.

use std::sync::Arc;

use crate::batch::Origin;
use crate::destination::Limits;
use crate::metrics::Amount;

use super::super::account::Loss;
use super::{FINISH, FileId, Lane, Link, Now, SourceId, Successor, estimate_records};

impl Lane {
    /// Another destination of the same name takes over once this one's requests are finished, or their time is.
    pub(crate) fn succeed(&mut self, destination: pipeline::Destination, link: Link, now: Now) {
        let until = now.instant + FINISH;
        self.successor = Some(Successor {
            destination,
            link,
            until,
        });
    }

    /// Whether requests to `destination` are those of this lane, or of the one that will take over.
    pub(crate) fn sends_as(&self, destination: &pipeline::Destination) -> bool {
        let mine = self
            .successor
            .as_ref()
            .map_or(&self.destination, |next| &next.destination);
        let mut other = destination.clone();
        other.sources.clone_from(&mine.sources);
        *mine == other
    }

    pub(crate) fn set_origin(&mut self, source: SourceId, file: FileId, origin: &Arc<Origin>) {
        let cursor = self
            .by_file
            .get(&(source, file))
            .and_then(|id| self.cursors.get_mut(id));
        if let Some(cursor) = cursor {
            cursor.origin = Arc::clone(origin);
        }
    }

    /// Settings that concern only this side: no request is touched.
    pub(crate) fn set_destination(&mut self, destination: pipeline::Destination) {
        match &mut self.successor {
            Some(next) => next.destination = destination,
            None => self.destination = destination,
        }
    }

    /// Replaces the link when its time has come. What is still under way then is read again.
    pub(crate) fn relink(&mut self, now: Now) {
        let due = |next: &Successor| self.in_flight.is_empty() || now.instant >= next.until;
        if let Some(next) = self.successor.take_if(|next| due(next)) {
            self.limits = Limits::of(&next.destination);
            self.destination = next.destination;
            if self.in_flight.is_empty() {
                // The new one takes what was gathered. It can't be read again where its file was truncated meanwhile.
                self.link = next.link;
            } else {
                self.replace_link(next.link);
            }
        }
    }

    /// The task ended although nobody ended it.
    pub(crate) fn is_dead(&self) -> bool {
        self.link.batches.is_closed()
    }

    /// Nothing more is sent.
    pub(crate) fn stop(&self) {
        self.link.handle.stop();
    }

    pub(crate) fn replace_link(&mut self, link: Link) {
        self.link = link;
        self.in_flight.clear();
        self.replay.begin();
        self.open = None;
        self.queue.clear();
        self.parked.clear();
        self.waiting.clear();
        self.resting.clear();
        self.lose_ended();
        let mut ids: Vec<_> = self.cursors.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            if let Some(cursor) = self.cursors.get_mut(&id) {
                cursor.rewind();
                cursor.queued = false;
            }
            self.enqueue(id);
        }
    }

    /// What ended cursors had under way can't be read again.
    fn lose_ended(&mut self) {
        self.leaving.clear();
        let flows = &mut self.flows;
        self.cursors.retain(|_, cursor| {
            if let (true, Some(flow)) = (cursor.ended, flows.get_mut(&cursor.source)) {
                let bytes = cursor.read - cursor.settled.offset;
                let records = estimate_records(&flow.account, bytes);
                flow.account.lose(Loss::Vanished, Amount { records, bytes });
            }
            !cursor.ended
        });
    }
}
