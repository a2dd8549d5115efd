//! From what users wrote to what the operator works with. Pure.
//!
//! The schema of the CRD has refused most nonsense already; here is what a schema can't say, and what this release
//! doesn't do yet ([`support`]). Every error is found at once, each with the path of its field.

mod support;

use crds::quantity::{Quantity, Resources};
use crds::{LogShipping, LogShippingSpec, names};
use kube::ResourceExt;
use kube::core::Selector;
use pipeline::validate::{FieldError, Origin};
use serde_json::json;

use crate::amount::Amount;

/// A LogShipping whose specification is usable.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted {
    pub namespace: String,
    pub name: String,
    /// `<name>-<hash of the effective spec>`.
    pub revision: String,
    pub spec: LogShippingSpec,
}

impl Accepted {
    /// Name of its pipeline in the configuration.
    pub fn pipeline(&self) -> String {
        pipeline_name(&self.namespace, &self.name)
    }
}

/// Name of a LogShipping's pipeline in the configuration and in reports.
pub fn pipeline_name(namespace: &str, name: &str) -> String {
    format!("{namespace}/{name}")
}

/// Judges a LogShipping.
///
/// # Errors
/// Everything that is wrong with it, each with its path below the object, such as `spec.sources[0].paths[0]`.
pub fn validate(shipping: &LogShipping) -> Result<Accepted, Vec<FieldError>> {
    let spec = &shipping.spec;
    let mut errors =
        pipeline::validate::specification(&spec.sources, &spec.transforms, &spec.destinations, Origin::Cluster);
    if let Err(error) = Selector::try_from(spec.selector.clone()) {
        errors.push(FieldError::new("selector", error.to_string()));
    }
    errors.extend(resources(&spec.sidecar.resources));
    errors.extend(support::specification(spec));
    for error in &mut errors {
        error.path.insert_str(0, "spec.");
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    Ok(Accepted {
        namespace: shipping.namespace().unwrap_or_default(),
        name: shipping.name_any(),
        revision: revision(&shipping.name_any(), spec),
        spec: spec.clone(),
    })
}

/// A request above its limit makes the API server refuse the whole Deployment. A default gives way to a lower limit: it
/// stands in the object without anybody having written it.
fn resources(resources: &Resources) -> Vec<FieldError> {
    let (requests, limits) = (&crate::plan::requests(resources), &resources.limits);
    [
        ("cpu", &requests.cpu, &limits.cpu),
        ("memory", &requests.memory, &limits.memory),
    ]
    .into_iter()
    .filter(|(_, request, limit)| amount(request.as_ref()) > amount(limit.as_ref()) && limit.is_some())
    .map(|(resource, request, limit)| {
        let text = |quantity: &Option<Quantity>| quantity.as_ref().map(|q| q.0.clone()).unwrap_or_default();
        FieldError::new(
            format!("sidecar.resources.requests.{resource}"),
            format!("{} is more than the limit {}", text(request), text(limit)),
        )
    })
    .collect()
}

fn amount(quantity: Option<&Quantity>) -> Option<Amount> {
    quantity.and_then(|quantity| Amount::parse(&quantity.0))
}

/// The hash covers what a sidecar runs and how its container is made. Who is selected and in which order Deployments
/// change is no part of it, and neither is the operator's default image as long as a new default changes nothing.
fn revision(name: &str, spec: &LogShippingSpec) -> String {
    let effective = json!([
        spec.sources,
        spec.transforms,
        spec.destinations,
        spec.volume,
        spec.sidecar,
    ]);
    format!("{name}-{}", names::hash_bytes(effective.to_string().as_bytes()))
}

#[cfg(test)]
mod tests;
