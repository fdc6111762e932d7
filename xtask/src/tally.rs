//! How many tests passed and failed, over several runs and checks.

use crate::sh;
use anyhow::{Context, Result};
use std::fmt;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// What ran so far. Shown as `N passed, N failed`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Tests and checks that passed.
    pub passed: u64,
    /// Those that did not.
    pub failed: u64,
}

impl Tally {
    /// Runs a check; it counts as one test.
    pub fn check(&mut self, check: impl FnOnce() -> Result<()>) {
        match check() {
            Ok(()) => self.passed += 1,
            Err(error) => {
                eprintln!("error: {error:#}");
                self.failed += 1;
            }
        }
    }

    /// Runs `cargo test` and counts what it reports. A run that fails without a failed test (it did not compile, it
    /// was killed) counts as one.
    pub fn tests(&mut self, process: &mut Command) -> Result<()> {
        eprintln!("$ {}", sh::line(process));
        let mut child = process.stdout(Stdio::piped()).spawn().context("failed to start `cargo test`")?;
        let mut run = Tally::default();
        for line in BufReader::new(child.stdout.take().context("no stdout")?).lines() {
            let line = line.context("failed to read what `cargo test` writes")?;
            println!("{line}");
            run.count(&line);
        }
        let status = child.wait().context("failed to wait for `cargo test`")?;
        if let Err(error) = sh::check(process, status)
            && run.failed == 0
        {
            eprintln!("error: {error:#}");
            run.failed = 1;
        }
        self.passed += run.passed;
        self.failed += run.failed;
        Ok(())
    }

    /// Adds the numbers of a line like `test result: ok. 3 passed; 0 failed; 0 ignored; …`.
    fn count(&mut self, line: &str) {
        let Some((_, counts)) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        for count in counts.split("; ") {
            match count.split_once(' ').and_then(|(number, what)| Some((number.parse::<u64>().ok()?, what))) {
                Some((number, "passed")) => self.passed += number,
                // A test that is skipped where everything should run has shown nothing.
                Some((number, "failed" | "ignored")) => self.failed += number,
                _ => {}
            }
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_every_test_of_every_run() {
        let mut tally = Tally::default();
        tally.count("running 4 tests");
        tally.count(
            "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
        );
        tally.count("test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 5 filtered out; finished in 1.20s");
        assert_eq!(tally.to_string(), "4 passed, 2 failed");
    }

    #[test]
    fn an_ignored_test_is_a_failure() {
        let mut tally = Tally::default();
        tally.count(
            "test result: ok. 1 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
        );
        assert_eq!(tally, Tally { passed: 1, failed: 1 });
    }

    #[test]
    fn a_run_that_fails_without_a_failed_test_is_a_failure() {
        let mut tally = Tally::default();
        tally
            .tests(Command::new("sh").args(["-c", "echo 'test result: ok. 2 passed; 0 failed'; exit 101"]))
            .unwrap();
        assert_eq!(tally, Tally { passed: 2, failed: 1 });
    }

    #[test]
    fn a_run_that_passes_counts_only_its_tests() {
        let mut tally = Tally::default();
        tally.tests(Command::new("sh").args(["-c", "echo 'test result: ok. 2 passed; 0 failed'"])).unwrap();
        assert_eq!(tally, Tally { passed: 2, failed: 0 });
    }
}
