//! What the tests stand on: a real API server or a whole node (`cluster`), a namespace for each test, kubectl as the
//! user's hand, and polls with a deadline instead of sleeps.

#![allow(clippy::panic, reason = "a fixture that can't do its work fails the test that asked for it")]

pub mod kubectl;
pub mod road;
pub mod store;
pub mod wait;
