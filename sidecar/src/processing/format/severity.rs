//! Severities: what programs write, and what OpenTelemetry calls it.
//!
//! Words are those of common loggers, any case; a word is also known by its first letter, as glog and klog write it. A
//! digit after it says how fine it is: `DEBUG2` of PostgreSQL, `INFO3` of OpenTelemetry.
//! Numbers: 10 to 60 as bunyan and pino count, 0 to 7 as syslog does (RFC 5424, section 6.2.1).

use pipeline::transform::Severity;

/// The severity that a text says; none where it says none.
pub(in crate::processing) fn of_text(text: &[u8]) -> Option<Severity> {
    let text = text.trim_ascii();
    if text.len() > 16 {
        return None;
    }
    if text.first()?.is_ascii_digit() {
        return of_number(std::str::from_utf8(text).ok()?.parse().ok()?);
    }
    let mut lower = [0; 16];
    let lower = &mut lower[..text.len()];
    lower.copy_from_slice(text);
    lower.make_ascii_lowercase();
    let word = match lower {
        [word @ .., b'1'..=b'9'] if word.len() > 1 => &*word,
        word => &*word,
    };
    Some(match word {
        b"t" | b"trace" | b"trc" | b"trce" | b"vrb" | b"finest" | b"finer" | b"verbose" | b"silly" => Severity::Trace,
        b"d" | b"debug" | b"dbug" | b"dbg" | b"fine" | b"config" => Severity::Debug,
        b"i" | b"info" | b"inf" | b"information" | b"informational" | b"notice" | b"note" | b"log" | b"http" => {
            Severity::Info
        }
        b"w" | b"warn" | b"warning" | b"wrn" => Severity::Warn,
        b"e" | b"error" | b"err" | b"fail" | b"eror" | b"severe" => Severity::Error,
        b"f" | b"fatal" | b"ftl" | b"critical" | b"crit" | b"c" | b"alert" | b"emergency" | b"emerg" | b"panic"
        | b"dpanic" => Severity::Fatal,
        _ => return None,
    })
}

const fn of_number(number: u8) -> Option<Severity> {
    Some(match number {
        10..=19 => Severity::Trace,
        7 | 20..=29 => Severity::Debug,
        5 | 6 | 30..=39 => Severity::Info,
        4 | 40..=49 => Severity::Warn,
        3 | 50..=59 => Severity::Error,
        0..=2 | 60 => Severity::Fatal,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_and_numbers_of_common_loggers_are_known() {
        for (text, expected) in [
            ("INFO", Some(Severity::Info)),
            ("warning", Some(Severity::Warn)),
            (" Error ", Some(Severity::Error)),
            ("W", Some(Severity::Warn)),
            ("30", Some(Severity::Info)),
            ("60", Some(Severity::Fatal)),
            ("3", Some(Severity::Error)),
            ("DEBUG5", Some(Severity::Debug)),
            ("WARN2", Some(Severity::Warn)),
            ("fail", Some(Severity::Error)),
            ("dbug", Some(Severity::Debug)),
            ("VRB", Some(Severity::Trace)),
            ("e5", None),
            ("7", Some(Severity::Debug)),
            ("8", None),
            ("300", None),
            ("", None),
            ("informationally speaking", None),
            ("maybe", None),
        ] {
            assert_eq!(of_text(text.as_bytes()), expected, "{text:?}");
        }
    }
}
