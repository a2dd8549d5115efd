//! The `LogShipping` API: what users write ([`spec`]), what they see ([`status`], [`conditions`]), and every name that
//! the operator uses in a cluster ([`names`]).
//!
//! Deliberately not here: a client, and any decision. The CRD is generated from these types by [`generate::crd_yaml`].

pub mod conditions;
pub mod generate;
pub mod names;
pub mod quantity;
pub mod rollout;
mod schema;
pub mod spec;
pub mod status;

pub use generate::crd_yaml;
pub use spec::{LogShipping, LogShippingSpec};
pub use status::LogShippingStatus;
