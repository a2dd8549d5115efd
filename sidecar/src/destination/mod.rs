//! Destinations: how each type of log store wants its records written, and what its answers mean.
//!
//! Both are pure functions, a table of tests beside each. How requests travel is `transport`'s, when and how often they
//! are sent is `sending`'s.

mod limits;
pub mod stdout;

pub use limits::Limits;

/// A destination's settings can't be turned into requests.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("{0} destinations are not supported by this version yet")]
    Unsupported(&'static str),
    #[error("the destination has no type, or more than one")]
    NoType,
    #[error("{field}: {message}")]
    Field { field: &'static str, message: String },
}
