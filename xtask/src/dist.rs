//! `cargo xtask dist`: builds the installed files, arranges them as a runtime finds them, and makes the packages.

use crate::machine;
use crate::package;
use crate::sh;
use crate::workspace::{GUEST_TARGET, Guest, Workspace, host_target};
use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The binary that every plugin's name links to.
const HOST: &str = "wasm-cni";
/// The binary that compiles components.
const COMPILER: &str = "wasm-cni-compile";
/// The profile of the host and the components: small, because they start at every call.
pub const INSTALLED: &str = "installed";
/// The profile of the compiler and of the tests: cargo's own.
const RELEASE: &str = "release";

/// The profile of everything in a demo: faster to build, slower to run.
const DEMO: &str = "demo";

/// A directory of installed files, and the profiles that build it.
struct Tree {
    /// The native programs, and their profiles.
    programs: [(&'static str, &'static str); 2],
    /// The profile of the components.
    components: &'static str,
    /// Its name below `target`.
    folder: &'static str,
}

/// What users install.
const INSTALLATION: Tree =
    Tree { programs: [(HOST, INSTALLED), (COMPILER, RELEASE)], components: INSTALLED, folder: "dist" };
/// What the demo shows.
const SHOWN: Tree =
    Tree { programs: [(HOST, DEMO), (COMPILER, DEMO)], components: DEMO, folder: "dist-demo" };

/// Builds, and prints the path.
pub fn run() -> Result<()> {
    let workspace = Workspace::read()?;
    let dir = build(&workspace)?;
    let packages = package::build(&workspace, &dir)?;
    for path in std::iter::once(&dir).chain(&packages) {
        println!("{}", path.display());
    }
    Ok(())
}

/// Builds host, compiler and guests, fills `target/dist` and `target/dist-examples`, and returns the path of the first.
pub fn build(workspace: &Workspace) -> Result<PathBuf> {
    let (dir, examples) = INSTALLATION.build(workspace, &workspace.example_plugins()?)?;
    let mut folder = Folder::open(workspace.target_dir.join("dist-examples"))?;
    for Built { name, file } in &examples {
        folder.copy(file, name)?;
    }
    folder.close()?;
    Ok(dir)
}

/// Builds the same for a demo, fills `target/dist-demo`, and returns its path.
pub fn build_demo(workspace: &Workspace) -> Result<PathBuf> {
    Ok(SHOWN.build(workspace, &[])?.0)
}

/// A file that cargo built.
pub struct Built {
    /// Its name once it is installed.
    pub name: String,
    /// Where cargo put it.
    pub file: PathBuf,
}

/// Builds the host and the compiler, as they are installed.
pub fn programs(workspace: &Workspace) -> Result<Vec<Built>> {
    let plugins = workspace.plugins()?;
    INSTALLATION.programs(workspace, &INSTALLATION.components(workspace, &plugins)?)
}

/// Builds components, as they are installed.
pub fn components<'a>(
    workspace: &Workspace,
    guests: impl IntoIterator<Item = &'a Guest>,
) -> Result<Vec<Built>> {
    INSTALLATION.components(workspace, guests)
}

impl Tree {
    /// Builds everything, and these examples, and fills the directory. Returns its path, and the examples.
    fn build(&self, workspace: &Workspace, examples: &[Guest]) -> Result<(PathBuf, Vec<Built>)> {
        machine::ensure_targets(&[&host_target(), GUEST_TARGET])?;
        let plugins = workspace.plugins()?;
        let mut components = self.components(workspace, plugins.iter().chain(examples))?;
        let examples = components.split_off(plugins.len());
        let programs = self.programs(workspace, &components)?;
        let mut dist = Folder::open(workspace.target_dir.join(self.folder))?;
        for Built { name, file } in programs.iter().chain(&components) {
            dist.copy(file, name)?;
        }
        for plugin in &plugins {
            dist.link(HOST, &plugin.name)?;
        }
        Ok((dist.close()?, examples))
    }

    /// Builds the programs. The host knows these components by their digests.
    fn programs(&self, workspace: &Workspace, components: &[Built]) -> Result<Vec<Built>> {
        let target = host_target();
        let shipped = digests(components)?;
        // Two calls, because in one call cargo would unify features and the host would contain the compiler.
        for (package, profile) in self.programs {
            let mut cargo = build_for(workspace, &target, profile);
            sh::run(cargo.args(["--package", package]).env("WASM_CNI_SHIPPED", &shipped))?;
        }
        let built = self.programs.iter().map(|(name, profile)| Built {
            name: (*name).to_owned(),
            file: workspace.target_dir.join(&target).join(profile).join(name),
        });
        Ok(built.collect())
    }

