//! Test binaries: built here, executed in the VM.

use super::Target;
use crate::workspace::{Workspace, host_target};
use crate::{sh, test};
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A test binary that cargo built.
pub struct Binary {
    /// Its sources, for display.
    name: String,
    file: PathBuf,
    /// The directory of its package, where cargo would run it.
    dir: PathBuf,
    /// The filter for its tests.
    options: &'static [&'static str],
    /// The names of its tests to run. Empty for all that match.
    only: Vec<String>,
}

/// The part of cargo's build messages that we read.
#[derive(Deserialize)]
struct Artifact {
    manifest_path: Option<PathBuf>,
    target: Option<Built>,
    profile: Option<Profile>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Built {
    src_path: PathBuf,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

impl Binary {
    /// The binary of one test target.
    pub fn of_target(workspace: &Workspace, (package, target, options): Target) -> Result<Binary> {
        let found = build(workspace, package, &["--test", target])?.pop();
        let found = found.with_context(|| format!("cargo built no test {target} of {package}"))?;
        Ok(Binary { options, ..found })
    }

    /// The binaries of all targets of a package.
    pub fn of_package(workspace: &Workspace, package: &str) -> Result<Vec<Binary>> {
        let built = build(workspace, package, &[])?;
        ensure!(!built.is_empty(), "cargo built no test of {package}");
        Ok(built)
    }

    /// Its sources.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The names of the matching tests.
    pub fn names(&self, filter: &[String]) -> Result<Vec<String>> {
        let listed = sh::stdout(Command::new(&self.file).args(self.options).args(filter).arg("--list"))?;
        Ok(listed.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
    }

    /// Limits it to these tests.
    pub fn only(&mut self, names: Vec<String>) {
        self.only = names;
    }

    /// The shell command that executes it.
    pub fn command(&self, filter: &[String]) -> String {
        let path = |path: &Path| sh::quoted(&path.to_string_lossy());
        let options = self.options.iter().map(|option| (*option).to_owned());
        let chosen = if self.only.is_empty() { filter.to_vec() } else { self.exactly() };
        let filter: Vec<String> = options.chain(chosen.iter().map(|word| sh::quoted(word))).collect();
        let (dir, file) = (path(&self.dir), path(&self.file));
        let heading = sh::quoted(&format!("\n{}", self.name));
        format!("printf '%s\\n' {heading}; (cd {dir} && {file} --color=never {})", filter.join(" "))
    }

    fn exactly(&self) -> Vec<String> {
        std::iter::once("--exact".to_owned()).chain(self.only.iter().cloned()).collect()
    }
}

/// Builds all packages of `cargo xtask test`, so that it is the same build, and returns the binaries of this package.
fn build(workspace: &Workspace, package: &str, what: &[&str]) -> Result<Vec<Binary>> {
    let mut process = workspace.cargo(&["test", "--no-run", "--release", "--target", &host_target()]);
    process.args(test::packages(workspace)?).args(what).args(["--message-format", "json-render-diagnostics"]);
    eprintln!("$ {}", sh::line(&process));
    let mut found = Vec::new();
    for line in sh::stdout(&mut process)?.lines() {
        let artifact: Artifact = serde_json::from_str(line).context("cargo wrote something unexpected")?;
        // cargo also reports programs that tests execute, in any order.
        let Artifact {
            manifest_path: Some(manifest),
            target: Some(target),
            profile: Some(Profile { test: true }),
            executable: Some(file),
        } = artifact
        else {
            continue;
        };
        if !workspace.is_of(&manifest, package) {
            continue;
        }
        let dir = manifest.parent().context("a manifest is in a folder")?.to_owned();
        let name = target.src_path.strip_prefix(&workspace.root).unwrap_or(&target.src_path);
        found.push(Binary { name: name.display().to_string(), file, dir, options: &[], only: Vec::new() });
    }
    Ok(found)
}
