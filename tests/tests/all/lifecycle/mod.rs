//! What becomes of Deployments and LogShippings in the course of their lives, with the right thing done each time: no
//! rollout too many, nothing left behind, nothing held up. How each way of no longer being selected ends is
//! in `operator::removal`.

mod config_map;
mod deployment;
mod life;
mod log_shipping;
mod namespace;
mod replacement;
