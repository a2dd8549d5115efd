//! An object as a list or a watch delivers it, read in one go into what is kept of it.
//!
//! What `kube::core::DeserializeGuard` is for, at a fraction of its cost: an object that can't be read doesn't hide the
//! others. That type builds a tree of generic values of each object, copies it, and makes typed values of the copy, managed
//! fields and all; with thousands of pods this was most of what the operator did. Here the text is borrowed, whatever
//! nobody asks for is skipped in it, and of a page of a list there is never more in memory than its text and what is kept.
//!
//! Assumption: the answer is JSON in text. In an event of a watch `type` comes before `object`, as the API server
//! writes it.

use std::borrow::Cow;
use std::fmt;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::event::Watched;
use super::lean::Metadata;

/// An object of a kind that is watched.
pub(crate) struct Seen<W: Watched> {
    /// What tells it from others: namespace, name, uid and version.
    identity: ObjectMeta,
    /// What is kept of it, or why it can't be read.
    pub(super) object: Result<W::Object, String>,
}

#[derive(Deserialize)]
struct Head {
    metadata: Metadata,
}

impl<W: Watched> Seen<W> {
    fn read(text: &str) -> serde_json::Result<Self> {
        let error = match W::read(text) {
            Ok((metadata, object)) => {
                return Ok(Self {
                    identity: identity(&metadata),
                    object: Ok(object),
                });
            }
            Err(error) => error.to_string(),
        };
        let Head { metadata } = serde_json::from_str(text)?;
        let metadata = metadata.into();
        Ok(Self {
            identity: identity(&metadata),
            object: W::unreadable(metadata, error),
        })
    }
}

fn identity(metadata: &ObjectMeta) -> ObjectMeta {
    ObjectMeta {
        namespace: metadata.namespace.clone(),
        name: metadata.name.clone(),
        uid: metadata.uid.clone(),
        resource_version: metadata.resource_version.clone(),
        ..ObjectMeta::default()
    }
}

impl<'de, W: Watched> Deserialize<'de> for Seen<W> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&'de RawValue>::deserialize(deserializer)?;
        Self::read(text.get()).map_err(D::Error::custom)
    }
}

impl<W: Watched> Clone for Seen<W> {
    fn clone(&self) -> Self {
        Self {
            identity: self.identity.clone(),
            object: self.object.clone(),
        }
    }
}

impl<W: Watched> fmt::Debug for Seen<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.object.fmt(f)
    }
}

/// The same kind to the API server.
impl<W: Watched> Resource for Seen<W> {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        W::Api::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        W::Api::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        W::Api::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        W::Api::plural(&())
    }

    fn metadata_api() -> bool {
        W::Api::metadata_api()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.identity
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.identity
    }
}

#[cfg(test)]
mod tests {
    use kube::core::{ObjectList, WatchEvent};

    use super::*;
    use crate::observe::kinds::{Deployments, ReplicaSets};

    const GOOD: &str = r#"{"kind":"Deployment","apiVersion":"apps/v1","metadata":{"namespace":"shop","name":"server","uid":"d",
        "resourceVersion":"7","managedFields":[{"manager":"m","operation":"Update","fieldsV1":{"f:spec":{}}}],
        "annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{}","team":"shop"}},
        "spec":{"selector":{},"template":{},"replicas":2},"status":{"replicas":"of no interest"}}"#;

    #[test]
    fn what_nobody_asks_for_is_left_out() -> serde_json::Result<()> {
        let seen: Seen<Deployments> = serde_json::from_str(GOOD)?;
        assert_eq!(seen.meta().resource_version.as_deref(), Some("7"));
        let deployment = seen.object.unwrap_or_default();
        assert_eq!(deployment.spec.and_then(|spec| spec.replicas), Some(2));
        assert_eq!((deployment.status, deployment.metadata.managed_fields), (None, None));
        let annotations = deployment.metadata.annotations.unwrap_or_default();
        assert_eq!(annotations.into_keys().collect::<Vec<_>>(), ["team"]);
        Ok(())
    }

    #[test]
    fn an_object_that_can_not_be_read_does_not_hide_the_others_of_its_list() -> serde_json::Result<()> {
        let bad = GOOD.replace(r#""replicas":2"#, r#""replicas":"two""#);
        let page = format!(
            r#"{{"kind":"DeploymentList","apiVersion":"apps/v1","metadata":{{"resourceVersion":"9"}},"items":[{bad},{GOOD}]}}"#
        );
        let list: ObjectList<Seen<Deployments>> = serde_json::from_str(&page)?;
        let readable: Vec<_> = list.items.iter().map(|seen| seen.object.is_ok()).collect();
        assert_eq!(readable, [false, true]);
        let names: Vec<_> = list.items.iter().map(|seen| seen.meta().name.as_deref()).collect();
        assert_eq!(names, [Some("server"), Some("server")]);
        Ok(())
    }

    #[test]
    fn events_are_read_as_the_api_server_writes_them() -> serde_json::Result<()> {
        let line = format!(r#"{{"type":"MODIFIED","object":{GOOD}}}"#);
        let event: WatchEvent<Seen<Deployments>> = serde_json::from_str(&line)?;
        assert!(matches!(event, WatchEvent::Modified(seen) if seen.object.is_ok()));
        let line = r#"{"type":"BOOKMARK","object":{"kind":"ReplicaSet","apiVersion":"apps/v1",
            "metadata":{"resourceVersion":"9","creationTimestamp":null}}}"#;
        let event: WatchEvent<Seen<ReplicaSets>> = serde_json::from_str(line)?;
        assert!(matches!(event, WatchEvent::Bookmark(_)));
        let line = r#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",
            "message":"too old","reason":"Expired","code":410}}"#;
        let event: WatchEvent<Seen<ReplicaSets>> = serde_json::from_str(line)?;
        assert!(matches!(event, WatchEvent::Error(status) if status.code == 410));
        Ok(())
    }

    #[test]
    fn what_has_no_metadata_is_no_object() {
        assert!(serde_json::from_str::<Seen<Deployments>>(r#"{"spec":{}}"#).is_err());
    }
}
