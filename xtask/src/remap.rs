//! Fixed names for the paths of this machine that the compiler writes into its output, mostly as locations of panics.
//! With them, a build has the same bytes in every directory and with every home (docs/adr/0004-build.md).

use crate::sh;
use crate::workspace::{GUEST_TARGET, Workspace, host_target};
use anyhow::{Context, Result};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The file that [`write`] makes in the target directory.
const FILE: &str = "remap.toml";

/// Writes the configuration with the compiler flags for the targets of `dist`. Returns its path.
///
/// Cargo merges it with `.cargo/config.toml`. An environment variable would replace the flags in that file.
pub fn write(workspace: &Workspace) -> Result<PathBuf> {
    let flags: Vec<String> = names(workspace)?
        .into_iter()
        .map(|(path, name)| format!("--remap-path-prefix={}={name}", path.display()))
        .collect();
    // A list of strings in JSON is one in TOML.
    let flags = serde_json::to_string(&flags)?;
    let mut text = String::new();
    for target in [&host_target(), GUEST_TARGET] {
        writeln!(text, "[target.{target}]\nrustflags = {flags}")?;
    }
    let (dir, file) = (&workspace.target_dir, workspace.target_dir.join(FILE));
    fs::create_dir_all(dir).with_context(|| format!("failed to create {}", dir.display()))?;
    // Another cargo process may be reading the file, so it is replaced by a rename.
    let new = tempfile::NamedTempFile::new_in(dir)?;
    fs::write(&new, text)?;
    new.persist(&file).with_context(|| format!("failed to write {}", file.display()))?;
    Ok(file)
}

/// Each directory with its fixed name. The compiler uses the last entry that matches.
fn names(workspace: &Workspace) -> Result<Vec<(PathBuf, String)>> {
    let mut names = vec![
        (workspace.root.clone(), "/wasm-cni".to_owned()),
        // The output of build scripts.
        (workspace.target_dir.clone(), "/target".to_owned()),
    ];
    for dir in workspace.downloads() {
        names.push((dir.to_owned(), "/crates".to_owned()));
    }
    names.push(standard_library()?);
    Ok(names)
}

/// The sources of the standard library, if the toolchain has them. Otherwise the compiler uses this name by itself.
fn standard_library() -> Result<(PathBuf, String)> {
    let sysroot = sh::stdout(Command::new("rustc").args(["--print", "sysroot"]))?;
    let version = sh::stdout(Command::new("rustc").arg("-vV"))?;
    let commit = version.lines().find_map(|line| line.strip_prefix("commit-hash: "));
    let commit = commit.context("rustc does not say which commit it is of")?;
    Ok((Path::new(sysroot.trim()).join("lib/rustlib/src/rust"), format!("/rustc/{commit}")))
}
