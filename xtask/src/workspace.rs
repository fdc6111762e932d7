//! The workspace as cargo sees it: its folder, its target directory, its packages.

use crate::sh;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The target of the guests.
pub const GUEST_TARGET: &str = "wasm32-wasip2";

/// The part that we read of `cargo metadata`.
#[derive(Deserialize)]
pub struct Workspace {
    /// Where the workspace's Cargo.toml is.
    #[serde(rename = "workspace_root")]
    pub root: PathBuf,
    /// Where cargo builds: `CARGO_TARGET_DIR`, or what cargo's configuration says.
    #[serde(rename = "target_directory")]
    pub target_dir: PathBuf,
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
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
    /// The plugin's name, which is its folder's: `host-local`.
    pub name: String,
    /// The package's name: `host-local-plugin`.
    pub package: String,
    /// What cargo calls the component: `host_local.wasm`.
    pub artifact: String,
}

impl Workspace {
    /// Asks cargo.
    pub fn read() -> Result<Workspace> {
        let mut process = Command::new(cargo_program());
        process.args(["metadata", "--format-version", "1", "--no-deps"]);
        // Where we are run, not where we were built: two clones may share a target directory.
        process.current_dir(std::env::var("CARGO_MANIFEST_DIR").context("start it as `cargo xtask`")?);
        if let Some(dir) = std::env::var_os("CARGO_TARGET_DIR") {
            // A relative one is meant from where the developer stands.
            process.env("CARGO_TARGET_DIR", std::path::absolute(dir)?);
        }
        serde_json::from_str(&sh::stdout(&mut process)?)
            .context("`cargo metadata` wrote something unexpected")
    }

    /// Cargo in the workspace's folder.
    pub fn cargo(&self, words: &[&str]) -> Command {
        let mut process = Command::new(cargo_program());
        process.args(words).current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target_dir);
        // What `cargo run` tells us about xtask is not meant for other builds: some build scripts watch it.
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
                process.env_remove(name.as_ref());
            }
        }
        process
    }

    /// What `cargo xtask dist` makes.
    pub fn dist_dir(&self) -> PathBuf {
        self.target_dir.join("dist")
    }

    /// The version of the host, which is that of all of it.
    pub fn version(&self) -> Result<String> {
        let host = self.packages.iter().find(|package| package.name == "wasm-cni");
        Ok(host.context("the workspace has no package wasm-cni")?.version.clone())
    }

    /// Whether a manifest is that of a package.
    pub fn is_of(&self, manifest: &Path, package: &str) -> bool {
        self.packages.iter().any(|found| found.name == package && found.manifest_path == manifest)
    }

    /// The plugins: every folder of `guest-plugins` but the SDK.
    pub fn plugins(&self) -> Result<Vec<Guest>> {
        self.guests("guest-plugins", &["sdk"])
    }

    /// The components among the examples.
    pub fn example_plugins(&self) -> Result<Vec<Guest>> {
        self.guests("examples", &[])
    }

    /// The guests in the folders of a folder, by name. A crate that the workspace forgot is an error.
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

/// The target of the host: static, so that the binary runs on any distribution and starts fast (docs/adr/0004-build.md).
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
