//! `cargo xtask reproduce`: builds a second time, from a copy of the sources and with another home, and compares the
//! bytes. A policy pins the digest of a component, so every builder must get the same digest.

use crate::dist::{self, Built};
use crate::machine;
use crate::workspace::{GUEST_TARGET, Workspace, host_target};
use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Builds the components twice, and with `with_programs` also the host and the compiler. Fails if any of them differ.
pub fn run(with_programs: bool) -> Result<()> {
    let workspace = Workspace::read()?;
    machine::ensure_targets(&[&host_target(), GUEST_TARGET])?;
    twice(&workspace, |workspace| {
        let mut built = build_components(workspace)?;
        if with_programs {
            built.append(&mut dist::programs(workspace)?);
        }
        Ok(built)
    })
}

/// Builds the components twice: the first time where `dist::build` does.
pub fn components(workspace: &Workspace) -> Result<()> {
    twice(workspace, build_components)
}

fn build_components(workspace: &Workspace) -> Result<Vec<Built>> {
    let mut guests = workspace.plugins()?;
    guests.append(&mut workspace.example_plugins()?);
    dist::components(workspace, &guests)
}

fn twice(workspace: &Workspace, build: impl Fn(&Workspace) -> Result<Vec<Built>>) -> Result<()> {
    let again = Again::new(workspace)?;
    let (first, second) = (build(workspace)?, build(&again.workspace)?);
    again.compare(&first, &second)
}

/// A copy of the workspace, with the environment of another user. It is removed at the end, unless the builds differ.
struct Again {
    dir: TempDir,
    workspace: Workspace,
}

impl Again {
    /// Copies the sources, and makes a home that shares only the downloaded packages with ours.
    fn new(workspace: &Workspace) -> Result<Again> {
        let dir = tempfile::tempdir().context("no temporary folder")?;
        let (clone, home) = (dir.path().join("somewhere else/clone"), dir.path().join("home"));
        copy(&workspace.root, &clone, &[&workspace.target_dir, &workspace.root.join(".git")])?;
        let cargo_home = home.join("cargo");
        share_downloads(&home_of("CARGO_HOME", ".cargo")?, &cargo_home)?;
        let environment: Vec<(&str, OsString)> = vec![
            ("HOME", home.into()),
            ("USER", "somebody".into()),
            ("LOGNAME", "somebody".into()),
            ("TZ", "Pacific/Chatham".into()),
            ("CARGO_HOME", cargo_home.into()),
            ("CARGO_NET_OFFLINE", "true".into()),
            ("CARGO_TARGET_DIR", dir.path().join("built").into()),
            ("RUSTUP_HOME", home_of("RUSTUP_HOME", ".rustup")?.into()),
        ];
        let workspace = Workspace::at(&clone, environment)?;
        Ok(Again { dir, workspace })
    }

    /// Fails with the names of all files that differ.
    fn compare(self, first: &[Built], second: &[Built]) -> Result<()> {
        let mut different = Vec::new();
        for (first, second) in first.iter().zip(second) {
            if let Some(place) = difference(&first.file, &second.file)? {
                let paths = [&first.file, &second.file].map(|file| file.display().to_string());
                different.push(format!("{} from byte {place} on: {}", first.name, paths.join(" and ")));
            }
        }
        if !different.is_empty() {
            // Keeps the files for an inspection.
            let _ = self.dir.keep();
            bail!("built twice, and not the same bytes:\n{}", different.join("\n"));
        }
        let names: Vec<&str> = first.iter().map(|built| built.name.as_str()).collect();
        eprintln!("built twice, the same bytes: {}", names.join(", "));
        Ok(())
    }
}

/// The first byte at which two files differ.
fn difference(first: &Path, second: &Path) -> Result<Option<usize>> {
    let read = |file: &Path| fs::read(file).with_context(|| format!("failed to read {}", file.display()));
    let (first, second) = (read(first)?, read(second)?);
    let same = first.iter().zip(&second).take_while(|(a, b)| a == b).count();
    Ok((first.len() != same || second.len() != same).then_some(same))
}

/// The directory of a Rust tool: the value of the variable, or the default below the home.
fn home_of(variable: &str, folder: &str) -> Result<PathBuf> {
    match std::env::var_os(variable) {
        Some(dir) => Ok(dir.into()),
        None => Ok(PathBuf::from(std::env::var_os("HOME").context("no HOME")?).join(folder)),
    }
}

/// Makes a cargo home with the index and the archives of another one. Cargo unpacks them into its own directory.
fn share_downloads(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to.join("registry"))?;
    // A replacement of crates.io changes these paths, so its configuration is shared too.
    for name in ["registry/index", "registry/cache", "config.toml"] {
        if from.join(name).exists() {
            symlink(from.join(name), to.join(name))?;
        }
    }
    Ok(())
}

/// Copies a directory recursively, without the paths in `except`.
fn copy(from: &Path, to: &Path, except: &[&Path]) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("failed to create {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("failed to list {}", from.display()))? {
        let (from, to) = {
            let entry = entry?;
            (entry.path(), to.join(entry.file_name()))
        };
        if except.contains(&from.as_path()) {
            continue;
        }
        if from.is_symlink() {
            symlink(fs::read_link(&from)?, &to)?;
        } else if from.is_dir() {
            copy(&from, &to, except)?;
        } else {
            fs::copy(&from, &to).with_context(|| format!("failed to copy {}", from.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_differ_where_a_byte_does_or_one_ends() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let file = dir.path().join(name);
            fs::write(&file, text).unwrap();
            file
        };
        let first = file("first", "same bytes");
        assert_eq!(difference(&first, &file("copy", "same bytes")).unwrap(), None);
        assert_eq!(difference(&first, &file("byte", "same lines")).unwrap(), Some(5));
        assert_eq!(difference(&first, &file("longer", "same bytes and more")).unwrap(), Some(10));
        assert!(difference(&first, &dir.path().join("none")).is_err());
    }
}
