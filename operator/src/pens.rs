//! One pen for each LogShipping, so that one at a time writes it. Many Deployments are worked on at once, each wants the
//! finalizer on it, and the status is written beside them: all but one of them would be refused, because the object has
//! changed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{Mutex as Pen, OwnedMutexGuard};

use crate::observe::ShippingKey;

/// The pens that somebody holds.
#[derive(Debug, Default)]
pub(crate) struct Pens {
    taken: Mutex<BTreeMap<ShippingKey, Weak<Pen<()>>>>,
}

impl Pens {
    /// Waits for the pen. It is put down when it is dropped.
    pub(crate) async fn take(&self, key: &ShippingKey) -> OwnedMutexGuard<()> {
        self.of(key).lock_owned().await
    }

    fn of(&self, key: &ShippingKey) -> Arc<Pen<()>> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        // As many are left as are being written.
        taken.retain(|_, pen| pen.strong_count() > 0);
        if let Some(pen) = taken.get(key).and_then(Weak::upgrade) {
            return pen;
        }
        let pen = Arc::default();
        taken.insert(key.clone(), Arc::downgrade(&pen));
        pen
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn one_at_a_time_writes_an_object_and_nobody_waits_for_others() {
        let (pens, a, b) = (
            Pens::default(),
            ShippingKey::new("shop", "a"),
            ShippingKey::new("shop", "b"),
        );
        let first = pens.take(&a).now_or_never();
        assert!(first.is_some());
        assert!(pens.take(&a).now_or_never().is_none());
        assert!(pens.take(&b).now_or_never().is_some());
        drop(first);
        assert!(pens.take(&a).now_or_never().is_some());
    }
}
