//! A fleet of Deployments on simulated nodes, to see what the operator costs when there are many.
//!
//! What is real: the API server, its controllers and scheduler, every object and every request. What isn't: nodes and
//! containers, which [kwok](https://kwok.sigs.k8s.io) only reports on. So the operator's own work, and its load on the API
//! server, are as in a real cluster, while the sidecars can't be asked anything.
//!
//! Used by the tests, for what always holds, and by `cargo xtask bench operator`, for the figures.

mod manifest;
mod raised;
mod size;

pub use raised::{Fleet, OPERATOR, OPERATOR_NAMESPACE, OWNER};
pub use size::Size;
