//! Counts passed and failed tests over several runs and checks.

use crate::progress::{Progress, stage_of};
use crate::sh;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use std::fmt;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// The counts so far. Displayed as `N passed, N failed`.
#[derive(Debug, Default)]
pub struct Tally {
    passed: u64,
    failed: u64,
    /// Tests that were skipped because the VM runs them, and that have not run there yet.
    for_vm: BTreeSet<String>,
    /// The number of such tests in the current run.
    skipped_for_vm: u64,
    /// The output of failed tests, each with the heading of the test harness.
    said: Vec<String>,
    /// Whether the last output continues.
    is_going_on: bool,
}

/// The end of the reason of a skipped test that `xtask test` runs in its VM.
const FOR_VM: &str = "`cargo xtask vm` runs it";

/// The number of lines of a test's output that are repeated at the end.
const LINES: usize = 60;

impl Tally {
    /// Runs a check; it counts as one test.
    pub fn check(&mut self, check: impl FnOnce() -> Result<()>) {
        match check() {
            Ok(()) => self.passed += 1,
            Err(error) => self.fail(&error),
        }
    }

    /// Counts a failure that is no test.
    pub fn fail(&mut self, error: &anyhow::Error) {
        eprintln!("error: {error:#}");
        self.said.push(format!("error: {error:#}"));
        self.failed += 1;
    }

    /// Prints the failures again, with their output, and at the end `N passed, N failed`; an error if anything failed.
    pub fn end(&self) -> Result<()> {
        for said in &self.said {
            let lines: Vec<&str> = said.trim_end().lines().collect();
            println!("\n{}", lines.iter().take(LINES).copied().collect::<Vec<_>>().join("\n"));
            if lines.len() > LINES {
                println!("… and {} more lines, above", lines.len() - LINES);
            }
        }
        println!("{}{self}", if self.said.is_empty() { "" } else { "\n" });
        ensure!(self.for_vm.is_empty(), "left to the VM, which did not run them: {:?}", self.for_vm);
        ensure!(self.failed == 0, "not everything passed");
        Ok(())
    }

