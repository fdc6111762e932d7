//! The workspace according to cargo: its directory, its target directory, its packages.

use crate::{remap, sh};
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The target of the guests.
pub const GUEST_TARGET: &str = "wasm32-wasip2";

/// The part of `cargo metadata` that we read.
#[derive(Deserialize)]
pub struct Workspace {
    /// The directory of the workspace's Cargo.toml.
    #[serde(rename = "workspace_root")]
    pub root: PathBuf,
    /// cargo's target directory: `CARGO_TARGET_DIR`, or from cargo's configuration.
    #[serde(rename = "target_directory")]
    pub target_dir: PathBuf,
    packages: Vec<Package>,
    /// Variables for cargo, in addition to those of our own process.
    #[serde(skip)]
    environment: Vec<(&'static str, OsString)>,
    /// Configuration for cargo that gives paths of this machine fixed names.
    #[serde(skip)]
    remap: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    /// Where it was downloaded from; none for a member of the workspace.
    source: Option<String>,
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    crate_types: Vec<String>,
}

/// A crate that is built as a component.
pub struct Guest {
    /// The plugin's name, which is that of its directory: `host-local`.
    pub name: String,
    /// The package's name: `host-local-plugin`.
    pub package: String,
    /// cargo's file name for the component: `host_local.wasm`.
    pub artifact: String,
}

impl Workspace {
    /// Asks cargo.
    pub fn read() -> Result<Workspace> {
        // The workspace of the current directory, not the one where xtask was built: two clones may share a target
        // directory.
        let dir = std::env::var_os("CARGO_MANIFEST_DIR").context("start it as `cargo xtask`")?;
        let target_dir = std::env::var_os("CARGO_TARGET_DIR");
        // A relative path is relative to the developer's current directory.
        let target_dir = target_dir.map(std::path::absolute).transpose()?;
        let environment = target_dir.map(|dir| ("CARGO_TARGET_DIR", dir.into_os_string()));
        Workspace::at(dir.as_ref(), environment.into_iter().collect())
    }

    /// Asks cargo about the workspace that `dir` is in, with these variables for this call and all later ones.
    pub fn at(dir: &Path, environment: Vec<(&'static str, OsString)>) -> Result<Workspace> {
        let mut process = Command::new(cargo_program());
        process
            .args(["metadata", "--format-version", "1"])
            .current_dir(dir)
            .envs(environment.iter().cloned());
        // Cargo unpacks the packages that it lists: without those of other platforms.
        for target in [&host_target(), GUEST_TARGET] {
            process.args(["--filter-platform", target]);
        }
        let mut workspace: Workspace = serde_json::from_str(&sh::stdout(&mut process)?)
            .context("`cargo metadata` wrote something unexpected")?;
        workspace.environment = environment;
        workspace.remap = remap::write(&workspace)?;
        Ok(workspace)
    }

    /// The folders with the sources of downloaded packages, a folder each in them.
    pub fn downloads(&self) -> BTreeSet<&Path> {
        let downloaded = self.packages.iter().filter(|package| package.source.is_some());
        downloaded.filter_map(|package| package.manifest_path.parent()?.parent()).collect()
    }

    /// A cargo process in the workspace's directory.
    pub fn cargo(&self, words: &[&str]) -> Command {
        let mut process = Command::new(cargo_program());
        process.arg("--config").arg(&self.remap).args(words).current_dir(&self.root);
        process.envs(self.environment.iter().cloned()).env("CARGO_TARGET_DIR", &self.target_dir);
        // Removes the variables that `cargo run` sets for xtask, because some build scripts depend on them.
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
                process.env_remove(name.as_ref());
            }
        }
        process
    }

    /// The output of `cargo xtask dist`.
    pub fn dist_dir(&self) -> PathBuf {
        self.target_dir.join("dist")
    }

    /// The version of the host, which is that of the whole workspace.
    pub fn version(&self) -> Result<String> {
        let host = self.packages.iter().find(|package| package.name == "wasm-cni");
        Ok(host.context("the workspace has no package wasm-cni")?.version.clone())
    }

    /// Whether a manifest belongs to a package.
    pub fn is_of(&self, manifest: &Path, package: &str) -> bool {
        self.packages.iter().any(|found| found.name == package && found.manifest_path == manifest)
    }

    /// The plugins: every directory of `guest-plugins` except the SDK.
    pub fn plugins(&self) -> Result<Vec<Guest>> {
        self.guests("guest-plugins", &["sdk"])
    }

    /// The components among the examples.
    pub fn example_plugins(&self) -> Result<Vec<Guest>> {
        self.guests("examples", &[])
    }

    /// The guests in the subdirectories of a directory, by name. A crate that is missing in the workspace is an error.
    fn guests(&self, folder: &str, except: &[&str]) -> Result<Vec<Guest>> {
        let folder = self.root.join(folder);
        let mut guests = Vec::new();
        for entry in
            std::fs::read_dir(&folder).with_context(|| format!("failed to list {}", folder.display()))?
        {
            let dir = entry?.path();
            let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if except.contains(&name.as_str()) || !dir.join("Cargo.toml").is_file() {
                continue;
            }
            guests.push(self.guest(name, &dir)?);
        }
        guests.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(guests)
    }

    fn guest(&self, name: String, dir: &Path) -> Result<Guest> {
        let Some(package) = self.packages.iter().find(|package| package.manifest_path.starts_with(dir))
        else {
            bail!("{} is not a member of the workspace", dir.display());
        };
        let component =
            package.targets.iter().find(|target| target.crate_types.iter().any(|kind| kind == "cdylib"));
        let Some(component) = component else {
            bail!("{} builds no component: its library needs `crate-type = [\"cdylib\"]`", dir.display());
        };
        let artifact = format!("{}.wasm", component.name.replace('-', "_"));
        Ok(Guest { name, package: package.name.clone(), artifact })
    }
}

/// The target of the host: static, so that the binary runs on any distribution and starts fast
/// (docs/adr/0004-build.md).
pub fn host_target() -> String {
    let arch = match std::env::consts::ARCH {
        "riscv64" => "riscv64gc",
        arch => arch,
    };
    format!("{arch}-unknown-linux-musl")
}

/// The cargo that runs us, or the one in `PATH`.
fn cargo_program() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}
