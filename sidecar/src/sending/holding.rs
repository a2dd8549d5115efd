//! What a sending task holds beside its batches: the bodies of its requests, the buffers they are written in, and answers
//! while they are read. The reader adds it up for the budget and for the report.
//!
//! A body counts until the last reference to it is gone, also one that the connection still has.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

/// In bytes; shared by the task and the reader.
#[derive(Debug, Default)]
pub struct Holding {
    bodies: AtomicUsize,
    buffers: AtomicUsize,
    answers: Arc<AtomicUsize>,
}

/// A body that is counted as long as it lives.
struct Counted {
    body: Bytes,
    holding: Arc<Holding>,
}

impl Holding {
    pub(crate) fn bytes(&self) -> usize {
        let parts = [&self.bodies, &self.buffers, &self.answers];
        parts.into_iter().map(|part| part.load(Ordering::Relaxed)).sum()
    }

    pub(super) fn count(self: &Arc<Self>, body: Bytes) -> Bytes {
        self.bodies.fetch_add(body.len(), Ordering::Relaxed);
        Bytes::from_owner(Counted {
            body,
            holding: Arc::clone(self),
        })
    }

    pub(super) fn set_buffers(&self, bytes: usize) {
        self.buffers.store(bytes, Ordering::Relaxed);
    }

    /// Where answers are counted.
    pub(super) fn answers(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.answers)
    }
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.holding.bodies.fetch_sub(self.body.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_counts_until_its_last_copy_is_gone() {
        let holding = Arc::<Holding>::default();
        holding.set_buffers(5);
        let body = holding.count(Bytes::from_static(b"0123456789"));
        let part = body.slice(2..4);
        assert_eq!((&part[..], holding.bytes()), (&b"23"[..], 15));
        drop(body);
        assert_eq!(holding.bytes(), 15);
        drop(part);
        assert_eq!(holding.bytes(), 5);
    }
}