    /// Runs `cargo test` and counts its results. A run that fails without a failed test (it did not compile, it was
    /// killed) counts as one failure. Each test binary is a stage.
    pub fn tests(&mut self, process: &mut Command, progress: &mut Progress) -> Result<()> {
        eprintln!("$ {}", sh::line(process));
        process.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = process.spawn().context("failed to start `cargo test`")?;
        let output = BufReader::new(child.stdout.take().context("no stdout")?);
        let errors = BufReader::new(child.stderr.take().context("no stderr")?);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for line in errors.split(b'\n').map_while(Result::ok) {
                    let line = String::from_utf8_lossy(&line);
                    eprintln!("{line}");
                    if let Some(stage) = stage_of(&line) {
                        progress.begin(&stage);
                    }
                }
            });
            self.run(output, || sh::check(process, child.wait().context("failed to wait for `cargo test`")?))
        })
    }

    /// Prints the output of a test run, and counts its results; `end` returns whether the run succeeded. If it did not,
    /// without a failed test, that counts as one failure.
    pub fn run(&mut self, output: impl BufRead, end: impl FnOnce() -> Result<()>) -> Result<()> {
        let failed = self.failed;
        for line in output.split(b'\n') {
            let line = line.context("failed to read what the tests write")?;
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            self.leave_to_vm(&line);
            self.count(&line);
            self.listen(&line);
        }
        if let Err(error) = end()
            && self.failed == failed
        {
            self.fail(&error);
        }
        Ok(())
    }

    /// Records a test that only the VM can run, until it has passed there.
    fn leave_to_vm(&mut self, line: &str) {
        let Some((name, result)) = line.strip_prefix("test ").and_then(|test| test.split_once(" ... "))
        else {
            return;
        };
        if result.starts_with("ignored") && result.ends_with(FOR_VM) {
            self.for_vm.insert(name.to_owned());
            self.skipped_for_vm += 1;
        } else if result == "ok" {
            self.for_vm.remove(name);
        }
    }

    /// These tests that only the VM can run are not in the sample of this run.
    pub fn leave_out(&mut self, tests: &[String]) {
        self.for_vm.retain(|name| !tests.contains(name));
    }

    /// Keeps the output of failed tests: from their heading to the next one, or to the list of their names.
    fn listen(&mut self, line: &str) {
        if line.starts_with("---- ") && line.ends_with(" stdout ----") {
            self.said.push(String::new());
            self.is_going_on = true;
        }
        self.is_going_on &= line != "failures:";
        match self.said.last_mut() {
            Some(said) if self.is_going_on => *said += &format!("{line}\n"),
            _ if line.starts_with("test ") && line.contains(" ... ignored") && !line.ends_with(FOR_VM) => {
                self.said.push(line.to_owned())
            }
            _ => {}
        }
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
                // Every test should run here; a skipped test has proved nothing.
                Some((number, "failed")) => self.failed += number,
                Some((number, "ignored")) => {
                    self.failed += number.saturating_sub(std::mem::take(&mut self.skipped_for_vm));
                }
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
        assert_eq!(tally.to_string(), "1 passed, 1 failed");
    }

    #[test]
    fn a_test_that_is_left_to_the_vm_has_to_pass_there() {
        let here = "test a ... ok\ntest b ... ignored, takes VLANs: `cargo xtask vm` runs it\n\
            test result: ok. 1 passed; 0 failed; 1 ignored\n";
        let mut tally = Tally::default();
        tally.run(here.as_bytes(), || Ok(())).unwrap();
        assert!(tally.end().is_err(), "nobody has run it");
        let mut sampled = Tally::default();
        sampled.run(here.as_bytes(), || Ok(())).unwrap();
        sampled.leave_out(&["b".to_owned()]);
        sampled.end().unwrap();
        tally
            .run("test b ... ok\ntest result: ok. 1 passed; 0 failed; 0 ignored\n".as_bytes(), || Ok(()))
            .unwrap();
        assert_eq!(tally.to_string(), "2 passed, 0 failed");
        tally.end().unwrap();
    }

    #[test]
    fn a_run_that_fails_without_a_failed_test_is_a_failure() {
        let mut tally = Tally::default();
        tally
            .tests(
                Command::new("sh").args(["-c", "echo 'test result: ok. 2 passed; 0 failed'; exit 101"]),
                &mut Progress::default(),
            )
            .unwrap();
        assert_eq!(tally.to_string(), "2 passed, 1 failed");
        assert!(tally.said[0].contains("exit status: 101"), "{:?}", tally.said);
    }

    #[test]
    fn a_run_that_passes_counts_only_its_tests() {
        let mut tally = Tally::default();
        let mut progress = Progress::default();
        let mut process = Command::new("sh");
        process.args(["-c", "echo 'test result: ok. 2 passed; 0 failed'"]);
        tally.tests(&mut process, &mut progress).unwrap();
        assert_eq!(tally.to_string(), "2 passed, 0 failed");
    }

    #[test]
    fn what_failed_tests_said_is_kept_for_the_end() {
        let output = "test a ... FAILED\ntest c ... ignored, why\n\nfailures:\n\n---- a stdout ----\nleft: 1\n\n\
            ---- b stdout ----\nright: 2\n\n\nfailures:\n    a\n    b\n\ntest result: FAILED. 0 passed; 2 failed; 1 ignored\n";
        let mut tally = Tally::default();
        tally.run(output.as_bytes(), || anyhow::bail!("exit status: 101")).unwrap();
        let said: Vec<&str> = tally.said.iter().map(|said| said.trim_end()).collect();
        assert_eq!(
            said,
            ["test c ... ignored, why", "---- a stdout ----\nleft: 1", "---- b stdout ----\nright: 2"]
        );
        assert!(tally.end().is_err());
    }
}
