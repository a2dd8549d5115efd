//! Transport: one HTTP/1.1 exchange at a time over TCP or TLS, with connections kept for the next.
//!
//! Everything has a time limit and a size limit. Redirects are not followed: a log store that moved is a matter for
//! people, and following would send the logs to wherever an answer says. Nothing here knows what is sent or what an
//! answer means.

mod client;
mod endpoint;
mod resolve;
mod response;
#[cfg(test)]
pub(crate) mod script;
mod tls;

pub(crate) use client::{Client, TransportError};
pub use endpoint::{Endpoint, EndpointError};
pub(crate) use response::Response;
pub use tls::TlsError;
