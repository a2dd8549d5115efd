//! Authorization: the header by which a destination knows who sends.
//!
//! Credentials come from referenced files, or from a token endpoint that is asked with referenced files. They are read
//! anew when they change. A credential can't be printed, and what a server quotes of it is blotted out before anybody
//! sees the answer ([`Credential::blot_out`]).

mod oauth2;

use std::sync::Arc;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use pipeline::destination::Auth;

use super::client::TransportError;
use super::response::Response;
use super::{ConnectionError, Surroundings};
use crate::references::{Derived, Mounted, ReferenceError, References, Secret};
use oauth2::OAuth2;

/// The keys of a Secret of type `kubernetes.io/basic-auth`.
const USERNAME: &str = "username";
const PASSWORD: &str = "password";
/// Shorter values are too likely a part of ordinary words to blot them out.
const LEAST_BLOTTED: usize = 3;

/// There is no credential to send.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuthorizationError {
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    #[error("{what} has characters that a header can't carry")]
    NotAHeader { what: String },
    #[error("no token from {address}")]
    TokenTransport {
        address: String,
        source: Box<TransportError>,
    },
    #[error("no token from {address}")]
    TokenRefused { address: String, response: Response },
    #[error("the answer of {address} holds no usable access_token")]
    NoToken { address: String },
}

/// How one destination is told who sends.
#[derive(Debug)]
pub(super) enum Authorization {
    None,
    Mounted(FromFiles),
    OAuth2(Box<OAuth2>),
}

/// One header, made of one Secret.
#[derive(Debug)]
pub(super) struct FromFiles {
    scheme: Scheme,
    mounted: Mounted,
    references: References,
    credential: Derived<Credential>,
}

#[derive(Debug)]
enum Scheme {
    Basic,
    Bearer { key: String },
    Header { name: HeaderName, key: String },
}

/// A header that proves who sends.
pub(crate) struct Credential {
    name: HeaderName,
    value: HeaderValue,
    /// What must not be seen anywhere.
    secrets: Vec<Secret>,
}

impl Authorization {
    pub(super) fn new(destination: &pipeline::Destination, around: &Surroundings) -> Result<Self, ConnectionError> {
        let Some(auth) = &destination.auth else {
            return Ok(Self::None);
        };
        if let Some(settings) = &auth.oauth2 {
            return Ok(Self::OAuth2(Box::new(OAuth2::new(settings, destination, around)?)));
        }
        let Some((scheme, mounted)) = scheme(auth)? else {
            return Ok(Self::None);
        };
        Ok(Self::Mounted(FromFiles {
            scheme,
            mounted,
            references: around.references.clone(),
            credential: Derived::default(),
        }))
    }

    /// The present credential, if one is wanted.
    pub(super) async fn current(&self) -> Result<Option<Arc<Credential>>, AuthorizationError> {
        match self {
            Self::None => Ok(None),
            Self::Mounted(files) => files.current().map(Some),
            Self::OAuth2(tokens) => tokens.current().await.map(Some),
        }
    }

    /// Another one in place of `refused`, if there can be one.
    pub(super) async fn renew(&self, refused: &Arc<Credential>) -> Result<Option<Arc<Credential>>, AuthorizationError> {
        match self {
            Self::None | Self::Mounted(_) => Ok(None),
            Self::OAuth2(tokens) => tokens.renew(refused).await.map(Some),
        }
    }
}

fn scheme(auth: &Auth) -> Result<Option<(Scheme, Mounted)>, ConnectionError> {
    Ok(if let Some(basic) = &auth.basic {
        Some((Scheme::Basic, (&basic.secret_ref).into()))
    } else if let Some(bearer) = &auth.bearer {
        let key = bearer.secret_key_ref.key.clone();
        Some((Scheme::Bearer { key }, (&bearer.secret_key_ref).into()))
    } else if let Some(header) = &auth.header {
        let name = header.name.parse();
        let name = name.map_err(|_| ConnectionError::HeaderName(header.name.clone()))?;
        let key = header.secret_key_ref.key.clone();
        Some((Scheme::Header { name, key }, (&header.secret_key_ref).into()))
    } else {
        None
    })
}

impl FromFiles {
    fn current(&self) -> Result<Arc<Credential>, AuthorizationError> {
        self.credential
            .get(Instant::now(), || self.read(), |content| self.make(content))
    }

    fn read(&self) -> Result<Vec<Secret>, AuthorizationError> {
        Ok(match &self.scheme {
            Scheme::Basic => self.references.read(&self.mounted, [USERNAME, PASSWORD])?.into(),
            Scheme::Bearer { key } | Scheme::Header { key, .. } => {
                self.references.read(&self.mounted, [key.as_str()])?.into()
            }
        })
    }

    fn make(&self, content: &[Secret]) -> Result<Credential, AuthorizationError> {
        let made = match (&self.scheme, content) {
            (Scheme::Basic, [user, password]) => Credential::basic(user.line(), password.line()),
            (Scheme::Bearer { .. }, [token]) => Credential::bearer(token.line()),
            (Scheme::Header { name, .. }, [value]) => Credential::new(name.clone(), value.line(), vec![value.line()]),
            _ => None,
        };
        let what = match &self.scheme {
            Scheme::Basic => self.mounted.describe(USERNAME),
            Scheme::Bearer { key } | Scheme::Header { key, .. } => self.mounted.describe(key),
        };
        made.ok_or(AuthorizationError::NotAHeader { what })
    }
}

impl Credential {
    /// RFC 7617.
    fn basic(user: &[u8], password: &[u8]) -> Option<Self> {
        let encoded = STANDARD.encode([user, b":", password].concat());
        let value = format!("Basic {encoded}");
        Self::new(AUTHORIZATION, value.as_bytes(), vec![encoded.as_bytes(), password])
    }

    /// RFC 6750.
    fn bearer(token: &[u8]) -> Option<Self> {
        Self::new(AUTHORIZATION, &[b"Bearer ", token].concat(), vec![token])
    }

    fn new(name: HeaderName, value: &[u8], secrets: Vec<&[u8]>) -> Option<Self> {
        let mut value = HeaderValue::from_bytes(value).ok()?;
        value.set_sensitive(true);
        let credential = Self {
            name,
            value,
            secrets: Vec::new(),
        };
        Some(secrets.into_iter().fold(credential, Self::hiding))
    }

    /// Another form in which it must not be seen.
    fn hiding(mut self, secret: &[u8]) -> Self {
        if secret.len() >= LEAST_BLOTTED {
            self.secrets.push(Secret::new(secret.to_vec()));
        }
        self
    }

    pub(super) fn sign(&self, headers: &mut HeaderMap) {
        headers.insert(self.name.clone(), self.value.clone());
    }

    /// Servers and proxies that are set to debugging quote what they were sent.
    pub(super) fn blot_out(&self, mut response: Response) -> Response {
        if response.status.is_success() {
            return response;
        }
        for secret in &self.secrets {
            if memchr::memmem::find(&response.body, secret.bytes()).is_some() {
                response.body = without(&response.body, secret.bytes());
            }
        }
        response
    }
}

fn without(text: &[u8], secret: &[u8]) -> Bytes {
    let (mut rest, mut out) = (text, Vec::with_capacity(text.len()));
    while let Some(position) = memchr::memmem::find(rest, secret) {
        out.extend_from_slice(&rest[..position]);
        out.extend_from_slice(b"***");
        rest = &rest[position + secret.len()..];
    }
    out.extend_from_slice(rest);
    out.into()
}

#[cfg(test)]
mod tests;
