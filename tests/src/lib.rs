//! Machines to test on: a network and mount namespace of its own with private `/run`, `/var/lib` and `/var/cache`.
//!
//! Tests execute the installed binary through its links, with real components and the real kernel. Nothing of this
//! machine is touched; everything goes with the process that holds the namespaces.

pub mod call;
pub mod differential;
pub mod guest;
pub mod machine;

pub use call::{Call, Reply};
pub use machine::Machine;

use std::path::PathBuf;

/// The configuration of the walkthrough in the README.
pub const WALKTHROUGH: &str = include_str!("../../examples/mybridge.conf");

/// No changes of a machine.
pub const NOTHING: [String; 0] = [];

/// The chain of container 1234567890 on it.
pub const CHAIN: &str = "CNI-26633426ea992aa1f0477097";

/// The walkthrough with another `cniVersion`.
pub fn walkthrough(version: &str) -> String {
    WALKTHROUGH.replace("0.2.0", version)
}

/// The repository.
pub fn repository() -> PathBuf {
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    own.parent().map(PathBuf::from).unwrap_or(own)
}

/// `target`, wherever it is.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from)
}

/// The installed tree, made by `cargo xtask dist`.
pub fn dist() -> PathBuf {
    let dist = target().join("dist");
    assert!(dist.join("bridge").exists(), "{} is missing: run `cargo xtask test`", dist.display());
    dist
}

/// The example plugin of the README.
pub fn example_plugin() -> PathBuf {
    target().join("dist-examples/host-local-top.wasm")
}
