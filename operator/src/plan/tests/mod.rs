mod properties;
mod running;
mod snapshots;
mod standing;
mod strategic_merge;
mod world;
