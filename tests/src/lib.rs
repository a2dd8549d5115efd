//! What the tests stand on: a real API server or a whole node (`cluster`), a namespace for each test, kubectl as the
//! user's hand, and polls with a deadline instead of sleeps.

#![allow(
    clippy::panic,
    reason = "a fixture that can't do its work fails the test that asked for it"
)]

pub mod argo;
pub mod chart;
pub mod chronicle;
pub mod faults;
pub mod flux;
pub mod helm;
pub mod in_process;
pub mod kubectl;
pub mod planner;
pub mod pods;
pub mod process;
pub mod random;
pub mod road;
pub mod runtime;
pub mod server_side;
pub mod store;
pub mod wait;
pub mod wire;
