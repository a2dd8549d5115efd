//! A destination's client together with its authorization: what the sending lanes talk to.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use bytes::Bytes;
use http::StatusCode;

use super::authorization::{Authorization, AuthorizationError};
use super::client::{Client, TransportError};
use super::connect::Connector;
use super::endpoint::{Endpoint, EndpointError};
use super::proxy::ProxyError;
use super::response::Response;
use super::surroundings::Surroundings;

/// A destination's settings can't be turned into connections.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    #[error("tls.serverName: {error}")]
    ServerName { error: EndpointError },
    #[error("auth.oauth2.tokenURL: {error}")]
    TokenUrl { error: EndpointError },
    #[error("auth.header.name: {0:?} is not a valid header name")]
    HeaderName(String),
}

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error(transparent)]
    Authorization(#[from] AuthorizationError),
}

/// Sends requests to one destination, in the sender's name.
#[derive(Debug)]
pub(crate) struct Messenger {
    client: Client,
    authorization: Authorization,
}

impl Messenger {
    pub(crate) fn new(
        endpoint: Endpoint,
        destination: &pipeline::Destination,
        around: &Surroundings,
    ) -> Result<Self, ConnectionError> {
        let name = destination.tls.as_ref().and_then(|tls| tls.server_name.as_deref());
        let endpoint = match name {
            Some(name) => endpoint
                .server_name(name)
                .map_err(|error| ConnectionError::ServerName { error })?,
            None => endpoint,
        };
        let connector = Connector::new(endpoint, destination, around)?;
        Ok(Self {
            client: Client::new(connector, destination.timeout.to_std()),
            authorization: Authorization::new(destination, around)?,
        })
    }

    /// Adds the bytes of answers that are being read to `answers`.
    pub(crate) fn counting(mut self, answers: Arc<AtomicUsize>) -> Self {
        self.client.answers = answers;
        self
    }

    /// Sends one request and reads its answer. A 401 makes for one more attempt where there are new credentials to be
    /// had.
    ///
    /// # Errors
    /// When there is no complete answer; the server may have got the request all the same.
    pub(crate) async fn post(&self, body: Bytes) -> Result<Response, RequestError> {
        let Some(credential) = self.authorization.current().await? else {
            return Ok(self.client.post(body, None).await?);
        };
        let response = self.client.post(body.clone(), Some(&credential)).await?;
        if response.status != StatusCode::UNAUTHORIZED {
            return Ok(credential.blot_out(response));
        }
        match self.authorization.renew(&credential).await? {
            None => Ok(credential.blot_out(response)),
            Some(new) => Ok(new.blot_out(self.client.post(body, Some(&new)).await?)),
        }
    }

    /// Everything but a request: names, connection, TLS, credentials.
    pub(crate) async fn reach(&self) -> Result<(), RequestError> {
        self.client.connect().await?;
        self.authorization.current().await?;
        Ok(())
    }

    /// `host:port` of the destination.
    pub(crate) fn address(&self) -> String {
        self.client.address()
    }
}
