//! `cargo xtask dist`: builds what gets installed, lays it out as a runtime finds it, and packs it.

use crate::machine;
use crate::package;
use crate::sh;
use crate::workspace::{GUEST_TARGET, Guest, Workspace, host_target};
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The binary that every plugin's name is a link to.
const HOST: &str = "wasm-cni";
/// The binary that compiles components.
const COMPILER: &str = "wasm-cni-compile";
/// The profile of the host and of components: small, because they start at every call.
pub const INSTALLED: &str = "installed";
/// The profile of the compiler, as of tests: cargo's own.
const RELEASE: &str = "release";

/// The profile of all of it for a demo: faster to build, slower to run.
const DEMO: &str = "demo";

/// A tree: the profiles with which it is built, and the folder below `target` where it is put.
struct Tree {
    /// Of the host and the components.
    installed: &'static str,
    compiler: &'static str,
    folder: &'static str,
}

/// What is installed.
const SHIPPED: Tree = Tree { installed: INSTALLED, compiler: RELEASE, folder: "dist" };
/// What a demo shows.
const SHOWN: Tree = Tree { installed: DEMO, compiler: DEMO, folder: "dist-demo" };

/// Builds and says where it is.
pub fn run() -> Result<()> {
    let workspace = Workspace::read()?;
    let dir = build(&workspace)?;
    let packages = package::build(&workspace, &dir)?;
    for path in std::iter::once(&dir).chain(&packages) {
        println!("{}", path.display());
    }
    Ok(())
}

/// Builds host, compiler and guests, fills `target/dist` and `target/dist-examples`, and returns the first, resolved.
pub fn build(workspace: &Workspace) -> Result<PathBuf> {
    let examples = workspace.example_plugins()?;
    let dir = SHIPPED.build(workspace, &examples)?;
    let mut folder = Folder::open(workspace.target_dir.join("dist-examples"))?;
    for example in &examples {
        folder.copy(&SHIPPED.component(workspace, example), &format!("{}.wasm", example.name))?;
    }
    folder.close()?;
    Ok(dir)
}

/// Builds the same for a demo, fills `target/dist-demo`, and returns it, resolved.
pub fn build_demo(workspace: &Workspace) -> Result<PathBuf> {
    SHOWN.build(workspace, &[])
}

impl Tree {
    /// Builds everything, and these guests besides; fills the folder.
    fn build(&self, workspace: &Workspace, examples: &[Guest]) -> Result<PathBuf> {
        let target = host_target();
        machine::ensure_targets(&[&target, GUEST_TARGET])?;
        let programs = [(HOST, self.installed), (COMPILER, self.compiler)];
        // Two calls: in one, cargo would unify features and the host would carry the compiler.
        for (package, profile) in programs {
            let words = ["build", "--profile", profile, "--target", &target, "--package", package];
            sh::run(&mut workspace.cargo(&words))?;
        }
        let plugins = workspace.plugins()?;
        let mut guests = workspace.cargo(&["build", "--profile", self.installed, "--target", GUEST_TARGET]);
        for guest in plugins.iter().chain(examples) {
            guests.args(["--package", &guest.package]);
        }
        sh::run(&mut guests)?;
        let mut dist = Folder::open(workspace.target_dir.join(self.folder))?;
        for (program, profile) in programs {
            dist.copy(&workspace.target_dir.join(&target).join(profile).join(program), program)?;
        }
        for plugin in &plugins {
            dist.link(HOST, &plugin.name)?;
            dist.copy(&self.component(workspace, plugin), &format!("{}.wasm", plugin.name))?;
        }
        dist.close()
    }

    /// Where cargo built it.
    fn component(&self, workspace: &Workspace, guest: &Guest) -> PathBuf {
        workspace.target_dir.join(GUEST_TARGET).join(self.installed).join(&guest.artifact)
    }
}

/// A folder that is filled while others may use it: every file appears whole under its name, by a rename.
struct Folder {
    dir: PathBuf,
    names: BTreeSet<String>,
}

impl Folder {
    fn open(dir: PathBuf) -> Result<Folder> {
        fs::create_dir_all(&dir).with_context(|| format!("failed to create {}", dir.display()))?;
        Ok(Folder { dir, names: BTreeSet::new() })
    }

    fn copy(&mut self, from: &Path, name: &str) -> Result<()> {
        self.place(name, |new| fs::copy(from, new).map(drop))
            .with_context(|| format!("failed to copy {} to {}", from.display(), self.dir.display()))
    }

    /// A relative link, so that the folder can be copied elsewhere.
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

    /// Removes what was not put there, so that a plugin which is gone from the sources can't be found any more.
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
