//! Words of others on their way to people: bounded, and without anything that draws on a terminal.
//!
//! A status and an event carry what API servers, webhooks, kubelets, log stores and sidecars said. None of them is trusted
//! to be short, or to be text.

/// How long a message may be, in bytes: the API server refuses events with a longer note. Conditions may be longer.
pub(crate) const MAX_MESSAGE: usize = 1024;

/// Ends what was cut.
const CUT: char = '…';

/// A character that moves the cursor or turns the direction of writing becomes a space.
pub(crate) fn visible(c: char) -> char {
    let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if c.is_control() || turns { ' ' } else { c }
}

/// A message as people may see it.
pub(crate) fn message(words: &str) -> String {
    let mut text: String = words.chars().map(visible).collect();
    if text.len() > MAX_MESSAGE {
        let room = MAX_MESSAGE - CUT.len_utf8();
        let starts = text.char_indices().map(|(start, _)| start);
        let end = starts.take_while(|start| *start <= room).last().unwrap_or(0);
        text.truncate(end);
        text.push(CUT);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_draws_on_a_terminal() {
        let words = "denied:\r\n\u{1b}[31mred\u{1b}[0m \u{7}\u{9b}2J\u{202e}txt.exe é 日本";
        assert_eq!(message(words), "denied:   [31mred [0m   2J txt.exe é 日本");
    }

    #[test]
    fn a_message_is_cut_between_characters_and_says_so() {
        let fits = "x".repeat(MAX_MESSAGE);
        assert_eq!(message(&fits), fits);
        let cut = message(&"é".repeat(MAX_MESSAGE));
        assert_eq!(cut, format!("{}…", "é".repeat(510)));
        assert!(message(&format!("{fits}y")).len() <= MAX_MESSAGE);
    }
}
