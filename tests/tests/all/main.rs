//! Every test that needs a real API server, a real node or a real log store, in one program.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what a test and its fixtures can't do without fails the test"
)]

mod chart;
mod crd;
mod empty_root;
mod gitops;
mod lifecycle;
mod operator;
mod patching;
mod readme;
mod road;
mod scale;
