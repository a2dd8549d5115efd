//! The shared vocabulary of LogShipping: what a user writes about sources, transforms and destinations, the sidecar's
//! configuration file made of it, and the status report that the sidecar answers with.
//!
//! The operator embeds [`Source`], [`Transform`] and [`Destination`] in its custom resource and renders a
//! [`config::Config`]; the sidecar parses that file and runs it. Both call [`validate`], so that a specification which
//! the operator accepts is one that the sidecar can load.
//!
//! Deliberately not here: I/O, async code, Kubernetes types.

pub mod config;
pub mod destination;
pub mod duration;
pub mod form;
pub mod glob;
pub mod limits;
pub mod pattern;
pub mod quantity;
pub mod reference;
pub mod report;
#[cfg(feature = "schema")]
pub mod schema;
pub mod source;
pub mod support;
pub mod transform;
pub mod validate;

pub use config::{Config, Pipeline};
pub use destination::Destination;
pub use duration::Duration;
pub use quantity::ByteSize;
pub use source::Source;
pub use transform::Transform;
