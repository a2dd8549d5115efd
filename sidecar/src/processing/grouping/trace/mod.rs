//! Stack traces as runtimes print them. The first line of a trace begins a record; the lines of a trace belong to the one
//! before. A log message that stands before its trace is a record of its own: nothing in the lines says that they belong
//! together. Who wants both as one gives the beginning of a message as `startPattern`.
//!
//! What a line is depends on the lines of its own group and no others, so that reading may begin at any group. For lines
//! that aren't of a trace, nearly all, the first byte decides.

mod dot_net;
mod go;
mod java;
mod node;
mod python;
mod ruby;

use pipeline::source::MultilinePreset;

/// Where in a trace the line before was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trace {
    Outside,
    /// In a trace, where certain lines go on.
    Frames,
    /// After a blank line of a trace, which may go on.
    Blank,
    /// In a part that has rules of its own: an exception group of Python, the source of an error of Ruby.
    Inner,
}

impl Trace {
    /// Whether a line belongs to the one before; remembers where it stands.
    pub(super) fn joins(&mut self, preset: MultilinePreset, line: &[u8]) -> bool {
        let step = match preset {
            MultilinePreset::Java => return java::joins(line),
            MultilinePreset::Node => node::step,
            MultilinePreset::Ruby => ruby::step,
            MultilinePreset::DotNet => dot_net::step,
            MultilinePreset::Python => python::step,
            MultilinePreset::Go => go::step,
        };
        let (after, joins) = step(*self, line);
        *self = after;
        joins
    }
}

fn is_indented(line: &[u8]) -> bool {
    matches!(line.first(), Some(b' ' | b'\t'))
}

fn starts_with_any(text: &[u8], words: &[&[u8]]) -> bool {
    words.iter().any(|word| text.starts_with(word))
}

#[cfg(test)]
mod tests;
