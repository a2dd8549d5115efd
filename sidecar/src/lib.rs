//! The sidecar: tails log files and exports them without losing a line.
//!
//! The file is the queue. One reader thread per process tails all files and builds batches; a current-thread runtime
//! sends them. The durable position of a destination only moves over bytes whose fate is settled, so a slow or dead
//! destination holds back only its own position, and memory stays flat.

pub mod batch;
pub mod check;
pub mod command_line;
mod configuration;
pub mod destination;
mod engine;
pub mod logging;
pub mod metrics;
mod positions;
pub mod process;
mod processing;
mod reading;
pub mod references;
pub mod sending;
pub mod serve;
pub mod transport;
pub mod trial;
