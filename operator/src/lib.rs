//! The LogShipping operator: observe -> validate -> plan -> apply -> report, keyed by the target Deployment.
//!
//! The core is pure: [`validate`] and [`plan`] are functions from values to values and read no clock. Everything else
//! is a thin shell around them, one effect per file: [`run`] puts it together.

mod admin;
mod amount;
mod apply;
mod backoff;
pub mod client;
mod contest;
mod events;
mod finalize;
mod leader;
mod metrics;
mod observe;
pub mod observed;
mod pens;
pub mod plan;
mod poll;
mod queue;
mod reconcile;
mod report;
mod reporter;
mod run;
pub mod settings;
mod sweep;
mod tell;
mod transition;
pub mod uninstall;
pub mod validate;
mod words;

pub use contest::Patience;
pub use leader::LeaseLost;
pub use run::{RunError, run};
pub use settings::Settings;
