//! Reads JSON (RFC 8259) in one pass: no tree, no recursion, nothing is copied. Whether bytes are UTF-8 is for the
//! caller to know. It takes what `serde_json` takes, and nothing else; that is the judge in the tests.

use crate::destination::next_special;

/// A place in a text, moving forward.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scanner<'a> {
    text: &'a [u8],
    pub(super) at: usize,
}

/// What stands between quotes, as it is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quoted<'a> {
    pub(super) inner: &'a [u8],
    pub(super) escaped: bool,
}

impl<'a> Scanner<'a> {
    pub(super) const fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// The next byte that isn't white space; it stays.
    pub(super) fn next(&mut self) -> Option<u8> {
        loop {
            let byte = *self.text.get(self.at)?;
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// Passes over this byte, which has to be the next one.
    pub(super) fn take(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then(|| self.at += 1)
    }

    pub(super) fn string(&mut self) -> Option<Quoted<'a>> {
        self.take(b'"')?;
        let start = self.at;
        let mut escaped = false;
        loop {
            self.at += next_special(&self.text[self.at..])?;
            match self.text[self.at] {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    self.at += escape(&self.text[self.at + 1..])?;
                }
                // A control character.
                _ => return None,
            }
        }
        let inner = &self.text[start..self.at];
        self.at += 1;
        Some(Quoted { inner, escaped })
    }

    /// A name and its colon.
    pub(super) fn name(&mut self) -> Option<Quoted<'a>> {
        let name = self.string()?;
        self.take(b':')?;
        Some(name)
    }

    /// Passes over a value that isn't a string; `open` is a buffer. Returns how it is written.
    pub(super) fn value(&mut self, open: &mut Vec<u8>) -> Option<&'a [u8]> {
        open.clear();
        self.next()?;
        let start = self.at;
        loop {
            if self.one(open)? && self.closed(open)? {
                return Some(&self.text[start..self.at]);
            }
        }
    }

    /// A scalar, an empty object or array, or the beginning of one that has something in it. Whether it is complete.
    fn one(&mut self, open: &mut Vec<u8>) -> Option<bool> {
        let close = match self.next()? {
            b'{' => b'}',
            b'[' => b']',
            b'"' => return self.string().map(|_| true),
            b't' => return self.word(b"true"),
            b'f' => return self.word(b"false"),
            b'n' => return self.word(b"null"),
            _ => return self.number().map(|()| true),
        };
        self.at += 1;
        if self.next()? == close {
            self.at += 1;
            return Some(true);
        }
        open.push(close);
        if close == b'}' {
            self.name()?;
        }
        Some(false)
    }

    /// After a value: what ends with it. Whether nothing is open any more.
    fn closed(&mut self, open: &mut Vec<u8>) -> Option<bool> {
        while let Some(close) = open.last() {
            let found = self.next()?;
            self.at += 1;
            if found == b',' {
                if *close == b'}' {
                    self.name()?;
                }
                return Some(false);
            }
            if found != *close {
                return None;
            }
            open.pop();
        }
        Some(true)
    }

    fn word(&mut self, word: &[u8]) -> Option<bool> {
        self.text[self.at..].starts_with(word).then(|| {
            self.at += word.len();
            true
        })
    }

    fn number(&mut self) -> Option<()> {
        self.at += usize::from(self.text[self.at] == b'-');
        match self.digits() {
            0 => return None,
            1 => {}
            // No number but zero begins with it.
            digits if self.text[self.at - digits] == b'0' => return None,
            _ => {}
        }
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.some_digits()?;
        }
        if matches!(self.text.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.text.get(self.at), Some(b'+' | b'-')));
            self.some_digits()?;
        }
        Some(())
    }

    fn some_digits(&mut self) -> Option<()> {
        (self.digits() > 0).then_some(())
    }

    fn digits(&mut self) -> usize {
        let rest = &self.text[self.at..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += digits;
        digits
    }
}

/// How long an escape is, whose backslash stands before `rest`.
fn escape(rest: &[u8]) -> Option<usize> {
    match rest.first()? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(2),
        b'u' if rest.get(1..5)?.iter().all(u8::is_ascii_hexdigit) => Some(6),
        _ => None,
    }
}
