//! Transport: one HTTP/1.1 exchange at a time over TCP or TLS, with connections kept for the next.
//!
//! ```text
//! Messenger --+-- Authorization   the header that says who sends; read from files, or asked of a token endpoint
//!             +-- Client          kept connections
//!                   +-- Connector resolve, proxy, TLS
//! ```
//! Everything has a time limit and a size limit. Redirects are not followed: a log store that moved is a matter for
//! people, and following would send the logs, and the credentials, to wherever an answer says. Nothing here knows what
//! is sent or what an answer means.

mod authorization;
mod client;
mod connect;
mod endpoint;
#[cfg(test)]
pub(crate) mod forge;
mod messenger;
mod proxy;
mod resolve;
mod response;
#[cfg(test)]
pub(crate) mod script;
mod surroundings;
mod tls;
mod tunnel;

pub(crate) use authorization::AuthorizationError;
pub(crate) use client::TransportError;
pub use endpoint::{Endpoint, EndpointError};
pub use messenger::ConnectionError;
pub(crate) use messenger::{Messenger, RequestError};
pub use proxy::ProxyError;
pub(crate) use response::Response;
pub use surroundings::Surroundings;
pub(crate) use tls::TlsError;
pub(crate) use tunnel::TunnelError;
