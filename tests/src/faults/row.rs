//! The outcomes of many faults: one line of the table.

use super::trial::{Ended, Verdict};
use serde_json::{Value, json};

/// The number of faults, and of faults with each kind of wrong outcome.
#[derive(Debug, Clone, Default)]
pub struct Row {
    /// The implementation.
    pub who: String,
    /// The kind of fault.
    pub what: String,
    /// The number of possible faults.
    pub possible: usize,
    /// The number of tried faults.
    pub tried: usize,
    /// The call succeeded.
    pub survived: usize,
    /// The call succeeded although something is missing, or it crashed.
    pub wrong_exit: usize,
    /// stdout was not exactly one result or error.
    pub bad_stdout: usize,
    /// The call failed.
    pub failed: usize,
    /// The call failed, and the machine was byte for byte as before.
    pub as_before: usize,
    /// The call did not succeed, and something was left right after it.
    pub left: usize,
    /// Something was left after the next verb.
    pub left_by_next: usize,
    /// The same, where the next verb is a DEL without namespace.
    pub left_without_netns: usize,
    /// Each wrong outcome, with its first line.
    pub examples: Vec<String>,
}

impl Row {
    /// Adds a verdict.
    pub fn add(&mut self, verdict: &Verdict) {
        self.tried += 1;
        self.survived += usize::from(verdict.ended == Ended::Survived);
        self.failed += usize::from(verdict.ended == Ended::Failed);
        self.as_before += usize::from(verdict.ended == Ended::Failed && verdict.as_before);
        let unfinished = Vec::new();
        // A killed process cannot clean up.
        let left = if verdict.ended == Ended::Killed { &unfinished } else { &verdict.left };
        for (count, what, lines) in [
            (&mut self.wrong_exit, "wrong exit", &verdict.wrong_exit),
            (&mut self.bad_stdout, "stdout", &verdict.bad_stdout),
            (&mut self.left, "left", left),
            (&mut self.left_by_next, "left after DEL", &verdict.left_by_del),
            (&mut self.left_without_netns, "left after DEL without namespace", &verdict.left_without_netns),
        ] {
            if let Some(first) = lines.first() {
                *count += 1;
                let more = lines.len() - 1;
                let shown: String = first.chars().take(300).collect();
                let fault = &verdict.fault;
                self.examples.push(format!("{}, {fault}: {what}: {shown} (and {more} more)", self.what));
            }
        }
    }

    /// As a JSON object.
    pub fn json(&self) -> Value {
        json!({
            "who": self.who, "what": self.what, "possible": self.possible, "tried": self.tried, "survived": self.survived,
            "failed": self.failed, "as_before": self.as_before, "wrong_exit": self.wrong_exit, "bad_stdout": self.bad_stdout, "left": self.left,
            "left_by_next": self.left_by_next, "left_without_netns": self.left_without_netns, "examples": self.examples,
        })
    }
}
