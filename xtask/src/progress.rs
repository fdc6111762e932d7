//! Lines with the current stage of a run and the time left, which follows from the last run on this machine.

use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Seconds by stage.
type Times = BTreeMap<String, f64>;

/// The stages of a run.
#[derive(Default)]
pub struct Progress {
    /// The file with the times of the last run. None for a run of some tests only: its times say nothing about others.
    file: Option<PathBuf>,
    /// The times of the last run. None if there was none.
    expected: Option<Times>,
    taken: Times,
    present: Option<(String, Instant)>,
}

impl Progress {
    /// The progress of a run of everything, whose times are kept below `target`: those of runs with and without samples
    /// separately.
    pub fn open(target: &Path, whole: bool) -> Progress {
        let name = if whole { "xtask-test-whole-times.json" } else { "xtask-test-times.json" };
        let file = target.join(name);
        let expected = fs::read(&file).ok().and_then(|kept| serde_json::from_slice(&kept).ok());
        Progress { file: Some(file), expected, ..Progress::default() }
    }

    /// Ends the previous stage, begins this one, and prints it.
    pub fn begin(&mut self, stage: &str) {
        self.end_stage();
        eprintln!("==> {}", self.line(stage));
        self.present = Some((stage.to_owned(), Instant::now()));
    }

    /// Ends the run, and keeps its times for the next one.
    pub fn end(mut self) -> Result<()> {
        self.end_stage();
        let Some(file) = &self.file else { return Ok(()) };
        let kept = serde_json::to_string_pretty(&self.taken)?;
        fs::write(file, kept + "\n").with_context(|| format!("failed to write {}", file.display()))
    }

    fn end_stage(&mut self) {
        if let Some((stage, begun)) = self.present.take() {
            *self.taken.entry(stage).or_default() += begun.elapsed().as_secs_f64();
        }
    }

    fn line(&self, stage: &str) -> String {
        match self.left(stage) {
            Some(left) => format!("{stage}: about {} min left, as in the last run here", minutes(left)),
            None if self.file.is_some() => format!("{stage}: no times of an earlier run"),
            None => stage.to_owned(),
        }
    }

    /// The time of the stages that have not ended: this one, and those that have not begun.
    fn left(&self, stage: &str) -> Option<Duration> {
        let is_to_come = |name: &str| name == stage || !self.taken.contains_key(name);
        let expected = self.expected.as_ref()?;
        let seconds = expected.iter().filter(|(name, _)| is_to_come(name)).map(|(_, seconds)| seconds).sum();
        Some(Duration::from_secs_f64(seconds))
    }
}

/// The stage that begins with a line of cargo's output: `Running tests/audit.rs (target/…/audit-0123456789abcdef)`.
pub fn stage_of(line: &str) -> Option<String> {
    let (what, file) = line.trim().strip_prefix("Running ")?.split_once(" (")?;
    let name = file.rsplit('/').next()?.trim_end_matches(')');
    let (name, _) = name.rsplit_once('-')?;
    Some(format!("{what} ({name})"))
}

/// Whole minutes, rounded up.
fn minutes(left: Duration) -> u64 {
    left.as_secs().div_ceil(60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_is_that_of_the_stages_that_have_not_ended() {
        let target = tempfile::tempdir().unwrap();
        let times = r#"{"build": 600, "tests/a.rs (a)": 60, "tests/b.rs (b)": 90}"#;
        fs::write(target.path().join("xtask-test-times.json"), times).unwrap();
        let mut progress = Progress::open(target.path(), false);
        assert_eq!(progress.line("build"), "build: about 13 min left, as in the last run here");
        progress.begin("build");
        progress.begin("tests/a.rs (a)");
        assert_eq!(progress.left("tests/a.rs (a)"), Some(Duration::from_secs(150)));
        progress.end().unwrap();
        let kept = fs::read(target.path().join("xtask-test-times.json")).unwrap();
        let kept: Times = serde_json::from_slice(&kept).unwrap();
        assert_eq!(kept.keys().collect::<Vec<_>>(), ["build", "tests/a.rs (a)"]);
    }

    #[test]
    fn a_stage_is_the_binary_that_cargo_runs() {
        let line = "     Running unittests src/lib.rs (target/x/release/deps/wasm_cni-797e3f02c09ec851)";
        assert_eq!(stage_of(line).as_deref(), Some("unittests src/lib.rs (wasm_cni)"));
        assert_eq!(stage_of("   Compiling wasm-cni v0.1.0 (/x)"), None);
    }

    #[test]
    fn without_an_earlier_run_there_is_no_estimate() {
        let target = tempfile::tempdir().unwrap();
        let progress = Progress::open(target.path(), false);
        assert_eq!(progress.line("build"), "build: no times of an earlier run");
        assert_eq!(Progress::default().line("build"), "build");
    }
}
