//! The operator on a real API server with real controllers. Pods and sidecars are directed by the test.

mod churn;
mod configuration;
mod crowd;
mod delivery;
mod faults;
mod hostile;
mod injection;
mod leadership;
mod obstacles;
mod outage;
pub mod removal;
pub mod shop;
mod sweep;
mod uninstall;
mod waiting;
