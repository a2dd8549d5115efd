//! Who the sidecar trusts and how it proves who it is. Credentials are references; the sidecar reads them as files.

use serde::{Deserialize, Serialize};

use crate::reference::{ConfigMapKeyRef, SecretKeyRef, SecretRef};

/// TLS settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = [
    {"rule": "!(has(self.ca) && has(self.insecureSkipVerify) && self.insecureSkipVerify)", "message": "insecureSkipVerify makes ca meaningless: remove one of them"},
])))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tls {
    /// Certificate authority that the server's certificate must come from. Default: the public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<CertificateAuthority>,
    /// The sidecar's own certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<ClientCertificate>,
    /// Name that the server's certificate must carry. Default: the host of the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 253)))]
    pub server_name: Option<String>,
    /// Accepts any certificate. Anyone on the path can then read and change the logs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub insecure_skip_verify: bool,
}

/// Where the PEM file of a certificate authority is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = [
    {"rule": "has(self.configMapKeyRef) != has(self.secretKeyRef)", "message": "exactly one of configMapKeyRef, secretKeyRef"},
])))]
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
#[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = [
    {"rule": "[has(self.basic), has(self.bearer), has(self.header), has(self.oauth2)].filter(x, x).size() == 1", "message": "exactly one of basic, bearer, header, oauth2"},
])))]
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
    /// Name of the header.
    #[cfg_attr(
        feature = "schema",
        schemars(regex(pattern = "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"), length(min = 1, max = 128))
    )]
    pub name: String,
    /// The key that holds the value.
    pub secret_key_ref: SecretKeyRef,
}

/// OAuth 2.0 client credentials, RFC 6749 section 4.4.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OAuth2 {
    /// Where tokens come from.
    #[serde(rename = "tokenURL")]
    #[cfg_attr(
        feature = "schema",
        schemars(regex(pattern = "^https?://[^@\\s]+$"), length(max = 2048))
    )]
    pub token_url: String,
    /// Scopes to ask for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = 16), inner(length(min = 1, max = 256))))]
    pub scopes: Vec<String>,
    /// A Secret with the keys `client_id` and `client_secret`.
    pub secret_ref: SecretRef,
}