    /// Builds components, in one call.
    fn components<'a>(
        &self,
        workspace: &Workspace,
        guests: impl IntoIterator<Item = &'a Guest>,
    ) -> Result<Vec<Built>> {
        let mut cargo = build_for(workspace, GUEST_TARGET, self.components);
        let mut built = Vec::new();
        for guest in guests {
            cargo.args(["--package", &guest.package]);
            let file = workspace.target_dir.join(GUEST_TARGET).join(self.components).join(&guest.artifact);
            built.push(Built { name: format!("{}.wasm", guest.name), file });
        }
        sh::run(&mut cargo)?;
        Ok(built)
    }
}

/// The digests of components as the host reads them (`host/src/reference/identity.rs`): `bridge=SHA256 portmap=SHA256`.
fn digests(components: &[Built]) -> Result<String> {
    let digest = |built: &Built| {
        let bytes =
            fs::read(&built.file).with_context(|| format!("failed to read {}", built.file.display()))?;
        let digest: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(format!("{}={digest}", built.name.trim_end_matches(".wasm")))
    };
    Ok(components.iter().map(digest).collect::<Result<Vec<_>>>()?.join(" "))
}

/// Cargo's call to build a file of a tree. Not incremental: the bytes would depend on what was built before.
fn build_for(workspace: &Workspace, target: &str, profile: &str) -> Command {
    let mut cargo = workspace.cargo(&["build", "--profile", profile, "--target", target]);
    cargo.env("CARGO_INCREMENTAL", "0");
    cargo
}

/// Makes a directory one that the host trusts, whoever made it and with which umask: root may build in the tree of an
/// ordinary user.
fn only_own(dir: &Path) -> Result<()> {
    let user = nix::unistd::geteuid();
    if user.is_root() {
        chown(dir, Some(user.as_raw()), None).with_context(|| format!("failed to own {}", dir.display()))?;
    }
    not_for_others(dir).with_context(|| format!("failed to change the mode of {}", dir.display()))
}

/// Removes write permission of group and others.
fn not_for_others(path: &Path) -> std::io::Result<()> {
    let mode = fs::metadata(path)?.permissions().mode() & !0o022;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

/// A directory that others may use while it is filled: every file appears complete under its name, by a rename.
struct Folder {
    dir: PathBuf,
    names: BTreeSet<String>,
}

impl Folder {
    fn open(dir: PathBuf) -> Result<Folder> {
        fs::create_dir_all(&dir).with_context(|| format!("failed to create {}", dir.display()))?;
        only_own(&dir)?;
        Ok(Folder { dir, names: BTreeSet::new() })
    }

    fn copy(&mut self, from: &Path, name: &str) -> Result<()> {
        self.place(name, |new| fs::copy(from, new).and_then(|_| not_for_others(new)))
            .with_context(|| format!("failed to copy {} to {}", from.display(), self.dir.display()))
    }

    /// A relative link, so that the directory can be copied.
    fn link(&mut self, to: &str, name: &str) -> Result<()> {
        self.place(name, |new| std::os::unix::fs::symlink(to, new))
            .with_context(|| format!("failed to link {name} in {}", self.dir.display()))
    }

    fn place(&mut self, name: &str, make: impl FnOnce(&Path) -> std::io::Result<()>) -> std::io::Result<()> {
        let new = self.dir.join(format!(".{name}.{}", std::process::id()));
        make(&new)
            .and_then(|()| fs::rename(&new, self.dir.join(name)))
            .inspect_err(|_| drop(fs::remove_file(&new)))?;
        self.names.insert(name.to_owned());
        Ok(())
    }

    /// Removes other files, so that no plugin stays that is gone from the sources.
    fn close(self) -> Result<PathBuf> {
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            if entry.file_type()?.is_dir()
                || self.names.contains(entry.file_name().to_string_lossy().as_ref())
            {
                continue;
            }
            fs::remove_file(entry.path())
                .with_context(|| format!("failed to remove {}", entry.path().display()))?;
        }
        fs::canonicalize(&self.dir).with_context(|| format!("failed to resolve {}", self.dir.display()))
    }
}
