//! What short texts must look like: names, keys, addresses. Each form is one pattern and one sentence for people; the
//! CRD's rules and the validator both use it, so the two can't drift apart.
//!
//! Patterns are in the syntax that RE2 and the crate `regex` share, and hold no `'`, because CEL quotes them with it.

use std::fmt;
use std::sync::OnceLock;

use regex::Regex;

/// A pattern for a whole text, and how the requirement reads.
pub struct Form {
    pattern: &'static str,
    /// Follows the quoted text: `"S_1" must be ...`.
    sentence: &'static str,
    compiled: OnceLock<Option<Regex>>,
}

impl Form {
    const fn new(pattern: &'static str, sentence: &'static str) -> Self {
        Self {
            pattern,
            sentence,
            compiled: OnceLock::new(),
        }
    }

    pub const fn pattern(&self) -> &'static str {
        self.pattern
    }

    pub const fn sentence(&self) -> &'static str {
        self.sentence
    }

    pub fn admits(&self, text: &str) -> bool {
        let compiled = self.compiled.get_or_init(|| Regex::new(self.pattern).ok());
        compiled.as_ref().is_some_and(|regex| regex.is_match(text))
    }

    /// # Errors
    /// The text and what it should be.
    pub fn check(&self, text: &str) -> Result<(), String> {
        if self.admits(text) {
            return Ok(());
        }
        Err(format!("{text:?} {}", self.sentence))
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.pattern)
    }
}

/// Names of sources, destinations and containers: DNS labels.
pub static NAME: Form = Form::new(
    "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$",
    "must be at most 63 lower-case letters, digits and '-', such as access-log",
);

/// Names of Secrets and ConfigMaps. They become folders of the sidecar, so `..` must be impossible.
pub static OBJECT_NAME: Form = Form::new(
    "^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
    "must be the name of an object: lower-case letters, digits, '-' and '.'",
);

/// Keys of Secrets and ConfigMaps. They become files of the sidecar.
pub static DATA_KEY: Form = Form::new(
    "^[.]?[-_a-zA-Z0-9][-._a-zA-Z0-9]*$",
    "must be a key: letters, digits, '-', '_' and '.', not beginning with '..'",
);

/// Text of one line.
pub static TEXT: Form = Form::new(r"^[^\x00-\x1f\x7f]*$", "must not contain control characters");

/// Names of record fields.
pub static FIELD: Form = Form::new(
    r"^[^\x00-\x1f\x7f]{1,256}$",
    "must be the name of a field: 1 to 256 characters, no control characters",
);

/// Absolute paths without `.`, `..` and a slash at the end. Globs are of this form too.
pub static PATH: Form = Form::new(
    r"^(/([^/.\x00-\x1f\x7f][^/\x00-\x1f\x7f]*|[.][^/.\x00-\x1f\x7f][^/\x00-\x1f\x7f]*|[.][.][^/\x00-\x1f\x7f]+))+$",
    "must be an absolute path of a file without . and .. in it, such as /var/log/app/*.log",
);

/// URLs are ASCII; what is not is written with `%`.
pub static URL: Form = Form::new(
    r"^https?://([^/?#@:\[\]\s]+|\[[0-9A-Fa-f:.]+\])(:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?([/?#][\x21-\x7e]*)?$",
    "must be a URL such as https://logs.example:3100: http:// or https://, a host, no user name or password (use auth)",
);

/// URLs that paths are added to.
pub static BASE_URL: Form = Form::new(
    r"^https?://([^/?#@:\[\]\s]+|\[[0-9A-Fa-f:.]+\])(:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?(/[!-\x22$->@-~]*)?$",
    "must be a base URL such as https://logs.example:3100: http:// or https://, a host, no user name or password (use auth), no query",
);

/// `host:port`.
pub static ADDRESS: Form = Form::new(
    r"^([^/?#@:\[\]\s]+|\[[0-9A-Fa-f:.]+\]):([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])$",
    "must be host:port with a port from 1 to 65535, such as logs.example:514",
);

