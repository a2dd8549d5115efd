//! Plans, carried out on a model of the API server.

mod composition;
mod properties;
mod references;
mod retaining;
mod room;
mod running;
mod shapes;
mod snapshots;
mod standing;
mod strategic_merge;
mod volumes;
mod waiting;
mod world;
