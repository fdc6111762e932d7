//! Native plugins: Debian's, and scripts with the behaviour that a test needs.

use crate::{Machine, dist};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The directory of Debian's reference plugins.
pub const REFERENCE: &str = "/usr/lib/cni";

/// The origin of a plugin.
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
    /// A directory with our binary and no plugin.
    pub fn new(machine: &Machine) -> Self {
        let dir = machine.files().join("plugins");
        std::fs::create_dir(&dir).expect("a directory for plugins");
        for name in ["wasm-cni", "wasm-cni-compile"] {
            std::fs::copy(dist().join(name), dir.join(name)).expect("the installed tree is whole");
        }
        Plugins(dir)
    }

    /// A directory with our `bridge`.
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

    /// Installs a plugin that is a shell script; it records its calls in `$LOG`.
    pub fn script(&self, name: &str, body: &str) {
        let log = self.0.join("log");
        let text = format!("#!/bin/sh\nLOG={}\necho \"$CNI_COMMAND\" >> $LOG\n{body}\n", log.display());
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("the script is written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("it is executable");
    }

    /// The recorded calls.
    pub fn log(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.0.join("log")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.0
    }
}
