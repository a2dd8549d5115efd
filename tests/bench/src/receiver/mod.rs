//! The server that agents send to.
//!
//! HTTP/1.1 with one thread for each connection. What arrives is decompressed, taken apart and counted by number, as a log
//! store would have to do; it is answered when it is counted. The same port takes orders: `POST /round` begins a new
//! count, `GET /counts` and `GET /latencies` tell what was counted.
//!
//! Deliberately not there: storage, faults (the chaos harness has them), limits on what an agent may send.

mod counter;
mod decode;
mod http;
mod protobuf;
mod remote;
mod serve;
mod tls;

pub use counter::{Counts, Round};
pub use remote::Receiver;
pub use serve::{Input, serve};
