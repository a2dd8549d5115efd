//! OAuth 2.0 client credentials (RFC 6749 section 4.4): a token from the token endpoint, kept until shortly before it
//! expires, or until a server refuses it.
//!
//! The endpoint is reached as the destination is: the same TLS settings, timeout and proxy; the name that is set for the
//! destination's certificate doesn't hold for it. The client proves itself in the header, which every endpoint must
//! accept; one that refuses is asked once more with the credentials in the body, as some want them (section 2.3.1).

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use form_urlencoded::byte_serialize;
use http::header::CONTENT_TYPE;
use serde::Deserialize;
use tokio::sync::Mutex;

use super::super::client::Client;
use super::super::connect::Connector;
use super::super::endpoint::Endpoint;
use super::super::response::Response;
use super::super::{ConnectionError, Surroundings};
use super::{AuthorizationError, Credential};
use crate::references::{Mounted, References, Secret};

const CLIENT_ID: &str = "client_id";
const CLIENT_SECRET: &str = "client_secret";
const FORM: &str = "application/x-www-form-urlencoded";
/// A token is renewed this long before it expires, or after nine tenths of its life if that is later.
const AHEAD: Duration = Duration::from_secs(60);

/// The tokens of one destination.
#[derive(Debug)]
pub(in crate::transport) struct OAuth2 {
    client: Client,
    scopes: String,
    mounted: Mounted,
    references: References,
    latest: Mutex<Option<Token>>,
}

struct Token {
    credential: Arc<Credential>,
    /// `None` where the endpoint didn't say.
    renew_at: Option<Instant>,
    client: [Secret; 2],
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token")
            .field("renew_at", &self.renew_at)
            .finish_non_exhaustive()
    }
}

/// RFC 6749 section 5.1. The type is always Bearer with those who issue these.
#[derive(Deserialize)]
struct Grant {
    access_token: String,
    #[serde(default)]
    expires_in: Option<u64>,
}

/// Where the client's credentials stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Proof {
    Header,
    Body,
}

impl OAuth2 {
    pub(super) fn new(
        settings: &pipeline::destination::OAuth2,
        destination: &pipeline::Destination,
        around: &Surroundings,
    ) -> Result<Self, ConnectionError> {
        let unusable = |error| ConnectionError::TokenUrl { error };
        let endpoint = Endpoint::new(&settings.token_url, "")
            .and_then(|endpoint| endpoint.header(CONTENT_TYPE.as_str(), FORM))
            .and_then(|endpoint| endpoint.header("accept", "application/json"))
            .map_err(unusable)?;
        let connector = Connector::new(endpoint, destination, around)?;
        Ok(Self {
            client: Client::new(connector, destination.timeout.to_std()),
            scopes: settings.scopes.join(" "),
            mounted: (&settings.secret_ref).into(),
            references: around.references.clone(),
            latest: Mutex::default(),
        })
    }

    /// One request at a time: who waits for the lock finds the token that another one got.
    pub(super) async fn current(&self) -> Result<Arc<Credential>, AuthorizationError> {
        let mut latest = self.latest.lock().await;
        let client = self.references.read(&self.mounted, [CLIENT_ID, CLIENT_SECRET])?;
        let now = Instant::now();
        match &*latest {
            Some(token) if token.client == client && token.renew_at.is_none_or(|at| now < at) => {
                Ok(Arc::clone(&token.credential))
            }
            _ => self.fetch(&mut latest, client).await,
        }
    }

    pub(super) async fn renew(&self, refused: &Arc<Credential>) -> Result<Arc<Credential>, AuthorizationError> {
        let mut latest = self.latest.lock().await;
        match &*latest {
            Some(token) if !Arc::ptr_eq(&token.credential, refused) => Ok(Arc::clone(&token.credential)),
            _ => {
                let client = self.references.read(&self.mounted, [CLIENT_ID, CLIENT_SECRET])?;
                self.fetch(&mut latest, client).await
            }
        }
    }

    async fn fetch(
        &self,
        latest: &mut Option<Token>,
        client: [Secret; 2],
    ) -> Result<Arc<Credential>, AuthorizationError> {
        *latest = None;
        let asked_at = Instant::now();
        let mut response = self.ask(&client, Proof::Header).await?;
        if matches!(response.status.as_u16(), 400 | 401) {
            response = self.ask(&client, Proof::Body).await?;
        }
        let address = self.client.address();
        if !response.status.is_success() {
            return Err(AuthorizationError::TokenRefused { address, response });
        }
        let grant: Option<Grant> = serde_json::from_slice(&response.body).ok();
        let credential = grant
            .as_ref()
            .and_then(|grant| Credential::bearer(grant.access_token.as_bytes()));
        let (Some(grant), Some(credential)) = (grant, credential) else {
            return Err(AuthorizationError::NoToken { address });
        };
        let credential = Arc::new(credential);
        *latest = Some(Token {
            credential: Arc::clone(&credential),
            renew_at: grant.expires_in.map(|seconds| renew_at(asked_at, seconds)),
            client,
        });
        Ok(credential)
    }

    async fn ask(&self, [id, secret]: &[Secret; 2], proof: Proof) -> Result<Response, AuthorizationError> {
        let escape = |text: &[u8]| byte_serialize(text).collect::<String>();
        let plain = secret.line();
        let (id, secret) = (escape(id.line()), escape(plain));
        let credential = Credential::basic(id.as_bytes(), secret.as_bytes());
        let credential = credential.map(|credential| credential.hiding(plain));
        let mut body = "grant_type=client_credentials".to_owned();
        if !self.scopes.is_empty() {
            body = format!("{body}&scope={}", escape(self.scopes.as_bytes()));
        }
        if proof == Proof::Body {
            body = format!("{body}&client_id={id}&client_secret={secret}");
        }
        let header = credential.as_ref().filter(|_| proof == Proof::Header);
        let response = self.client.post(Bytes::from(body), header).await;
        let response = response.map_err(|source| AuthorizationError::TokenTransport {
            address: self.client.address(),
            source: Box::new(source),
        })?;
        Ok(match &credential {
            Some(credential) => credential.blot_out(response),
            None => response,
        })
    }
}

fn renew_at(asked_at: Instant, seconds: u64) -> Instant {
    // A year is as good as any longer time, and can be added to any clock.
    let life = Duration::from_secs(seconds.min(365 * 24 * 3600));
    asked_at + life.saturating_sub(AHEAD).max(life.mul_f64(0.9))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_renewed_a_minute_ahead_or_after_nine_tenths_of_a_short_life() {
        let now = Instant::now();
        for (seconds, expected) in [(3600, 3540), (600, 540), (100, 90), (0, 0)] {
            assert_eq!(renew_at(now, seconds) - now, Duration::from_secs(expected), "{seconds}");
        }
        assert!(renew_at(now, u64::MAX) > now);
    }
}
