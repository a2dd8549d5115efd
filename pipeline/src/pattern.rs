//! Regular expressions of users. Matching takes linear time whatever the pattern (crate `regex`); what remains to be
//! bounded is memory, since a sidecar lives in 64 MiB and `(\w{100}){100}` would take more than that alone.
//!
//! The sidecar compiles what it runs with [`compile`], so that a pattern which passed validation always compiles.

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::ParserBuilder;

/// How much a compiled pattern may take. A class of Unicode such as `\w` takes about 20 KiB, an ASCII one almost nothing.
pub const MAX_COMPILED_BYTES: usize = 1 << 20;

/// How much one thread may remember while matching. Beyond it matching gets slower, never wrong.
const MAX_CACHE_BYTES: usize = 1 << 20;

/// Groups within groups; the parser works with a stack.
const MAX_NESTING: u32 = 64;

/// The pattern can't be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PatternError {
    #[error("{pattern:?} is not a regular expression: {message}")]
    Syntax { pattern: String, message: String },
    #[error(
        "{pattern:?} takes more than {limit} KiB when compiled: repeat less, or use ASCII classes such as [0-9A-Za-z_] for \\w",
        limit = MAX_COMPILED_BYTES / 1024
    )]
    TooLarge { pattern: String },
}

/// Compiles a pattern for bytes, since lines need not be UTF-8.
///
/// # Errors
/// When it isn't a pattern, or one that is too large.
pub fn compile(pattern: &str) -> Result<Regex, PatternError> {
    RegexBuilder::new(pattern)
        .size_limit(MAX_COMPILED_BYTES)
        .dfa_size_limit(MAX_CACHE_BYTES)
        .nest_limit(MAX_NESTING)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => PatternError::TooLarge {
                pattern: pattern.to_owned(),
            },
            other => PatternError::Syntax {
                pattern: pattern.to_owned(),
                message: reason(&other.to_string()),
            },
        })
}

/// Whether what stands around a text may decide if the pattern is found in it: anchors, boundaries of words. Otherwise a
/// match in a part of a text is one in the whole.
pub fn looks_around(pattern: &str) -> bool {
    let mut parser = ParserBuilder::new().utf8(false).nest_limit(MAX_NESTING).build();
    parser
        .parse(pattern)
        .map_or(true, |hir| !hir.properties().look_set().is_empty())
}

/// The parser draws the place below the pattern, over several lines; the reason is the last one.
fn reason(text: &str) -> String {
    let last = text.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_patterns_compile() {
        for pattern in [
            r"^(?P<ip>\S+) \S+ \S+ \[(?P<time>[^\]]+)\] (?P<request>.*)$",
            r"\w+@\w+\.\w{2,10}",
            r"(?i)password=\S+",
            r"^\d{4}-\d{2}-\d{2}",
        ] {
            assert!(compile(pattern).is_ok(), "{pattern}");
        }
    }

    #[test]
    fn what_does_not_compile_is_explained_in_one_line() {
        let error = compile("(a").unwrap_err().to_string();
        assert_eq!(error, "\"(a\" is not a regular expression: unclosed group");
        let look = compile("(?=a)").unwrap_err().to_string();
        assert!(look.contains("look-around"), "{look}");
    }

    #[test]
    fn patterns_that_ask_what_stands_around_are_told_from_others() {
        for (pattern, expected) in [
            (r"token=\S+", false),
            (r"(?i)a|b{2,3}", false),
            (r"^a", true),
            (r"a$", true),
            (r"a|\bb", true),
            (r"(?:x(?m:$))?", true),
            ("(", true),
        ] {
            assert_eq!(looks_around(pattern), expected, "{pattern}");
        }
    }

    #[test]
    fn memory_is_bounded() {
        for pattern in [r"(\w{100}){100}", r"(((a{100}){100}){100}){100}", r"\pL{1000}"] {
            assert!(
                matches!(compile(pattern), Err(PatternError::TooLarge { .. })),
                "{pattern}"
            );
        }
        let deep = format!("{}a{}", "(".repeat(200), ")".repeat(200));
        assert!(compile(&deep).is_err());
    }
}
