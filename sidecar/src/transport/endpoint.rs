//! Where requests go, taken apart once when a destination is built.

use http::header::{HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use http::uri::{PathAndQuery, Scheme};
use http::{Request, Uri};

/// An address with everything of a request but its body.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub(super) tls: Option<ServerName>,
    /// A name or an IP literal without brackets.
    pub(super) host: String,
    pub(super) port: u16,
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
    #[error("{0:?} is not a valid header name")]
    HeaderName(String),
    #[error("the value of header {0:?} contains characters that a header can't carry")]
    HeaderValue(String),
}

const AGENT: &str = concat!("logshipping-sidecar/", env!("CARGO_PKG_VERSION"));

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

    /// A POST of `body`.
    pub(super) fn request<B>(&self, body: B) -> Request<B> {
        let mut request = Request::new(body);
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = Uri::from(self.target.clone());
        *request.headers_mut() = self.headers.clone();
        request
    }

    /// `host:port`, for messages.
    pub(crate) fn address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
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
            assert_eq!(endpoint.request(()).uri(), target, "{url}");
            assert_eq!(endpoint.tls.is_some(), secure, "{url}");
        }
    }

    #[test]
    fn the_host_header_is_what_the_user_wrote() {
        let request = Endpoint::new("http://[::1]:3100/x", "").unwrap().request(());
        assert_eq!(request.headers()[HOST], "[::1]:3100");
    }

    #[test]
    fn a_header_can_be_replaced_and_a_bad_one_is_refused() {
        let endpoint = Endpoint::new("http://h", "").unwrap();
        let request = endpoint.clone().header("user-agent", "mine").unwrap().request(());
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
