//! Test binaries: built here, executed in the VM.

use super::Target;
use crate::sh;
use crate::workspace::{Workspace, host_target};
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
        let found = build(workspace, &["--package", package, "--test", target])?.pop();
        let found = found.with_context(|| format!("cargo built no test {target} of {package}"))?;
        Ok(Binary { options, ..found })
    }

    /// The binaries of all targets of packages. Each package is built by itself, so that none changes another's
    /// features.
    pub fn of_packages(workspace: &Workspace, packages: &[&str]) -> Result<Vec<Binary>> {
        let mut found = Vec::new();
        for package in packages {
            let built = build(workspace, &["--package", package])?;
            ensure!(!built.is_empty(), "cargo built no test of {package}");
            found.extend(built);
        }
        Ok(found)
    }

    /// Whether no test matches.
    pub fn has_none(&self, filter: &[String]) -> Result<bool> {
        let listed = sh::stdout(Command::new(&self.file).args(self.options).args(filter).arg("--list"))?;
        Ok(!listed.lines().any(|line| line.ends_with(": test")))
    }

    /// The shell command that executes it.
    pub fn command(&self, filter: &[String]) -> String {
        let path = |path: &Path| sh::quoted(&path.to_string_lossy());
        let options = self.options.iter().map(|option| (*option).to_owned());
        let filter: Vec<String> = options.chain(filter.iter().map(|word| sh::quoted(word))).collect();
        let (dir, file) = (path(&self.dir), path(&self.file));
        let heading = sh::quoted(&format!("\n{}", self.name));
        format!("printf '%s\\n' {heading}; (cd {dir} && {file} --color=never {})", filter.join(" "))
    }
}

fn build(workspace: &Workspace, what: &[&str]) -> Result<Vec<Binary>> {
    let mut process = workspace.cargo(&["test", "--no-run", "--release", "--target", &host_target()]);
    process.args(what).args(["--message-format", "json-render-diagnostics"]);
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
        let dir = manifest.parent().context("a manifest is in a folder")?.to_owned();
        let name = target.src_path.strip_prefix(&workspace.root).unwrap_or(&target.src_path);
        found.push(Binary { name: name.display().to_string(), file, dir, options: &[] });
    }
    Ok(found)
}
