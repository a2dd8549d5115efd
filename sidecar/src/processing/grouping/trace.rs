//! Stack traces as runtimes print them. The first line of a trace begins a record; the lines of a trace belong to the one
//! before. A log message that stands before its trace is a record of its own: nothing in the lines says that they belong
//! together. Who wants both as one gives the beginning of a message as `startPattern`.

use pipeline::source::MultilinePreset;

/// Where in a trace the line before was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trace {
    Outside,
    /// In the frames, where indented lines follow.
    Frames,
    /// After a blank line of a trace, which may go on.
    Blank,
}

impl Trace {
    /// Whether a line belongs to the one before; remembers where it stands.
    pub(super) fn joins(&mut self, preset: MultilinePreset, line: &[u8]) -> bool {
        match preset {
            MultilinePreset::Java => is_java(line),
            MultilinePreset::Node => is_node(line),
            MultilinePreset::Ruby => is_ruby(line),
            MultilinePreset::DotNet => is_dot_net(line),
            MultilinePreset::Python => self.joins_python(line),
            MultilinePreset::Go => self.joins_go(line),
        }
    }

    /// `Traceback (most recent call last):`, indented frames, the exception's name. Chains are parted by blank lines.
    fn joins_python(&mut self, line: &[u8]) -> bool {
        const LINKS: [&[u8]; 2] = [
            b"During handling of the above exception",
            b"The above exception was the direct cause",
        ];
        let before = *self;
        let begins = line
            .trim_ascii_start()
            .starts_with(b"Traceback (most recent call last):");
        let is_link = LINKS.iter().any(|link| line.starts_with(link));
        let (after, joins) = match before {
            _ if begins => (Self::Frames, before == Self::Blank),
            Self::Frames if is_indented(line) => (Self::Frames, true),
            // The exception itself ends the frames; what follows is a trace only after a blank line and a link.
            Self::Frames if is_name(line) => (Self::Blank, true),
            Self::Blank if line.is_empty() || is_link => (Self::Blank, true),
            _ => (Self::Outside, false),
        };
        *self = after;
        joins
    }

    /// `panic: ` or `fatal error: `, then goroutines: a head, calls, and an indented place for each.
    fn joins_go(&mut self, line: &[u8]) -> bool {
        const BEGINS: [&[u8]; 3] = [b"panic: ", b"fatal error: ", b"http: panic serving"];
        const GOES_ON: [&[u8]; 6] = [
            b"goroutine ",
            b"created by ",
            b"[signal ",
            b"[recovered]",
            b"exit status ",
            b"runtime stack:",
        ];
        let starts_with = |words: &[&[u8]]| words.iter().any(|word| line.starts_with(word));
        if starts_with(&BEGINS) || (*self == Self::Outside && line.starts_with(b"goroutine ")) {
            // A panic while panicking belongs to the first.
            let joins = *self != Self::Outside && line.ends_with(b"[recovered]");
            *self = Self::Frames;
            return joins;
        }
        let joins =
            *self != Self::Outside && (line.is_empty() || is_indented(line) || starts_with(&GOES_ON) || is_call(line));
        if !joins {
            *self = Self::Outside;
        }
        joins
    }
}

/// `\tat com.example.A.b(A.java:1)`, `\t... 3 more`, `Caused by: `, `\tSuppressed: `.
fn is_java(line: &[u8]) -> bool {
    let text = line.trim_ascii_start();
    let indented = text.len() < line.len();
    text.starts_with(b"Caused by: ")
        || (indented
            && [&b"at "[..], b"... ", b"Suppressed: ", b"- locked ", b"- waiting "]
                .iter()
                .any(|word| text.starts_with(word)))
}

/// `    at f (file.js:1:2)`, the properties of the error, and the brace that ends them.
fn is_node(line: &[u8]) -> bool {
    (is_indented(line) && !line.trim_ascii().is_empty()) || line == b"}"
}

/// `\tfrom file.rb:1:in 'f'`, also numbered as older versions do.
fn is_ruby(line: &[u8]) -> bool {
    let text = line.trim_ascii_start();
    let number = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let text = text[number..].strip_prefix(b": ").unwrap_or(&text[number..]);
    is_indented(line) && text.starts_with(b"from ")
}

/// `   at Name.Space.F() in file.cs:line 1`, ` ---> inner`, `   --- End of inner exception stack trace ---`.
fn is_dot_net(line: &[u8]) -> bool {
    let text = line.trim_ascii_start();
    is_indented(line)
        && [&b"at "[..], b"---> ", b"--- End of "]
            .iter()
            .any(|word| text.starts_with(word))
        || text.starts_with(b"--- End of stack trace from ")
}

fn is_indented(line: &[u8]) -> bool {
    matches!(line.first(), Some(b' ' | b'\t'))
}

/// `package.Name` at the beginning, and then its message or nothing.
fn is_name(line: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
    let name = line.iter().take_while(|byte| is_part(byte)).count();
    name > 0 && !line[0].is_ascii_digit() && matches!(line.get(name), None | Some(b':'))
}

/// `main.f(0x1, ...)`, `main.(*T).f(...)`.
fn is_call(line: &[u8]) -> bool {
    let name = line.iter().take_while(|byte| !matches!(byte, b' ' | b'(')).count();
    line.ends_with(b")") && line.get(name) == Some(&b'(') && memchr::memchr(b'.', &line[..name]).is_some()
}
