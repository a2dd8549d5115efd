//! HTTP proxies: which one a destination is reached by. Pure; the environment comes in as a value.
//!
//! A destination's own `proxy` wins. Else the usual variables hold, by the rules of Go's programs (which most others
//! follow): `HTTPS_PROXY` and `HTTP_PROXY` by the destination's scheme, `NO_PROXY` names what is reached directly, and
//! this host always is. Proxies are spoken to in plain HTTP: to an https destination they only pass on what is
//! encrypted. User info is refused, for it would stand in the configuration.

use std::net::IpAddr;

use http::Uri;
use http::uri::Scheme;
use ipnet::IpNet;

use super::endpoint::Endpoint;

/// Where requests are sent to instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Proxy {
    pub(super) host: String,
    pub(super) port: u16,
}

/// A proxy's address can't be used.
#[derive(Debug, thiserror::Error)]
#[error("{origin}: {problem}")]
pub struct ProxyError {
    /// The field or the variable that it comes from.
    pub origin: &'static str,
    problem: &'static str,
}

/// What the environment says about proxies, as it was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    https: Option<(&'static str, String)>,
    http: Option<(&'static str, String)>,
    direct: String,
}

const PORT: u16 = 80;

impl Proxies {
    /// `lookup` gives the value of a variable. The lower-case names win, as they do for curl.
    pub(super) fn from(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let first = |names: [&'static str; 2]| {
            let mut set = names.into_iter().filter_map(|name| Some((name, lookup(name)?)));
            set.find(|(_, value)| !value.trim().is_empty())
        };
        Self {
            https: first(["https_proxy", "HTTPS_PROXY"]),
            http: first(["http_proxy", "HTTP_PROXY"]),
            direct: first(["no_proxy", "NO_PROXY"]).map_or_else(String::new, |(_, list)| list),
        }
    }

    /// The proxy on the way to `endpoint`, if there is one.
    pub(super) fn choose(&self, own: Option<&str>, endpoint: &Endpoint) -> Result<Option<Proxy>, ProxyError> {
        if let Some(own) = own {
            return parse("proxy", own).map(Some);
        }
        let variable = if endpoint.scheme() == Scheme::HTTPS {
            &self.https
        } else {
            &self.http
        };
        match variable {
            Some((name, value)) if !is_direct(&self.direct, &endpoint.host, endpoint.port) => {
                parse(name, value.trim()).map(Some)
            }
            _ => Ok(None),
        }
    }
}

/// `http://host:port`; the scheme may be missing.
fn parse(origin: &'static str, text: &str) -> Result<Proxy, ProxyError> {
    let refuse = |problem| ProxyError { origin, problem };
    if text.contains('@') {
        return Err(refuse("a proxy with a user name or password is not supported"));
    }
    let text = match text.split_once("://") {
        Some(("http", rest)) => rest,
        Some(_) => return Err(refuse("the address of a proxy must begin with http://")),
        None => text,
    };
    let uri: Uri = text
        .trim_end_matches('/')
        .parse()
        .map_err(|_| refuse("is not the address of a proxy"))?;
    let authority = uri.authority().ok_or_else(|| refuse("is not the address of a proxy"))?;
    Ok(Proxy {
        host: authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned(),
        port: authority.port_u16().unwrap_or(PORT),
    })
}

fn is_direct(list: &str, host: &str, port: u16) -> bool {
    let host = host.to_ascii_lowercase();
    let ip: Option<IpAddr> = host.parse().ok();
    let is_here = host == "localhost" || ip.is_some_and(|ip| ip.is_loopback());
    let entries = list.split(',').map(|entry| entry.trim().to_ascii_lowercase());
    is_here
        || entries
            .filter(|entry| !entry.is_empty())
            .any(|entry| covers(&entry, &host, ip, port))
}