/// Names of request headers, RFC 9110 section 5.6.2, without the apostrophe.
pub static HEADER_NAME: Form = Form::new(
    "^[!#$%&*+.^_`|~0-9A-Za-z-]{1,128}$",
    "must be the name of a header: letters, digits and '-', such as X-Team",
);

/// Values of request headers.
pub static HEADER_VALUE: Form = Form::new(
    r"^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$",
    "must be the value of a header: visible ASCII characters, no space at either end",
);

/// Loki's label names. Those that begin with two underscores are Loki's own.
pub static LABEL: Form = Form::new(
    "^_?[a-zA-Z][a-zA-Z0-9_]*$",
    "must be the name of a label: letters, digits and '_', not beginning with '__'",
);

/// Loki's tenants.
pub static TENANT: Form = Form::new(
    "^[a-zA-Z0-9!_.*()-]{1,150}$",
    "must be the id of a tenant: at most 150 letters, digits and any of !-_.*()",
);

/// Elasticsearch's index names, lower-case, with the date of the record in braces.
pub static INDEX: Form = Form::new(
    r"^[a-z0-9]([a-z0-9._-]|\{yyyy([.]MM([.]dd)?)?\}){0,254}$",
    "must be the name of an index: lower-case letters, digits, '.', '_', '-', and {yyyy.MM.dd} for the date",
);

/// Names of data streams.
pub static DATA_STREAM: Form = Form::new(
    "^[a-z0-9][a-z0-9._-]{0,254}$",
    "must be the name of a data stream, such as logs-shop-default: lower-case letters, digits, '.', '_' and '-'",
);

/// APP-NAME, RFC 5424 section 6.2.5.
pub static APP_NAME: Form = Form::new("^[!-~]{1,48}$", "must be 1 to 48 visible ASCII characters");

/// Kafka's topics.
pub static TOPIC: Form = Form::new(
    "^([a-zA-Z0-9_-]|[.]{1,2}[a-zA-Z0-9_-])[a-zA-Z0-9._-]{0,247}$",
    "must be the name of a topic: at most 249 letters, digits, '.', '_' and '-'",
);

/// Buckets of S3.
pub static BUCKET: Form = Form::new(
    "^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
    "must be the name of a bucket: 3 to 63 lower-case letters, digits, '.' and '-'",
);

/// Regions of S3.
pub static REGION: Form = Form::new("^[a-z0-9-]{1,63}$", "must be a region, such as eu-central-1");

/// Prefixes of object keys, with parts of the date in braces.
pub static KEY_PREFIX: Form = Form::new(
    r"^([^/{}\x00-\x1f\x7f]|\{(yyyy|MM|dd|HH)\})([^{}\x00-\x1f\x7f]|\{(yyyy|MM|dd|HH)\})*$",
    "must be a prefix such as shop/{yyyy}/{MM}/{dd}/{HH}/: no / at the beginning, and no other braces",
);

/// Scopes of OAuth 2.0, RFC 6749 section 3.3.
pub static SCOPE: Form = Form::new(
    r"^[!#-\[\]-~]{1,256}$",
    "must be one scope: visible ASCII characters without quotes, backslashes and spaces",
);

/// What a certificate can be made out to.
pub static SERVER_NAME: Form = Form::new(
    "^[A-Za-z0-9:]([A-Za-z0-9.:-]*[A-Za-z0-9:])?$",
    "must be a host name or an address, without a port",
);

/// Labels of encodings; whether there is one of this label is for the validator to say.
pub static ENCODING: Form = Form::new(
    "^[A-Za-z0-9][A-Za-z0-9:._-]{0,62}$",
    "must be the name of an encoding, such as utf-8 or windows-1252",
);

/// Names of IANA time zones; whether there is one of this name is for the validator to say.
pub static TIME_ZONE: Form = Form::new(
    "^[A-Za-z][A-Za-z0-9/+_-]{0,63}$",
    "must be the name of a time zone, such as UTC or Europe/Berlin",
);

