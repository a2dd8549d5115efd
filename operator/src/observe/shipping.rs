//! What is kept of a LogShipping: judged once, when it arrives.

use std::collections::BTreeMap;

use crds::spec::DeletionPolicy;
use crds::{LogShipping, LogShippingStatus, names};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::{Selector, SelectorExt};
use pipeline::validate::FieldError;

use crate::validate::{Accepted, validate};

/// A LogShipping as it was last seen.
#[derive(Clone, Debug)]
pub(crate) struct ShippingEntry {
    pub(crate) uid: String,
    pub(crate) generation: Option<i64>,
    pub(crate) life: ShippingLife,
    /// When its deletion was asked for.
    pub(crate) deleted_at: Option<Timestamp>,
    pub(crate) resource_version: Option<String>,
    /// All that are on the object, other people's too.
    pub(crate) finalizers: Vec<String>,
    pub(crate) names: SpecNames,
    /// `Revert` where it can't be read.
    pub(crate) deletion_policy: DeletionPolicy,
    /// None where it can't be read; it then selects nothing new, and what carries it already keeps it.
    selector: Option<Selector>,
    pub(crate) verdict: Result<Accepted, Vec<FieldError>>,
    pub(crate) status: Option<LogShippingStatus>,
}

/// Names that the specification contains: no others may appear in the status, whatever a sidecar says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SpecNames {
    pub(crate) sources: Vec<String>,
    pub(crate) destinations: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ShippingLife {
    Live,
    /// Marked for deletion: it has to be taken out of every Deployment.
    Deleting,
}

impl ShippingEntry {
    pub(crate) fn of(shipping: &LogShipping) -> Self {
        let selector = Selector::try_from(shipping.spec.selector.clone());
        let mut entry = Self::bare(&shipping.metadata, validate(shipping));
        if let (Ok(_), Err(error)) = (&entry.verdict, &selector) {
            entry.verdict = Err(vec![FieldError::new("spec.selector", error.to_string())]);
        }
        entry.selector = selector.ok().filter(|selector| !selector.selects_all());
        entry.deletion_policy = shipping.spec.deletion_policy;
        entry.status.clone_from(&shipping.status);
        entry.names = SpecNames {
            sources: shipping.spec.sources.iter().map(|source| source.name.clone()).collect(),
            destinations: shipping.spec.destinations.iter().map(|one| one.name.clone()).collect(),
        };
        entry
    }

    /// A specification that can't be parsed (the CRD is newer or older than this operator) is one more invalid one.
    pub(crate) fn unreadable(metadata: &ObjectMeta, error: String) -> Self {
        Self::bare(metadata, Err(vec![FieldError::new("spec", error)]))
    }

    fn bare(metadata: &ObjectMeta, verdict: Result<Accepted, Vec<FieldError>>) -> Self {
        Self {
            uid: metadata.uid.clone().unwrap_or_default(),
            generation: metadata.generation,
            life: match metadata.deletion_timestamp {
                Some(_) => ShippingLife::Deleting,
                None => ShippingLife::Live,
            },
            deleted_at: metadata.deletion_timestamp.as_ref().map(|time| time.0),
            resource_version: metadata.resource_version.clone(),
            finalizers: metadata.finalizers.clone().unwrap_or_default(),
            names: SpecNames::default(),
            deletion_policy: DeletionPolicy::default(),
            selector: None,
            verdict,
            status: None,
        }
    }

    /// By the labels of the Deployment itself.
    pub(crate) fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        self.selector.as_ref().is_some_and(|selector| selector.matches(labels))
    }

    /// Whether our finalizer is on the object.
    pub(crate) fn is_held(&self) -> bool {
        self.finalizers.iter().any(|finalizer| finalizer == names::FINALIZER)
    }

    pub(crate) const fn is_readable(&self) -> bool {
        self.selector.is_some()
    }

    /// Whether the Deployments have to look at it again, or only its own status changed.
    pub(crate) fn differs_for_targets(&self, other: &Self) -> bool {
        (&self.uid, self.generation, self.life) != (&other.uid, other.generation, other.life)
    }
}