/// `*`, a network, an address, a name (with what is below it), `.name` (only that); each but the first two may have a
/// port.
fn covers(entry: &str, host: &str, ip: Option<IpAddr>, port: u16) -> bool {
    if entry == "*" {
        return true;
    }
    if let Ok(network) = entry.parse::<IpNet>() {
        return ip.is_some_and(|ip| network.contains(&ip));
    }
    if let Ok(address) = entry.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        return ip == Some(address);
    }
    let (name, only) = match entry.rsplit_once(':') {
        Some((name, only)) => (name, only.parse().ok()),
        None => (entry, None),
    };
    if only.is_some_and(|only: u16| only != port) {
        return false;
    }
    let name = name
        .trim_start_matches('*')
        .trim_start_matches('[')
        .trim_end_matches(']');
    if let Ok(address) = name.parse::<IpAddr>() {
        return ip == Some(address);
    }
    match name.strip_prefix('.') {
        Some(_) => host.ends_with(name),
        None => host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Proxies {
        Proxies::from(|name| {
            let set = variables.iter().find(|(known, _)| *known == name);
            set.map(|(_, value)| (*value).to_owned())
        })
    }

    fn chosen(proxies: &Proxies, own: Option<&str>, url: &str) -> Option<String> {
        let proxy = proxies.choose(own, &Endpoint::new(url, "").unwrap()).unwrap();
        proxy.map(|proxy| format!("{}:{}", proxy.host, proxy.port))
    }

    #[test]
    fn the_destinations_own_proxy_wins_over_the_environment() {
        let set = proxies(&[
            ("HTTPS_PROXY", "http://secure:3128/"),
            ("HTTP_PROXY", "plain"),
            ("http_proxy", ""),
            ("NO_PROXY", "*.inside"),
        ]);
        for (own, url, expected) in [
            (None, "https://a.example", Some("secure:3128")),
            (None, "http://a.example", Some("plain:80")),
            (None, "https://a.inside", None),
            (Some("http://[::1]:8080"), "https://a.inside", Some("::1:8080")),
            (None, "http://localhost:3100", None),
            (None, "http://127.0.0.9", None),
        ] {
            assert_eq!(chosen(&set, own, url).as_deref(), expected, "{own:?} {url}");
        }
        assert_eq!(chosen(&Proxies::default(), None, "https://a.example"), None);
    }

    #[test]
    fn no_proxy_knows_names_addresses_networks_and_ports() {
        for (entry, host, direct) in [
            ("example.com", "example.com", true),
            ("example.com", "a.example.com", true),
            ("example.com", "badexample.com", false),
            (".example.com", "example.com", false),
            (".example.com", "a.example.com", true),
            ("*.example.com", "a.example.com", true),
            ("EXAMPLE.com", "Example.com", true),
            ("example.com:443", "example.com", true),
            ("example.com:80", "example.com", false),
            ("10.0.0.0/8", "10.9.9.9", true),
            ("10.0.0.0/8", "11.9.9.9", false),
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1:443", "10.0.0.1", true),
            ("::2", "::2", true),
            ("fd00::/8", "fd00::7", true),
            ("*", "any.where", true),
            ("a, .b ,", "x.b", true),
            ("", "x", false),
        ] {
            assert_eq!(is_direct(entry, host, 443), direct, "{entry} {host}");
        }
    }

    #[test]
    fn an_address_that_can_not_be_used_is_refused_with_its_origin() {
        let endpoint = Endpoint::new("https://a.example", "").unwrap();
        for (own, words) in [
            ("http://user:pw@proxy", "proxy: a proxy with a user name"),
            ("https://proxy", "proxy: the address of a proxy must begin with http://"),
            ("http://", "proxy: is not the address"),
        ] {
            let error = Proxies::default().choose(Some(own), &endpoint).unwrap_err().to_string();
            assert!(error.starts_with(words) && !error.contains("pw"), "{error}");
        }
        let set = proxies(&[("https_proxy", "u:p@proxy")]);
        let error = set.choose(None, &endpoint).unwrap_err().to_string();
        assert!(error.starts_with("https_proxy: "), "{error}");
    }
}
