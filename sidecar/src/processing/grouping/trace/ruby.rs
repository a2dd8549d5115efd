//! `Exception#full_message`: `a.rb:1:in 'f': no (RuntimeError)`, the source with a caret below it, `\tfrom` lines, and
//! causes after them in the same form. Older versions print frames first, numbered; loggers print bare backtraces.

use super::{Trace, is_indented};

pub(super) fn step(before: Trace, line: &[u8]) -> (Trace, bool) {
    if is_from(line) {
        return (Trace::Frames, true);
    }
    match before {
        // The source that an error points to, and its caret.
        Trace::Inner if line.is_empty() => return (Trace::Blank, true),
        Trace::Blank if !line.is_empty() && !is_place(line) => return (Trace::Outside, true),
        _ if is_caret(line) => return (Trace::Outside, true),
        _ => {}
    }
    if line.starts_with(b"Traceback (most recent call last):") {
        return (Trace::Frames, false);
    }
    if is_place(line) {
        let is_frame = line.ends_with(b"'");
        // After frames stands the error that they led to, or the cause of the one before them.
        return (Trace::Inner, is_frame || before == Trace::Frames);
    }
    (Trace::Outside, false)
}

/// `\tfrom file.rb:1:in 'f'`, also numbered as older versions do.
fn is_from(line: &[u8]) -> bool {
    if !is_indented(line) {
        return false;
    }
    let text = line.trim_ascii_start();
    let number = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let text = text[number..].strip_prefix(b": ").unwrap_or(&text[number..]);
    text.starts_with(b"from ")
}

/// `/app/a.rb:12:in 'f'`, with whatever follows.
fn is_place(line: &[u8]) -> bool {
    let Some(at) = memchr::memmem::find(line, b":in ") else {
        return false;
    };
    let digits = line[..at].iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let path = line[..at - digits].strip_suffix(b":").unwrap_or_default();
    digits > 0
        && !path.is_empty()
        && !path.iter().any(u8::is_ascii_whitespace)
        && matches!(line.get(at + 4), Some(b'\'' | b'`'))
}

fn is_caret(line: &[u8]) -> bool {
    is_indented(line) && {
        let text = line.trim_ascii();
        !text.is_empty() && text.iter().all(|byte| matches!(byte, b'^' | b'~'))
    }
}
