//! Plans, carried out on a model of the API server.

mod properties;
mod running;
mod snapshots;
mod standing;
mod strategic_merge;
mod world;
