//! The text of a line as a receiver may have it: valid UTF-8, and not longer than allowed.

use std::borrow::Cow;

use crate::batch::{Batch, Record, Span};

/// The lines of a batch as text. Whether all of it is valid is found out once, so that the common case costs a scan and
/// no copy; where only some of the records are wanted, each is looked at by itself.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    batch: &'a Batch,
    valid: Option<&'a str>,
    max_bytes: usize,
}

/// One line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    pub(super) text: Cow<'a, str>,
    /// Cut here or before.
    pub(super) truncated: bool,
}

impl<'a> Lines<'a> {
    /// `wanted`: how many of the records will be asked for.
    pub(super) fn new(batch: &'a Batch, wanted: usize, max_bytes: usize) -> Self {
        let most = wanted * 2 > batch.records.len();
        Self {
            batch,
            valid: most.then(|| std::str::from_utf8(&batch.text).ok()).flatten(),
            max_bytes,
        }
    }

    /// A name or a value.
    pub(super) fn part(&self, span: Span) -> Cow<'a, str> {
        match self
            .valid
            .and_then(|valid| valid.get(span.start as usize..span.end as usize))
        {
            Some(text) => Cow::Borrowed(text),
            None => lossy(self.batch.part(span)),
        }
    }

    /// Invalid bytes become U+FFFD, then the end is cut off at a character's boundary.
    pub(super) fn get(&self, record: &Record) -> Line<'a> {
        let range = record.start as usize..record.end as usize;
        let mut text = match self.valid.and_then(|valid| valid.get(range)) {
            Some(text) => Cow::Borrowed(text),
            None => lossy(self.batch.line(record)),
        };
        let truncated = text.len() > self.max_bytes;
        if truncated {
            let end = (0..=self.max_bytes)
                .rev()
                .find(|index| text.is_char_boundary(*index))
                .unwrap_or(0);
            match &mut text {
                Cow::Borrowed(text) => *text = &text[..end],
                Cow::Owned(text) => text.truncate(end),
            }
        }
        Line {
            text,
            truncated: truncated || record.marks.truncated,
        }
    }
}

/// The library's own goes byte by byte where all is well, too.
fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destination::samples;

    #[test]
    fn invalid_bytes_are_replaced_and_long_lines_cut_at_a_character() {
        let batch = samples::batch(&[b"fine", b"a\xff\xfeb", "aäää".as_bytes()]);
        let lines = Lines::new(&batch, 3, 4);
        let line = |index: usize| lines.get(&batch.records[index]);
        assert_eq!(
            line(0),
            Line {
                text: "fine".into(),
                truncated: false
            }
        );
        assert_eq!(
            line(1),
            Line {
                text: "a\u{fffd}".into(),
                truncated: true
            },
            "a replaced byte takes three"
        );
        assert_eq!(
            line(2),
            Line {
                text: "aä".into(),
                truncated: true
            }
        );
        assert_eq!(
            Lines::new(&batch, 0, 100).get(&batch.records[1]).text,
            "a\u{fffd}\u{fffd}b"
        );
    }

    #[test]
    fn valid_text_is_not_copied() {
        let batch = samples::batch(&["läuft".as_bytes()]);
        for wanted in [0, 1] {
            assert!(matches!(
                Lines::new(&batch, wanted, 100).get(&batch.records[0]).text,
                Cow::Borrowed("läuft")
            ));
        }
    }
}
