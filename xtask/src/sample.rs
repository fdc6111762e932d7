//! What one run takes of what is sampled (`tests/sample`): by the commit, so that the run can be had again and the next commit tries others.

use crate::workspace::Workspace;
use anyhow::{Context, Result};
use std::process::Command;
use wasm_cni_sample::{FIXED, SAMPLE, SEED};

/// The variables that tell it to tests: the seed, and whether everything is taken.
pub type Environment = Vec<(&'static str, String)>;

/// What a run takes: everything, or by this seed, or by that of the environment, or by that of the commit. Says which.
pub fn environment(workspace: &Workspace, whole: bool, seed: Option<u64>) -> Result<Environment> {
    let said = std::env::var(SEED).ok().map(|text| text.parse::<u64>()).transpose();
    let said = seed.or(said.with_context(|| format!("{SEED} is no number"))?);
    let (seed, from) = match (said, commit(workspace)) {
        (Some(seed), _) => (seed, "as it was asked for".to_owned()),
        (None, Some(commit)) => (of_commit(&commit), format!("by commit {commit}")),
        (None, None) => (FIXED, "the fixed one, as this is no clone".to_owned()),
    };
    eprintln!(
        "seed of what is sampled: {seed}, {from}; {SEED}={seed} takes the same again, `--whole` everything"
    );
    let mut environment = vec![(SEED, seed.to_string())];
    if whole {
        environment.push((SAMPLE, "all".to_owned()));
    } else if let Ok(size) = std::env::var(SAMPLE) {
        environment.push((SAMPLE, size));
    }
    Ok(environment)
}

/// Tells it to a process.
pub fn set(process: &mut Command, environment: &Environment) {
    process.envs(environment.iter().map(|(name, value)| (name, value)));
}

/// At most so many of these, in their order; and says of how many.
pub fn choose<T>(what: &str, values: Vec<T>, most: usize, environment: &Environment) -> Vec<T> {
    let find = |wanted| environment.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.as_str());
    let seed = find(SEED).and_then(|seed| seed.parse().ok()).unwrap_or(FIXED);
    let most = if find(SAMPLE) == Some("all") { usize::MAX } else { most };
    let (chosen, text) = wasm_cni_sample::chosen(what, values, most, seed);
    eprintln!("{text}");
    chosen
}

fn commit(workspace: &Workspace) -> Option<String> {
    let mut git = Command::new("git");
    git.args(["rev-parse", "HEAD"]).current_dir(&workspace.root).stderr(std::process::Stdio::null());
    let output = git.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The first twelve digits of a commit, as a number.
fn of_commit(commit: &str) -> u64 {
    let digits: String = commit.chars().take(12).collect();
    u64::from_str_radix(&digits, 16).unwrap_or(FIXED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_a_seed_that_another_commit_does_not_have() {
        assert_eq!(of_commit("d020793fffffaaaa"), 0xd020_793f_ffff);
        assert_ne!(of_commit("d020793fffffaaaa"), of_commit("8fcfd51fffffaaaa"));
    }
}
