//! `Exception.ToString`: frames, inner exceptions, a blank line after each of an `AggregateException`; and what the
//! console logger of .NET writes below the head of an entry, six blanks before it.

use super::{Trace, is_indented, starts_with_any};

pub(super) fn step(before: Trace, line: &[u8]) -> (Trace, bool) {
    let joins = match line.first() {
        Some(b' ' | b'\t') => line.starts_with(b"      ") || is_inside(line.trim_ascii_start()),
        Some(b'-') => line.starts_with(b"--- End of "),
        _ => false,
    };
    if joins {
        let inner = is_indented(line) && line.ends_with(b"<---");
        return (if inner { Trace::Inner } else { Trace::Frames }, true);
    }
    if before == Trace::Inner && line.is_empty() {
        return (Trace::Frames, true);
    }
    (Trace::Outside, false)
}

/// `   at Name.Space.F() in file.cs:line 1`, ` ---> inner`, `   --- End of inner exception stack trace ---`.
fn is_inside(text: &[u8]) -> bool {
    starts_with_any(text, &[b"at ", b"---> ", b"--- End of "])
}
