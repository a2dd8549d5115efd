//! `traceback`: `Traceback (most recent call last):`, indented frames, the exception's name. Chains are parted by blank
//! lines. Groups (PEP 654) draw a tree, whose lines are all indented.

use super::{Trace, is_indented};

const BEGINS: &[u8] = b"Traceback (most recent call last):";
const BEGINS_GROUP: &[u8] = b"+ Exception Group Traceback (most recent call last):";
const LINKS: [&[u8]; 2] = [
    b"During handling of the above exception",
    b"The above exception was the direct cause",
];

pub(super) fn step(before: Trace, line: &[u8]) -> (Trace, bool) {
    let goes_on = before == Trace::Blank;
    match before {
        Trace::Inner if is_indented(line) => (Trace::Inner, true),
        _ if is_beginning(line, BEGINS) => (Trace::Frames, goes_on),
        _ if is_beginning(line, BEGINS_GROUP) => (Trace::Inner, goes_on),
        Trace::Frames if is_indented(line) => (Trace::Frames, true),
        // The exception itself ends the frames; what follows is a trace only after a blank line and a link.
        Trace::Frames if is_name(line) => (Trace::Blank, true),
        Trace::Blank if line.is_empty() || LINKS.iter().any(|link| line.starts_with(link)) => (Trace::Blank, true),
        _ => (Trace::Outside, false),
    }
}

fn is_beginning(line: &[u8], words: &[u8]) -> bool {
    matches!(line.first(), Some(b'T' | b' ' | b'\t' | b'+')) && line.trim_ascii_start().starts_with(words)
}

/// `package.Name` at the beginning, also one that was made in a function, and then its message or nothing.
fn is_name(line: &[u8]) -> bool {
    let is_part =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'<' | b'>') || !byte.is_ascii();
    let name = line.iter().take_while(|byte| is_part(byte)).count();
    name > 0 && !line[0].is_ascii_digit() && matches!(line.get(name), None | Some(b':'))
}
