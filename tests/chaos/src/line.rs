//! The lines that are written: each tells which it is, and whether it is whole.
//!
//! ```text
//! w0 3 17 a5 xxxxx      writer 0, generation 3, line 17; alphabet a, five characters of padding
//! ```

use crate::journal::{GenerationId, LineId};
use crate::scenario::{Alphabet, Ending};

/// Characters of [`Alphabet::Wide`], in turn: two, three, four bytes and one.
const WIDE: [char; 4] = ['é', '漢', '🦀', 'z'];

/// What a line is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) id: LineId,
    pub(crate) alphabet: Alphabet,
    /// In characters.
    pub(crate) padding: usize,
}

impl Line {
    /// As it stands in the file.
    pub(crate) fn bytes(&self, ending: Ending) -> Vec<u8> {
        let mut bytes = Vec::new();
        for character in self.text().chars() {
            match character {
                // No encoding that logs are written in has this byte.
                char::REPLACEMENT_CHARACTER => bytes.push(0xff),
                other => bytes.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        bytes.extend_from_slice(match ending {
            Ending::Lf => b"\n",
            Ending::Crlf => b"\r\n",
        });
        bytes
    }

    /// As it arrives.
    fn text(&self) -> String {
        let LineId {
            generation: GenerationId { writer, number },
            line,
        } = self.id;
        let mut text = format!("w{writer} {number} {line} {}{} ", letter(self.alphabet), self.padding);
        text.extend((0..self.padding).map(|at| character(self.alphabet, at)));
        text
    }

    /// What the beginning of a line says of it.
    fn announced(text: &str) -> Option<Self> {
        let mut words = text.strip_prefix('w')?.splitn(5, ' ');
        let writer = words.next()?.parse().ok()?;
        let number = words.next()?.parse().ok()?;
        let line = words.next()?.parse().ok()?;
        let made = words.next()?;
        let alphabet = [Alphabet::Ascii, Alphabet::Wide, Alphabet::Raw]
            .into_iter()
            .find(|alphabet| made.starts_with(letter(*alphabet)))?;
        let padding = made.get(1..)?.parse().ok()?;
        words.next()?;
        let generation = GenerationId { writer, number };
        Some(Self {
            id: LineId { generation, line },
            alphabet,
            padding,
        })
    }
}

/// Which line a text is; none if it isn't the whole of one.
pub(crate) fn read(text: &str) -> Option<LineId> {
    let line = Line::announced(text)?;
    (line.text() == text).then_some(line.id)
}

/// Which line two parts make, that was shipped before its end was there. A character may have been cut.
pub(crate) fn join(first: &str, rest: &str) -> Option<LineId> {
    if rest.is_empty() {
        return read(first);
    }
    let line = Line::announced(&format!("{first}{rest}"))?;
    let whole = line.text();
    let (first, rest) = (
        first.trim_end_matches(char::REPLACEMENT_CHARACTER),
        rest.trim_start_matches(char::REPLACEMENT_CHARACTER),
    );
    let cut = whole.len().checked_sub(first.len() + rest.len())?;
    let fits = whole.starts_with(first) && whole.ends_with(rest) && cut <= 4;
    fits.then_some(line.id)
}

/// Whether a character may stand in a line.
pub(crate) fn may_contain(character: char) -> bool {
    "warx ".contains(character)
        || character.is_ascii_digit()
        || character == char::REPLACEMENT_CHARACTER
        || WIDE.contains(&character)
}

const fn letter(alphabet: Alphabet) -> char {
    match alphabet {
        Alphabet::Ascii => 'a',
        Alphabet::Wide => 'w',
        Alphabet::Raw => 'r',
    }
}

const fn character(alphabet: Alphabet, at: usize) -> char {
    match alphabet {
        Alphabet::Wide => WIDE[at % WIDE.len()],
        Alphabet::Raw if at.is_multiple_of(2) => char::REPLACEMENT_CHARACTER,
        Alphabet::Ascii | Alphabet::Raw => 'x',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_less() {
        for alphabet in [Alphabet::Ascii, Alphabet::Wide, Alphabet::Raw] {
            let id = LineId {
                generation: GenerationId { writer: 2, number: 30 },
                line: 4,
            };
            let line = Line {
                id,
                alphabet,
                padding: 9,
            };
            let bytes = line.bytes(Ending::Crlf);
            let text = String::from_utf8_lossy(&bytes);
            let text = text.strip_suffix("\r\n").unwrap();
            assert_eq!(read(text), Some(id), "{text}");
            assert_eq!(read(&format!("{text}x")), None);
            assert_eq!(read(&format!("\0{text}")), None);
            for cut in 0..bytes.len() - 2 {
                let (first, rest) = bytes.split_at(cut);
                let (first, rest) = (String::from_utf8_lossy(first), String::from_utf8_lossy(rest));
                assert_eq!(read(&first), None, "{first}");
                assert_eq!(join(&first, rest.trim_end()), Some(id), "{first} {rest}");
                assert_eq!(join(&first, ""), None, "{first}");
            }
        }
    }
}
