//! Request headers that users can't write.

/// Everyone who can read the object would read them.
pub(crate) const CREDENTIALS: &[&str] = &["authorization", "proxy-authorization", "cookie"];
pub(crate) const CREDENTIALS_SENTENCE: &str =
    "credentials belong into auth: Authorization, Proxy-Authorization and Cookie can't be written here";

/// They say where a request goes and where it ends.
pub(crate) const FRAMING: &[&str] = &[
    "host",
    "content-length",
    "content-encoding",
    "transfer-encoding",
    "connection",
    "upgrade",
    "expect",
    "te",
    "trailer",
];
pub(crate) const FRAMING_SENTENCE: &str = "the sidecar sets Host, Content-Length, Content-Encoding, Transfer-Encoding, Connection, Upgrade, Expect, TE and Trailer itself";

/// Why a header can't be written, if it can't.
pub(crate) fn refusal(name: &str) -> Option<&'static str> {
    let is_in = |list: &[&str]| list.iter().any(|one| one.eq_ignore_ascii_case(name));
    match () {
        () if is_in(CREDENTIALS) => Some(CREDENTIALS_SENTENCE),
        () if is_in(FRAMING) => Some(FRAMING_SENTENCE),
        () => None,
    }
}
