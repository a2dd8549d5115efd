//! The operator on a real API server with real controllers. Pods and sidecars are directed by the test.

mod churn;
mod configuration;
mod delivery;
mod faults;
mod injection;
mod leadership;
mod obstacles;
pub mod removal;
pub mod shop;
mod sweep;
mod uninstall;
mod waiting;
