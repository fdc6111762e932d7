//! Plugins that are executables: Debian's, and scripts that behave as a test wants.

use crate::{Machine, dist};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Where Debian keeps the reference plugins.
pub const REFERENCE: &str = "/usr/lib/cni";

/// Who made a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maker {
    /// A component of ours.
    Ours,
    /// An executable of the reference.
    Reference,
}

/// A plugin directory of a machine.
#[derive(Debug)]
pub struct Plugins(PathBuf);

impl Plugins {
    /// With our binary and none of its plugins.
    pub fn new(machine: &Machine) -> Self {
        let dir = machine.files().join("plugins");
        std::fs::create_dir(&dir).expect("a directory for plugins");
        for name in ["wasm-cni", "wasm-cni-compile"] {
            std::fs::copy(dist().join(name), dir.join(name)).expect("the installed tree is whole");
        }
        Plugins(dir)
    }

    /// With our `bridge`.
    pub fn with_bridge(machine: &Machine) -> Self {
        let plugins = Plugins::new(machine);
        plugins.install("bridge", Maker::Ours);
        plugins
    }

    /// Installs a plugin.
    pub fn install(&self, name: &str, maker: Maker) {
        let target = match maker {
            Maker::Reference => Path::new(REFERENCE).join(name),
            Maker::Ours => {
                let component = format!("{name}.wasm");
                std::fs::copy(dist().join(&component), self.0.join(component)).expect("a component of ours");
                PathBuf::from("wasm-cni")
            }
        };
        std::os::unix::fs::symlink(target, self.0.join(name)).expect("a link to the plugin");
    }

    /// Installs a plugin that is a shell script; its calls are noted in `$LOG`.
    pub fn script(&self, name: &str, body: &str) {
        let log = self.0.join("log");
        let text = format!("#!/bin/sh\nLOG={}\necho \"$CNI_COMMAND\" >> $LOG\n{body}\n", log.display());
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("the script is written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("it is executable");
    }

    /// What was noted there.
    pub fn log(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.0.join("log")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.0
    }
}