#[cfg(test)]
pub(crate) const ALL: &[&Form] = &[
    &NAME,
    &OBJECT_NAME,
    &DATA_KEY,
    &TEXT,
    &FIELD,
    &PATH,
    &URL,
    &BASE_URL,
    &ADDRESS,
    &HEADER_NAME,
    &HEADER_VALUE,
    &LABEL,
    &TENANT,
    &INDEX,
    &DATA_STREAM,
    &APP_NAME,
    &TOPIC,
    &BUCKET,
    &REGION,
    &KEY_PREFIX,
    &SCOPE,
    &SERVER_NAME,
    &ENCODING,
    &TIME_ZONE,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_compiles_and_can_be_quoted() {
        for form in ALL {
            assert!(Regex::new(form.pattern).is_ok(), "{form:?}");
            assert!(!form.pattern.contains('\''), "{form:?}");
        }
    }

    #[test]
    fn forms_tell_good_from_bad() {
        let table: &[(&Form, &[&str], &[&str])] = &[
            (
                &NAME,
                &["a", "access-log", "0"],
                &["", "A", "a_b", "-a", "a-", "a.b", "a\n"],
            ),
            (&OBJECT_NAME, &["a", "a.b-c"], &["", "..", "a..b", "../x", "a/b", ".a"]),
            (
                &DATA_KEY,
                &["a", ".a", "tls.crt", "A_b"],
                &["", ".", "..", "..a", "a/b"],
            ),
            (
                &PATH,
                &["/a", "/a/*.log", "/a/.b", "/a/...", "/a/**"],
                &["", "/", "a", "/a/", "/a/../b", "/a/.", "//a", "/a\n"],
            ),
            (
                &URL,
                &["http://h", "https://h:3100/a?b#c", "http://[::1]:80/x", "http://h/a@b"],
                &[
                    "",
                    "h",
                    "ftp://h",
                    "http://",
                    "http://u:p@h",
                    "http://u@h/x",
                    "http://:80",
                    "http://h /",
                    "http://h:port",
                    "http:///x",
                    "http://h:0",
                    "http://h:65536",
                ],
            ),
            (
                &BASE_URL,
                &["http://h", "https://h:1/a/b"],
                &["http://h?a", "http://h/a?b", "http://h/#a", "http://u@h"],
            ),
            (
                &ADDRESS,
                &["h:1", "h:65535", "[::1]:514"],
                &["h", ":1", "h:", "h:x", "u@h:1", "http://h:1", "h:65536", "h:0"],
            ),
            (&HEADER_NAME, &["X-Team"], &["", "a b", "a:b", "ä"]),
            (&HEADER_VALUE, &["a", "a b"], &["", " a", "a\r\nb", "ä"]),
            (&LABEL, &["app", "_app"], &["", "__name__", "1a", "a-b"]),
            (
                &INDEX,
                &["logs", "logs-{yyyy.MM.dd}", "a-{yyyy}"],
                &["", "Logs", "_a", "-a", "a-{dd}", "a/b", "a*"],
            ),
            (&DATA_STREAM, &["logs-shop-default"], &["Logs", ".a", "a,b"]),
            (&TOPIC, &["logs", "a.b", "..a"], &["", ".", "..", "a/b"]),
            (&BUCKET, &["abc", "a.b-c"], &["ab", "Abc", "-abc", "a_b"]),
            (&KEY_PREFIX, &["a/{yyyy}/{MM}/", "{yyyy}"], &["", "/a", "{year}", "a}"]),
            (&SCOPE, &["logs:write"], &["", "a b", "a\"b"]),
            (
                &SERVER_NAME,
                &["loki.logging", "10.0.0.1", "::1"],
                &["", "a b", "a/b", "-a"],
            ),
            (
                &TIME_ZONE,
                &["UTC", "Etc/GMT+1", "Europe/Berlin"],
                &["", "../etc", "/UTC"],
            ),
        ];
        for (form, good, bad) in table {
            for text in *good {
                assert!(form.admits(text), "{form:?} should admit {text:?}");
            }
            for text in *bad {
                assert!(!form.admits(text), "{form:?} should refuse {text:?}");
            }
        }
    }
}
