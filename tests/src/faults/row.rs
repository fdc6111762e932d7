//! What became of many faults: one line of the table.

use super::trial::{Ended, Verdict};
use serde_json::{Value, json};

/// Counts of faults, and of those after which something was wrong.
#[derive(Debug, Clone, Default)]
pub struct Row {
    /// Whose calls.
    pub who: String,
    /// Which faults.
    pub what: String,
    /// How many there are.
    pub possible: usize,
    /// How many were tried.
    pub tried: usize,
    /// After which the call succeeded.
    pub survived: usize,
    /// After which it told success though something was missing, or crashed.
    pub wrong_exit: usize,
    /// After which stdout was not one result or error.
    pub bad_stdout: usize,
    /// After which it failed.
    pub failed: usize,
    /// Of these, after which the machine was byte for byte as before the call.
    pub as_before: usize,
    /// After which something was left right after the call, which did not succeed.
    pub left: usize,
    /// After which something was left after the next verb.
    pub left_by_next: usize,
    /// The same when that was a DEL without namespace.
    pub left_without_netns: usize,
    /// Each that was wrong, with its first line.
    pub examples: Vec<String>,
}

impl Row {
    /// Counts a verdict.
    pub fn add(&mut self, verdict: &Verdict) {
        self.tried += 1;
        self.survived += usize::from(verdict.ended == Ended::Survived);
        self.failed += usize::from(verdict.ended == Ended::Failed);
        self.as_before += usize::from(verdict.ended == Ended::Failed && verdict.as_before);
        let unfinished = Vec::new();
        // Who was killed cannot clean up.
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

    /// As an object.
    pub fn json(&self) -> Value {
        json!({
            "who": self.who, "what": self.what, "possible": self.possible, "tried": self.tried, "survived": self.survived,
            "failed": self.failed, "as_before": self.as_before, "wrong_exit": self.wrong_exit, "bad_stdout": self.bad_stdout, "left": self.left,
            "left_by_next": self.left_by_next, "left_without_netns": self.left_without_netns, "examples": self.examples,
        })
    }
}
