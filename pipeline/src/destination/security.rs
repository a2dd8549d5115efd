//! Who the sidecar trusts and how it proves who it is. Credentials are references; the sidecar reads them as files.

use serde::{Deserialize, Serialize};

use crate::reference::{ConfigMapKeyRef, SecretKeyRef, SecretRef};
#[cfg(feature = "schema")]
use crate::{form, schema::rules};

/// TLS settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = rules::rules(&[
    ("!(has(self.ca) && has(self.insecureSkipVerify) && self.insecureSkipVerify)", SKIP_VERIFY),
]))))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tls {
    /// Certificate authority that the server's certificate must come from, in PEM. Default: the public ones. Example:
    /// `ca: {configMapKeyRef: {name: trust, key: ca.crt}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<CertificateAuthority>,
    /// The sidecar's own certificate, for servers that ask for one (mutual TLS).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<ClientCertificate>,
    /// Name that the server's certificate must carry. Default: the host of the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = 253), extend("x-kubernetes-validations" = rules::text(&form::SERVER_NAME))))]
    pub server_name: Option<String>,
    /// Accepts any certificate. Anyone on the path can then read and change the logs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub insecure_skip_verify: bool,
}

pub(crate) const SKIP_VERIFY: &str = "insecureSkipVerify makes ca meaningless: remove one of them";

/// The members of [`CertificateAuthority`].
pub(crate) const AUTHORITIES: &[&str] = &["configMapKeyRef", "secretKeyRef"];

/// The members of [`Auth`].
pub(crate) const KINDS_OF_AUTH: &[&str] = &["basic", "bearer", "header", "oauth2"];

/// Where the PEM file of a certificate authority is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = rules::exactly_one(AUTHORITIES))))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CertificateAuthority {
    /// In a ConfigMap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<ConfigMapKeyRef>,
    /// In a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<SecretKeyRef>,
}

/// The sidecar's own certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientCertificate {
    /// A Secret with the keys `tls.crt` and `tls.key`.
    pub secret_ref: SecretRef,
}

/// Credentials, exactly one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = rules::exactly_one(KINDS_OF_AUTH))))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Auth {
    /// User name and password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic: Option<BasicAuth>,
    /// A bearer token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer: Option<BearerAuth>,
    /// A header of one's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<HeaderAuth>,
    /// OAuth 2.0 client credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth2: Option<OAuth2>,
}

/// HTTP basic authentication.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BasicAuth {
    /// A Secret with the keys `username` and `password`.
    pub secret_ref: SecretRef,
}

/// A bearer token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BearerAuth {
    /// The key that holds the token.
    pub secret_key_ref: SecretKeyRef,
}

/// A secret header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HeaderAuth {
    /// Name of the header. Example: `X-Api-Key`.
    #[cfg_attr(feature = "schema", schemars(length(max = 128), extend("x-kubernetes-validations" = rules::text(&form::HEADER_NAME))))]
    pub name: String,
    /// The key that holds the value.
    pub secret_key_ref: SecretKeyRef,
}

/// OAuth 2.0 client credentials, RFC 6749 section 4.4.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OAuth2 {
    /// Where tokens come from. Example: `https://login.example/oauth2/token`.
    #[serde(rename = "tokenURL")]
    #[cfg_attr(feature = "schema", schemars(length(max = 2048), extend("x-kubernetes-validations" = rules::text(&form::URL))))]
    pub token_url: String,
    /// Scopes to ask for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(
        feature = "schema",
        schemars(
            length(max = 16),
            inner(length(max = 256)),
            extend("x-kubernetes-list-type" = "set", "x-kubernetes-validations" = rules::each(&form::SCOPE))
        )
    )]
    pub scopes: Vec<String>,
    /// A Secret with the keys `client_id` and `client_secret`.
    pub secret_ref: SecretRef,
}
