//! Reads what Rust's test programs print.

/// Adds up the results of test programs, line by line.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Results {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed.
    pub failed: u64,
    /// The names of those that failed, in order.
    pub failures: Vec<String>,
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
            self.failures.push(name.to_owned());
        }
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
            failures: vec!["plan::b".to_owned()],
        };
        assert_eq!(results(output), expected);
    }

    #[test]
    fn what_a_test_prints_is_not_taken_for_a_result() {
        assert_eq!(
            results("test of patience\n  test result: 5 passed\nresult: ok. 7 passed;\n"),
            Results::default()
        );
    }
}
