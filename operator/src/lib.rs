//! The LogShipping operator: observe -> validate -> plan -> apply -> report, keyed by the target Deployment.
//!
//! The core is pure: [`validate`] and [`plan`] are functions from values to values and read no clock. Everything else
//! is a thin shell around them.

mod amount;
pub mod observed;
pub mod plan;
pub mod validate;
