//! Reads what Rust's test programs print.

/// How much of a test's last words is repeated at the end of the run.
const WORDS: usize = 12;

/// Adds up the results of test programs, line by line.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Results {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed.
    pub failed: u64,
    /// Those that failed, in order.
    pub failures: Vec<Failure>,
    listening: Option<Listening>,
}

/// A test that failed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Failure {
    pub name: String,
    /// Where it panicked and why, a line each.
    pub words: Vec<String>,
}

/// To the output of the test with this number among the failures.
#[derive(Debug, PartialEq, Eq)]
struct Listening {
    failure: usize,
    has_panicked: bool,
}

impl Results {
    /// Takes one line of output.
    pub fn read(&mut self, line: &str) {
        if let Some(counts) = line.strip_prefix("test result: ") {
            self.passed += count(counts, "passed");
            self.failed += count(counts, "failed");
        } else if let Some(name) = line
            .strip_prefix("test ")
            .and_then(|rest| rest.strip_suffix(" ... FAILED"))
        {
            self.failures.push(Failure {
                name: name.to_owned(),
                words: Vec::new(),
            });
        } else if let Some(name) = line
            .strip_prefix("---- ")
            .and_then(|rest| rest.strip_suffix(" stdout ----"))
        {
            let failure = self.failures.iter().rposition(|failure| failure.name == name);
            self.listening = failure.map(|failure| Listening {
                failure,
                has_panicked: false,
            });
        } else {
            self.listen(line);
        }
    }

    /// Keeps what a test says once it has panicked.
    fn listen(&mut self, line: &str) {
        let Some(listening) = &mut self.listening else {
            return;
        };
        listening.has_panicked |= line.starts_with("thread '") && line.contains(" panicked at ");
        let words = &mut self.failures[listening.failure].words;
        if line == "failures:"
            || line == "stack backtrace:"
            || line.starts_with("note: run with")
            || words.len() == WORDS
        {
            self.listening = None;
        } else if listening.has_panicked && !line.is_empty() {
            words.push(line.to_owned());
        }
    }

    /// What there is to say about the tests that failed.
    pub fn fault(&self) -> String {
        let names: Vec<_> = self.failures.iter().map(|failure| failure.name.as_str()).collect();
        let words = self.failures.iter().flat_map(|failure| &failure.words);
        words.fold(format!("failed: {}", names.join(", ")), |text, line| {
            text + "\n    " + line
        })
    }
}

/// The number in front of a word, as in `ok. 23 passed; 0 failed; ...`.
fn count(counts: &str, word: &str) -> u64 {
    counts
        .split([';', '.'])
        .filter_map(|part| part.trim().split_once(' '))
        .find_map(|(number, what)| (what == word).then(|| number.parse().ok())?)
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(output: &str) -> Results {
        let mut results = Results::default();
        output.lines().for_each(|line| results.read(line));
        results
    }

    #[test]
    fn results_of_all_programs_are_added_up() {
        let output = "running 2 tests\n\
            test a ... ok\n\
            test plan::b ... FAILED\n\
            test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
            test result: ok. 23 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 10.02s\n";
        let expected = Results {
            passed: 24,
            failed: 1,
            failures: vec![Failure {
                name: "plan::b".to_owned(),
                words: Vec::new(),
            }],
            listening: None,
        };
        assert_eq!(results(output), expected);
    }

    #[test]
    fn the_last_words_of_a_test_that_failed_are_kept() {
        let output = "running 1 test\n\
            test plan::b ... FAILED\n\
            \n\
            failures:\n\
            \n\
            ---- plan::b stdout ----\n\
            [    1.5 s] the API server is ready\n\
            \n\
            thread 'plan::b' (17) panicked at plan.rs:7:9:\n\
            not the same\n\
            note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n\
            \n\
            failures:\n    plan::b\n";
        assert_eq!(
            results(output).fault(),
            "failed: plan::b\n    thread 'plan::b' (17) panicked at plan.rs:7:9:\n    not the same"
        );
    }

    #[test]
    fn long_last_words_are_cut() {
        let output = "test a ... FAILED\n---- a stdout ----\nthread 'a' panicked at a.rs:1:1:\n".to_owned();
        assert_eq!(
            results(&(output + &"word\n".repeat(99))).fault().lines().count(),
            1 + WORDS
        );
    }

    #[test]
    fn what_a_test_prints_is_not_taken_for_a_result() {
        assert_eq!(
            results("test of patience\n  test result: 5 passed\nresult: ok. 7 passed;\n"),
            Results::default()
        );
    }
}
