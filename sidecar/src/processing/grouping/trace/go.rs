//! `panic: `, `fatal error: ` or a signal, then goroutines: a head, calls, and an indented place for each; registers
//! after a signal.

use super::{Trace, is_indented, starts_with_any};

const BEGINS: [&[u8]; 6] = [
    b"panic: ",
    b"fatal error: ",
    b"http: panic serving ",
    b"SIGQUIT: ",
    b"SIGABRT: ",
    b"unexpected fault address ",
];
const GOES_ON: [&[u8]; 11] = [
    b"goroutine ",
    b"created by ",
    b"[signal ",
    b"[recovered]",
    b"[originating from ",
    b"exit status ",
    b"runtime stack:",
    b"panic(",
    b"PC=",
    b"...",
    b"signal arrived ",
];

pub(super) fn step(before: Trace, line: &[u8]) -> (Trace, bool) {
    let outside = before == Trace::Outside;
    let text = without_time(line);
    if starts_with_any(text, &BEGINS) || (outside && line.starts_with(b"goroutine ")) {
        // A panic while panicking belongs to the first, and so does the error that a fault comes to.
        let joins = !outside && (line.ends_with(b"[recovered]") || line.starts_with(b"fatal error: fault"));
        return (Trace::Frames, joins);
    }
    let joins = !outside
        && (line.is_empty()
            || is_indented(line)
            || starts_with_any(line, &GOES_ON)
            || is_call(line)
            || is_register(line));
    if joins {
        (Trace::Frames, true)
    } else {
        (Trace::Outside, false)
    }
}

/// `2026/11/01 12:00:00 ` is what the standard logger writes before a message.
fn without_time(line: &[u8]) -> &[u8] {
    match line.split_at_checked(20) {
        Some((time, rest)) if time[4] == b'/' && time[7] == b'/' && time[19] == b' ' => rest,
        _ => line,
    }
}

/// `main.f(0x1, ...)`, `main.(*T).f(...)`.
fn is_call(line: &[u8]) -> bool {
    let name = line.iter().take_while(|byte| !matches!(byte, b' ' | b'(')).count();
    line.ends_with(b")") && line.get(name) == Some(&b'(') && memchr::memchr(b'.', &line[..name]).is_some()
}

/// `rax    0x0`.
fn is_register(line: &[u8]) -> bool {
    let name = line.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let value = line[name..].trim_ascii_start();
    (2..=7).contains(&name) && line.get(name) == Some(&b' ') && {
        let digits = value.strip_prefix(b"0x").unwrap_or_default();
        !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit)
    }
}
