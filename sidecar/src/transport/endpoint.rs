//! Where requests go, taken apart once when a destination is built.

use http::header::{HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Uri};

use super::connect::address_of;

/// An address with everything of a request but its body.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub(super) tls: Option<ServerName>,
    /// A name or an IP literal without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// As the user wrote it, with the port if there is one.
    authority: Authority,
    target: PathAndQuery,
    headers: HeaderMap,
}

/// Whom the certificate must name.
pub(super) type ServerName = rustls::pki_types::ServerName<'static>;

/// The address or a header can't be used.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    #[error("{0:?} is not a valid address")]
    Url(String),
    #[error("{0:?} is not a name that a certificate can carry")]
    ServerName(String),
    #[error("{0:?} is not a valid header name")]
    HeaderName(String),
    #[error("the value of header {0:?} contains characters that a header can't carry")]
    HeaderValue(String),
}

/// How a request names what it is for (RFC 9112 section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TargetForm {
    /// The path alone.
    Origin,
    /// With scheme and host, as a proxy wants it.
    Absolute,
}

pub(super) const AGENT: &str = concat!("logshipping-sidecar/", env!("CARGO_PKG_VERSION"));

impl Endpoint {
    /// `url` with `path` appended to its own path.
    pub(crate) fn new(url: &str, path: &str) -> Result<Self, EndpointError> {
        let invalid = || EndpointError::Url(url.to_owned());
        let (base, query) = url
            .split_once('?')
            .map_or((url, None), |(base, query)| (base, Some(query)));
        let full = match (path, query) {
            ("", _) => url.to_owned(),
            (path, None) => format!("{}{path}", base.trim_end_matches('/')),
            (path, Some(query)) => format!("{}{path}?{query}", base.trim_end_matches('/')),
        };
        let uri: Uri = full.parse().map_err(|_| invalid())?;
        let authority = uri.authority().ok_or_else(invalid)?;
        let secure = uri.scheme() == Some(&Scheme::HTTPS);
        let host = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_str(authority.as_str()).map_err(|_| invalid())?);
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        let tls = secure
            .then(|| ServerName::try_from(host.clone()))
            .transpose()
            .map_err(|_| invalid())?;
        Ok(Self {
            tls,
            port: uri.port_u16().unwrap_or(if secure { 443 } else { 80 }),
            host,
            authority: authority.clone(),
            target: uri
                .path_and_query()
                .cloned()
                .unwrap_or_else(|| PathAndQuery::from_static("/")),
            headers,
        })
    }

    /// Sets a header, in place of any that has the name already.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Result<Self, EndpointError> {
        let key: HeaderName = name.parse().map_err(|_| EndpointError::HeaderName(name.to_owned()))?;
        let value = HeaderValue::from_str(value).map_err(|_| EndpointError::HeaderValue(name.to_owned()))?;
        self.headers.insert(key, value);
        Ok(self)
    }

    /// The name that the server's certificate must carry, in place of the host. Nothing where there is no TLS.
    pub(crate) fn server_name(mut self, name: &str) -> Result<Self, EndpointError> {
        let name = ServerName::try_from(name.to_owned()).map_err(|_| EndpointError::ServerName(name.to_owned()))?;
        self.tls = self.tls.map(|_| name);
        Ok(self)
    }

    /// A POST of `body`.
    pub(super) fn request<B>(&self, body: B, form: TargetForm) -> Request<B> {
        let mut request = Request::new(body);
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = match form {
            TargetForm::Origin => Uri::from(self.target.clone()),
            TargetForm::Absolute => self.absolute(),
        };
        *request.headers_mut() = self.headers.clone();
        request
    }

    fn absolute(&self) -> Uri {
        let mut parts = Uri::from(self.target.clone()).into_parts();
        parts.scheme = Some(self.scheme());
        parts.authority = Some(self.authority.clone());
        // Every part was one of a whole address before.
        Uri::from_parts(parts).unwrap_or_default()
    }

    pub(super) fn scheme(&self) -> Scheme {
        if self.tls.is_some() {
            Scheme::HTTPS
        } else {
            Scheme::HTTP
        }
    }

    /// `host:port`, for messages.
    pub(crate) fn address(&self) -> String {
        address_of(&self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart() {
        for (url, path, address, target, secure) in [
            (
                "http://loki.logging:3100",
                "/loki/api/v1/push",
                "loki.logging:3100",
                "/loki/api/v1/push",
                false,
            ),
            (
                "https://logs.example/base/",
                "/push",
                "logs.example:443",
                "/base/push",
                true,
            ),
            ("http://[::1]:80/x?a=b", "", "[::1]:80", "/x?a=b", false),
            ("http://h", "", "h:80", "/", false),
        ] {
            let endpoint = Endpoint::new(url, path).unwrap();
            assert_eq!(endpoint.address(), address, "{url}");
            assert_eq!(endpoint.request((), TargetForm::Origin).uri(), target, "{url}");
            assert_eq!(endpoint.tls.is_some(), secure, "{url}");
        }
    }

    #[test]
    fn the_host_header_is_what_the_user_wrote() {
        let request = Endpoint::new("http://[::1]:3100/x", "")
            .unwrap()
            .request((), TargetForm::Origin);
        assert_eq!(request.headers()[HOST], "[::1]:3100");
    }

    #[test]
    fn a_proxy_is_told_the_whole_address() {
        let endpoint = Endpoint::new("http://[::1]:3100/x?a=b", "/push").unwrap();
        let request = endpoint.request((), TargetForm::Absolute);
        assert_eq!(request.uri(), "http://[::1]:3100/x/push?a=b");
    }

    #[test]
    fn another_name_can_be_expected_of_the_server() {
        let endpoint = Endpoint::new("https://10.0.0.1", "").unwrap();
        let named = endpoint.clone().server_name("loki.logging").unwrap();
        assert_eq!(named.tls, ServerName::try_from("loki.logging").ok());
        assert!(matches!(endpoint.server_name("a b"), Err(EndpointError::ServerName(_))));
        let plain = Endpoint::new("http://10.0.0.1", "").unwrap();
        assert_eq!(plain.server_name("loki.logging").unwrap().tls, None);
    }

    #[test]
    fn a_header_can_be_replaced_and_a_bad_one_is_refused() {
        let endpoint = Endpoint::new("http://h", "").unwrap();
        let request = endpoint
            .clone()
            .header("user-agent", "mine")
            .unwrap()
            .request((), TargetForm::Origin);
        assert_eq!(request.headers()[USER_AGENT], "mine");
        assert!(matches!(
            endpoint.clone().header("a b", "x"),
            Err(EndpointError::HeaderName(_))
        ));
        assert!(matches!(
            endpoint.header("a", "x\ny"),
            Err(EndpointError::HeaderValue(_))
        ));
    }
}
