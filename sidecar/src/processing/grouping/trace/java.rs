//! `Throwable.printStackTrace`, the layouts of logback and log4j, thread dumps, and what Reactor adds.

use super::starts_with_any;

/// `\tat com.example.A.b(A.java:1)`, `\t... 3 more`, `Caused by: `, `\tSuppressed: `.
pub(super) fn joins(line: &[u8]) -> bool {
    match line.first() {
        Some(b' ' | b'\t') => is_inside(line.trim_ascii_start()),
        Some(b'C' | b'W' | b'E' | b'O') => {
            starts_with_any(line, &[b"Caused by: ", b"Wrapped by: "])
                || line == b"Error has been observed at the following site(s):"
                || line == b"Original Stack Trace:"
        }
        _ => false,
    }
}

fn is_inside(text: &[u8]) -> bool {
    const INSIDE: [&[u8]; 15] = [
        b"at ",
        b"... ",
        b"Suppressed: ",
        b"Caused by: ",
        b"Wrapped by: ",
        b"[CIRCULAR REFERENCE",
        b"*__",
        b"|_ ",
        b"java.lang.Thread.State: ",
        b"- locked ",
        b"- waiting ",
        b"- parking ",
        b"- eliminated ",
        b"Error has been observed at",
        b"Original Stack Trace:",
    ];
    starts_with_any(text, &INSIDE)
}
