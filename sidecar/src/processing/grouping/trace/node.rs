//! `Error.stack` and what `util.inspect` shows of an error: indented frames and properties, causes in brackets, and the
//! brace that ends them. An error that nobody caught comes with the place, the source and a caret before it, and the
//! version of Node after it, both across blank lines.

use super::{Trace, is_indented};

pub(super) fn step(before: Trace, line: &[u8]) -> (Trace, bool) {
    let text = line.trim_ascii();
    match (before, line) {
        (Trace::Frames | Trace::Inner, _) if text.is_empty() => (Trace::Blank, true),
        // The error itself, after its source.
        (Trace::Blank, _) if !text.is_empty() && !is_indented(line) => {
            let joins = text.starts_with(b"Node.js v") || is_error(text);
            if joins {
                (Trace::Frames, true)
            } else {
                (Trace::Outside, false)
            }
        }
        (_, b"}") => (Trace::Frames, true),
        _ if is_indented(line) && !text.is_empty() => (after(before, text), true),
        _ => (Trace::Outside, false),
    }
}

/// Only after a frame or a caret a blank line belongs to the trace.
fn after(before: Trace, text: &[u8]) -> Trace {
    if text.starts_with(b"at ") || text.iter().all(|byte| *byte == b'^') {
        Trace::Frames
    } else if before == Trace::Blank {
        Trace::Outside
    } else {
        before
    }
}

/// `TypeError: no`, `Uncaught Error`, `app.CustomError [CODE]: no`.
fn is_error(text: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'$');
    let name = text.iter().take_while(|byte| is_part(byte)).count();
    text[..name].ends_with(b"Error") || text[..name].ends_with(b"Exception") || text.starts_with(b"Uncaught ")
}
