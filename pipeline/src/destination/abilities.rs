//! What each type of destination can do with the settings that all types share. A setting that a type would ignore is
//! refused: somebody who writes `tls` believes that the connection is encrypted.

use super::{Compression, Destination, Kind, SyslogProtocol};

/// One type of destination.
#[derive(Clone, Copy, Debug)]
pub struct Abilities {
    pub name: &'static str,
    /// The field that holds its URL, when it speaks HTTP; then `proxy` is possible, and TLS is a matter of the URL.
    pub url: Option<&'static str>,
    pub url_required: bool,
    /// Takes `auth`; the others have fields of their own for it, or need none.
    pub auth: bool,
    /// Beside `Auto`.
    pub compressions: &'static [Compression],
    /// Not in the CRD.
    pub standalone: bool,
}

const PLAIN: Abilities = Abilities {
    name: "",
    url: None,
    url_required: false,
    auth: false,
    compressions: &[Compression::None],
    standalone: false,
};

const HTTP: Abilities = Abilities {
    url: Some("url"),
    url_required: true,
    auth: true,
    ..PLAIN
};

use Compression::{Gzip, Lz4, None as Uncompressed, Snappy, Zstd};

/// Every type, in the order in which messages list them.
pub const ALL: &[Abilities] = &[
    Abilities {
        name: "stdout",
        ..PLAIN
    },
    Abilities {
        name: "http",
        compressions: &[Uncompressed, Gzip, Zstd],
        ..HTTP
    },
    Abilities {
        name: "loki",
        compressions: &[Snappy],
        ..HTTP
    },
    Abilities {
        name: "otlp",
        url: Some("endpoint"),
        compressions: &[Uncompressed, Gzip, Zstd],
        ..HTTP
    },
    Abilities {
        name: "elasticsearch",
        compressions: &[Uncompressed, Gzip],
        ..HTTP
    },
    Abilities {
        name: "syslog",
        ..PLAIN
    },
    Abilities {
        name: "splunk",
        auth: false,
        compressions: &[Uncompressed, Gzip],
        ..HTTP
    },
    Abilities {
        name: "kafka",
        compressions: &[Uncompressed, Gzip, Zstd, Snappy, Lz4],
        ..PLAIN
    },
    Abilities {
        name: "s3",
        url: Some("endpoint"),
        url_required: false,
        auth: false,
        compressions: &[Uncompressed, Gzip, Zstd],
        ..HTTP
    },
    Abilities {
        name: "file",
        standalone: true,
        ..PLAIN
    },
];

pub(crate) const PROXY: &str = "proxy is for destinations that speak HTTP: not for stdout, syslog and kafka";
pub(crate) const AUTH: &str = "auth is for http, loki, otlp and elasticsearch; splunk has token, kafka sasl, s3 credentials, and stdout and syslog have none";
pub(crate) const TLS_UNUSED: &str =
    "tls would be ignored: stdout has no connection, and syslog uses TLS with protocol TLS only";
pub(crate) const TLS_PLAIN: &str = "tls would be ignored: the address begins with http://, write https://";

/// Which compression each type takes.
pub(crate) fn compressions_in_words() -> String {
    let types = ALL.iter().filter(|one| !one.standalone).map(|one| {
        let names: Vec<_> = one.compressions.iter().map(|one| one.as_str()).collect();
        format!("{} {}", one.name, names.join("|"))
    });
    let types: Vec<_> = types.collect();
    format!(
        "compression is Auto, or one that the type can use: {}",
        types.join(", ")
    )
}

/// Everything among the shared settings that this type would ignore, as (field, message).
pub(crate) fn ignored(destination: &Destination, kind: Kind<'_>) -> Vec<(&'static str, String)> {
    let Some(abilities) = ALL.iter().find(|one| one.name == kind.name()) else {
        return Vec::new();
    };
    let unencrypted = match kind {
        Kind::Stdout(_) | Kind::File(_) => true,
        Kind::Syslog(syslog) => syslog.protocol != Some(SyslogProtocol::Tls),
        _ => false,
    };
    let plain_url = kind.url().is_some_and(|url| url.starts_with("http://"));
    let compression = destination.compression;
    [
        (
            destination.proxy.is_some() && abilities.url.is_none(),
            "proxy",
            PROXY.to_owned(),
        ),
        (destination.auth.is_some() && !abilities.auth, "auth", AUTH.to_owned()),
        (destination.tls.is_some() && unencrypted, "tls", TLS_UNUSED.to_owned()),
        (destination.tls.is_some() && plain_url, "tls", TLS_PLAIN.to_owned()),
        (
            compression != Compression::Auto && !abilities.compressions.contains(&compression),
            "compression",
            compressions_in_words(),
        ),
    ]
    .into_iter()
    .filter(|(ignored, _, _)| *ignored)
    .map(|(_, field, message)| (field, message))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_its_abilities() {
        let destination = Destination {
            stdout: Some(super::super::Stdout::default()),
            proxy: Some("http://p".to_owned()),
            compression: Compression::Lz4,
            ..Destination::default()
        };
        let kind = destination.kind().unwrap();
        let fields: Vec<_> = ignored(&destination, kind)
            .into_iter()
            .map(|(field, _)| field)
            .collect();
        assert_eq!(fields, ["proxy", "compression"]);
        assert_eq!(ALL.len(), 10);
    }

    #[test]
    fn tls_on_a_plain_address_is_noticed() {
        let destination = |url: &str| Destination {
            loki: Some(super::super::Loki {
                url: url.to_owned(),
                ..Default::default()
            }),
            tls: Some(super::super::Tls::default()),
            ..Destination::default()
        };
        for (url, expected) in [("http://loki", 1), ("https://loki", 0)] {
            let destination = destination(url);
            assert_eq!(
                ignored(&destination, destination.kind().unwrap()).len(),
                expected,
                "{url}"
            );
        }
    }
}
