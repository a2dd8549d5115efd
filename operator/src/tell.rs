//! Says what happened to a Deployment: on it, for its owner, and on the LogShippings that it is about.

use std::sync::Arc;

use k8s_openapi::api::core::v1::ObjectReference;

use crate::events::{Events, Notice};
use crate::observe::{Cluster, ShippingKey};
use crate::report::reference;
use crate::transition::Said;

/// Who tells. Clones share everything.
#[derive(Clone, Debug)]
pub(crate) struct Teller {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) events: Events,
}

impl Teller {
    /// `deployment` is the object as events name it, with its uid.
    pub(crate) fn tell(&self, deployment: &ObjectReference, said: Said) {
        let Said {
            reason,
            shippings,
            message,
        } = said;
        let namespace = deployment.namespace.as_deref().unwrap_or_default();
        let name = deployment.name.as_deref().unwrap_or_default();
        for shipping in &shippings {
            // One that is gone has nobody who would read it.
            let Some(uid) = self.uid(namespace, shipping) else {
                continue;
            };
            self.events.tell(Notice {
                reason,
                message: format!("Deployment {name}: {message}"),
                regarding: ObjectReference {
                    uid: Some(uid),
                    ..reference(namespace, shipping)
                },
                related: Some(deployment.clone()),
            });
        }
        self.events.tell(Notice {
            reason,
            message,
            regarding: deployment.clone(),
            related: None,
        });
    }

    fn uid(&self, namespace: &str, shipping: &str) -> Option<String> {
        let index = self.cluster.index();
        let entry = index.shipping(&ShippingKey::new(namespace, shipping));
        entry.map(|entry| entry.uid.clone())
    }
}
