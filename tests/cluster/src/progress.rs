//! What the harness is doing, told to whoever waits for it, with the time since it began.
//!
//! Written to the process's standard error as such: the test runner captures the print macros, and a first build that
//! takes minutes must not look like a hang.

use std::fmt::Display;
use std::io::Write;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

static BEGAN: OnceLock<Instant> = OnceLock::new();

/// Tells one line. The clock starts with the first line of the process.
pub fn say(line: impl Display) {
    let elapsed = BEGAN.get_or_init(Instant::now).elapsed();
    // Nobody is left to be told when standard error is closed.
    let _ = writeln!(std::io::stderr(), "[{}] {line}", clock(elapsed));
}

/// A duration as a column of fixed width, in seconds and then in minutes.
fn clock(elapsed: Duration) -> String {
    let tenths = elapsed.as_millis() / 100;
    if tenths < 600 {
        format!("{:>5}.{} s", tenths / 10, tenths % 10)
    } else {
        let seconds = tenths / 10;
        format!("{:>3} m {:02} s", seconds / 60, seconds % 60)
    }
}

/// A duration in words, for the middle of a sentence.
pub(crate) fn duration(elapsed: Duration) -> String {
    clock(elapsed).trim_start().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elapsed_times_read_as_a_column() {
        let cases = [
            (0, "    0.0 s"),
            (3_249, "    3.2 s"),
            (59_999, "   59.9 s"),
            (60_000, "  1 m 00 s"),
            (754_000, " 12 m 34 s"),
        ];
        for (milliseconds, expected) in cases {
            assert_eq!(clock(Duration::from_millis(milliseconds)), expected);
        }
    }
}
