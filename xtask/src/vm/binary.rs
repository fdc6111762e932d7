//! Test binaries: built here, executed in the VM.

use super::Target;
use crate::sh;
use crate::workspace::{Workspace, host_target};
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One that cargo built.
pub struct Binary {
    /// What it is built from, for people.
    name: String,
    file: PathBuf,
    /// Its package, where cargo would run it.
    dir: PathBuf,
    /// What tells the tests that are meant from others.
    options: &'static [&'static str],
}

/// The part that we read of what cargo says of each thing that it built.
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
    /// That of one test target.
    pub fn of_target(workspace: &Workspace, (package, target, options): Target) -> Result<Binary> {
        let found = build(workspace, &["--package", package, "--test", target])?.pop();
        let found = found.with_context(|| format!("cargo built no test {target} of {package}"))?;
        Ok(Binary { options, ..found })
    }

    /// Those of all targets of packages, each built by itself, so that none changes another's features.
    pub fn of_packages(workspace: &Workspace, packages: &[&str]) -> Result<Vec<Binary>> {
        let mut found = Vec::new();
        for package in packages {
            let built = build(workspace, &["--package", package])?;
            ensure!(!built.is_empty(), "cargo built no test of {package}");
            found.extend(built);
        }
        Ok(found)
    }

    /// Whether no test of it matches.
    pub fn has_none(&self, filter: &[String]) -> Result<bool> {
        let listed = sh::stdout(Command::new(&self.file).args(self.options).args(filter).arg("--list"))?;
        Ok(!listed.lines().any(|line| line.ends_with(": test")))
    }

    /// The shell's command that executes it.
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
        // Programs that tests execute are built and told of, too, in whatever order.
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
