//! The status server: `GET /status`, `/metrics`, `/livez`, `/readyz`. Read-only, and never a reason to stop shipping: a
//! port that can't be bound is tried again for as long as the process lives.

mod server;

use std::net::SocketAddr;
use std::sync::Arc;

use crate::metrics::Snapshot;

/// Makes a snapshot of the process when somebody asks. Must not block for long: it runs on the sending thread.
pub type Observe = Arc<dyn Fn() -> Snapshot + Send + Sync>;

/// Serves for as long as the process lives.
pub async fn run(listen: SocketAddr, observe: Observe) {
    server::run(listen, observe).await;
}
