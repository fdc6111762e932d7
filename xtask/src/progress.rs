//! What runs now, and how long it all will take yet: by how long each stage took the last time, here or in CI.

use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Seconds by stage.
type Times = BTreeMap<String, f64>;

/// How long the stages took in a run from nothing on two processors, for the first run on a machine.
const COMMITTED: &str = include_str!("times.json");

/// The stages of a run.
pub struct Progress {
    file: PathBuf,
    expected: Times,
    source: &'static str,
    taken: Times,
    present: Option<(String, Instant)>,
}

impl Progress {
    /// Of a run whose times are kept below `target`.
    pub fn open(target: &Path) -> Result<Progress> {
        let file = target.join("xtask-test-times.json");
        let (expected, source) = match fs::read(&file) {
            Ok(kept) => (serde_json::from_slice(&kept).unwrap_or_default(), "by the last run here"),
            Err(_) => (serde_json::from_str(COMMITTED)?, "by xtask/src/times.json"),
        };
        Ok(Progress { file, expected, source, taken: Times::new(), present: None })
    }

    /// A stage begins, and the one before it has ended. Says so.
    pub fn begin(&mut self, stage: &str) {
        self.end_stage();
        let left = self.left(stage);
        eprintln!("==> {stage}: about {} min left, {}", minutes(left), self.source);
        self.present = Some((stage.to_owned(), Instant::now()));
    }

    /// The run has ended; the times of one that was whole are kept for the next.
    pub fn end(mut self, is_whole: bool) -> Result<()> {
        self.end_stage();
        if !is_whole {
            return Ok(());
        }
        let kept = serde_json::to_string_pretty(&self.taken)?;
        fs::write(&self.file, kept + "\n").with_context(|| format!("failed to write {}", self.file.display()))
    }

    fn end_stage(&mut self) {
        if let Some((stage, begun)) = self.present.take() {
            *self.taken.entry(stage).or_default() += begun.elapsed().as_secs_f64();
        }
    }

    /// What the stages take that have not ended: this one, and those that have not begun.
    fn left(&self, stage: &str) -> Duration {
        let is_to_come = |name: &str| name == stage || !self.taken.contains_key(name);
        let seconds: f64 =
            self.expected.iter().filter(|(name, _)| is_to_come(name)).map(|(_, seconds)| seconds).sum();
        Duration::from_secs_f64(seconds)
    }
}

/// The stage that a line of cargo's begins: `Running tests/audit.rs (target/…/audit-0123456789abcdef)`.
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
    fn what_is_left_is_what_the_stages_took_that_have_not_ended() {
        let target = tempfile::tempdir().unwrap();
        let times = r#"{"build": 600, "tests/a.rs (a)": 60, "tests/b.rs (b)": 90}"#;
        fs::write(target.path().join("xtask-test-times.json"), times).unwrap();
        let mut progress = Progress::open(target.path()).unwrap();
        assert_eq!(minutes(progress.left("build")), 13);
        progress.begin("build");
        progress.begin("tests/a.rs (a)");
        assert_eq!(progress.left("tests/a.rs (a)"), Duration::from_secs(150));
        progress.end(true).unwrap();
        let kept = fs::read(target.path().join("xtask-test-times.json")).unwrap();
        let kept: Times = serde_json::from_slice(&kept).unwrap();
        assert_eq!(kept.keys().collect::<Vec<_>>(), ["build", "tests/a.rs (a)"]);
    }

    #[test]
    fn cargo_tells_which_binary_runs() {
        let line = "     Running unittests src/lib.rs (target/x/release/deps/wasm_cni-797e3f02c09ec851)";
        assert_eq!(stage_of(line).as_deref(), Some("unittests src/lib.rs (wasm_cni)"));
        assert_eq!(stage_of("   Compiling wasm-cni v0.1.0 (/x)"), None);
    }

    #[test]
    fn the_committed_times_are_read() {
        let times: Times = serde_json::from_str(COMMITTED).unwrap();
        assert!(times.values().sum::<f64>() > 600.0, "{times:?}");
    }
}
