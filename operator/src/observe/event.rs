//! What a watch tells, taken in: plain functions from an event to the keys that have to look again.
//!
//! Deletes are seen, also those that happened while a watch was interrupted: after a relist, what wasn't listed is gone.
//! What the kinds have in common is [`Watched`]; what tells them apart is in [`super::kinds`].

use std::collections::BTreeSet;
use std::fmt::{self, Debug};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::runtime::watcher::Event;

use super::index::{Index, Wakes};
use super::key::Namespaced;
use super::seen::Seen;

/// A kind of object that is watched.
pub(crate) trait Watched: Sized + Send + Sync + 'static {
    /// The kind as the API server knows it.
    type Api: Resource<DynamicType = ()>;
    /// What is kept of an object.
    type Object: Clone + Debug + Send + Sync;
    type Key: Namespaced + Clone + fmt::Display + Debug + Send + 'static;

    /// Metadata and object from the text of an object.
    fn read(text: &str) -> serde_json::Result<(ObjectMeta, Self::Object)>;

    /// What is kept of an object whose metadata alone can be read; the error where that is nothing.
    fn unreadable(_metadata: ObjectMeta, error: String) -> Result<Self::Object, String> {
        Err(error)
    }

    fn put(index: &mut Index, key: Self::Key, object: Self::Object) -> Wakes;
    fn remove(index: &mut Index, key: &Self::Key) -> Wakes;
    fn keys(index: &Index) -> impl Iterator<Item = &Self::Key>;
}

/// The memory of one watch: what a relist that is under way has listed so far.
#[derive(Debug)]
pub(crate) struct Relist<K> {
    /// The only namespace of the watch; none for all.
    namespace: Option<String>,
    listed: BTreeSet<K>,
}

impl<K> Relist<K> {
    pub(crate) const fn new(namespace: Option<String>) -> Self {
        Self {
            namespace,
            listed: BTreeSet::new(),
        }
    }
}

/// Takes an event in.
pub(crate) fn on_event<W: Watched>(index: &mut Index, relist: &mut Relist<W::Key>, event: Event<Seen<W>>) -> Wakes {
    match event {
        Event::Apply(seen) => take::<W>(index, W::Key::of(seen.meta()), seen),
        Event::Delete(seen) => W::remove(index, &W::Key::of(seen.meta())),
        Event::Init => {
            relist.listed.clear();
            Wakes::default()
        }
        Event::InitApply(seen) => {
            let key = W::Key::of(seen.meta());
            relist.listed.insert(key.clone());
            take::<W>(index, key, seen)
        }
        Event::InitDone => {
            let listed = std::mem::take(&mut relist.listed);
            let in_scope = |key: &W::Key| relist.namespace.as_ref().is_none_or(|only| key.namespace() == only);
            let gone = W::keys(index).filter(|key| in_scope(key) && !listed.contains(key));
            let gone: Vec<_> = gone.cloned().collect();
            gone.iter()
                .fold(Wakes::default(), |wakes, key| wakes.and(W::remove(index, key)))
        }
    }
}

fn take<W: Watched>(index: &mut Index, key: W::Key, seen: Seen<W>) -> Wakes {
    match seen.object {
        Ok(object) => W::put(index, key, object),
        Err(error) => {
            let kind = W::Api::kind(&());
            tracing::warn!(%kind, %key, error, "an object can't be read; it is left as it is");
            Wakes::default()
        }
    }
}

impl Wakes {
    fn and(mut self, mut other: Self) -> Self {
        self.targets.append(&mut other.targets);
        self.gathering.append(&mut other.gathering);
        self.shippings.append(&mut other.shippings);
        self.pods.append(&mut other.pods);
        self
    }
}
