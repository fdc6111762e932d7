//! The samples of a run (`tests/sample`). The seed follows from the commit: a run can be repeated, and the next commit
//! draws other samples.

use crate::workspace::Workspace;
use anyhow::{Context, Result};
use std::process::Command;
use wasm_cni_sample::{FIXED, SAMPLE, SEED};

/// The variables that the tests read: the seed, and the size of a sample.
pub type Environment = Vec<(&'static str, String)>;

/// Chooses the seed: this one, or that of the environment, or that of the commit. Prints it.
pub fn environment(workspace: &Workspace, whole: bool, seed: Option<u64>) -> Result<Environment> {
    let said = std::env::var(SEED).ok().map(|text| text.parse::<u64>()).transpose();
    let said = seed.or(said.with_context(|| format!("{SEED} is not a number"))?);
    let (seed, from) = match (said, commit(workspace)) {
        (Some(seed), _) => (seed, "as requested".to_owned()),
        (None, Some(commit)) => (of_commit(&commit), format!("from commit {commit}")),
        (None, None) => (FIXED, "the default, because this is not a git clone".to_owned()),
    };
    eprintln!(
        "seed of the samples: {seed}, {from}; {SEED}={seed} draws the same again, `--whole` runs everything"
    );
    let mut environment = vec![(SEED, seed.to_string())];
    if whole {
        environment.push((SAMPLE, "all".to_owned()));
    } else if let Ok(size) = std::env::var(SAMPLE) {
        environment.push((SAMPLE, size));
    }
    Ok(environment)
}

/// Passes it to a process.
pub fn set(process: &mut Command, environment: &Environment) {
    process.envs(environment.iter().map(|(name, value)| (name, value)));
}

/// Draws at most `most` values, keeps their order, and prints both numbers.
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
    fn each_commit_has_its_own_seed() {
        assert_eq!(of_commit("d020793fffffaaaa"), 0xd020_793f_ffff);
        assert_ne!(of_commit("d020793fffffaaaa"), of_commit("8fcfd51fffffaaaa"));
    }
}
