//! End to end on the node: from `kubectl apply` to a line in the log store.

mod application;
mod change;
mod example;
mod survival;
mod uninstall;
