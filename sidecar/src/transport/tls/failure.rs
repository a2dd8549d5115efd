//! What went wrong with TLS, in words that say what to do.

use jiff::Timestamp;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage};

/// One sentence about an error of the TLS library.
pub(crate) fn explain(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(error) => certificate(error),
        Error::AlertReceived(alert) => refused_by_server(*alert),
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "the server doesn't speak TLS on this port: is the address one for plain http?".to_owned()
        }
        other => other.to_string(),
    }
}

fn certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("the server's certificate has expired on {}", date(*not_after))
        }
        CertificateError::NotValidYetContext { not_before, .. } => format!(
            "the server's certificate isn't valid before {}: is the node's clock right?",
            date(*not_before)
        ),
        CertificateError::UnknownIssuer => {
            "the server's certificate comes from an authority that isn't trusted: name the right one in tls.ca"
                .to_owned()
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let names = presented.iter().map(|name| plain(name)).collect::<Vec<_>>();
            let names = if names.is_empty() {
                "no name".to_owned()
            } else {
                names.join(", ")
            };
            format!(
                "the server's certificate is for {names}, not for {}: correct the address or set tls.serverName",
                expected.to_str()
            )
        }
        CertificateError::BadSignature => {
            "the server's certificate isn't signed with the key of the authority that is trusted by that name: was the \
             authority in tls.ca renewed?"
                .to_owned()
        }
        CertificateError::Revoked => "the server's certificate was revoked".to_owned(),
        CertificateError::Other(other) if is_authority(other) => {
            "the server's certificate is that of an authority, not of a server: give it one of its own".to_owned()
        }
        other => format!("the server's certificate can't be used: {other}"),
    }
}

/// The library writes names as they look in its source: `DnsName("a.example")`.
fn plain(name: &str) -> &str {
    name.split('"').nth(1).unwrap_or(name)
}

/// What webpki says of a self-signed certificate that was made with the rights of an authority.
fn is_authority(other: &rustls::OtherError) -> bool {
    format!("{other:?}").contains("CaUsedAsEndEntity")
}

fn refused_by_server(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::CertificateRequired => {
            "the server asks for a client certificate: name one in tls.clientCertificate".to_owned()
        }
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::DecryptError
        | AlertDescription::UnknownCA => {
            format!("the server refuses the certificate of tls.clientCertificate ({alert:?})")
        }
        AlertDescription::UnrecognisedName => {
            "the server doesn't know the name that it is asked for: set tls.serverName".to_owned()
        }
        AlertDescription::HandshakeFailure | AlertDescription::ProtocolVersion => {
            format!(
                "the server offers nothing that is safe and known here, or asks for a client certificate ({alert:?})"
            )
        }
        other => format!("the server ended the handshake ({other:?})"),
    }
}

fn date(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustls::pki_types::ServerName;

    use super::*;

    #[test]
    fn each_failure_says_what_to_do() {
        let time = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let name = |presented: &[&str]| CertificateError::NotValidForNameContext {
            expected: ServerName::try_from("loki.logging").unwrap(),
            presented: presented.iter().map(ToString::to_string).collect(),
        };
        let expired = CertificateError::ExpiredContext {
            time: time(9),
            not_after: time(0),
        };
        let early = CertificateError::NotValidYetContext {
            time: time(0),
            not_before: time(86_400),
        };
        for (error, words) in [
            (expired.into(), "expired on 1970-01-01T00:00:00Z"),
            (early.into(), "isn't valid before 1970-01-02T00:00:00Z"),
            (CertificateError::UnknownIssuer.into(), "tls.ca"),
            (
                name(&["DnsName(\"a.example\")", "DnsName(\"b.example\")"]).into(),
                "is for a.example, b.example, not for loki.logging",
            ),
            (name(&[]).into(), "is for no name, not for loki.logging"),
            (
                Error::AlertReceived(AlertDescription::CertificateRequired),
                "tls.clientCertificate",
            ),
            (
                Error::AlertReceived(AlertDescription::UnknownCA),
                "refuses the certificate",
            ),
            (CertificateError::BadSignature.into(), "renewed?"),
            (Error::InvalidMessage(InvalidMessage::InvalidContentType), "plain http"),
            (Error::NoCertificatesPresented, "peer sent no certificates"),
        ] {
            let sentence = explain(&error);
            assert!(sentence.contains(words), "{sentence}");
        }
    }
}
