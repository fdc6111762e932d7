//! Machines for tests: each is a network and mount namespace with private `/run`, `/var/lib` and `/var/cache`.
//!
//! Tests execute the installed binary through its links, with real components and the real kernel. They change nothing
//! on this machine; everything disappears with the process that holds the namespaces.

pub mod architecture;
pub mod call;
pub mod chained;
pub mod differential;
pub mod faults;
pub mod guest;
pub mod hostile;
pub mod install;
pub mod journals;
pub mod machine;
pub mod native;
pub mod network;
pub mod process;
pub mod snapshot;
pub mod workers;

pub use call::{Call, Reply};
pub use machine::Machine;
pub use process::{Background, Process};

use std::path::{Path, PathBuf};

/// The configuration of the walkthrough, `examples/mybridge.conf`.
pub const WALKTHROUGH: &str = include_str!("../../examples/mybridge.conf");

/// No changes of a machine.
pub const NOTHING: [String; 0] = [];

/// The chain of container 1234567890 on the walkthrough's network.
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

/// The Rust sources below a directory.
pub fn sources(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    let paths = entries.map(|entry| entry.expect("it can be read").path());
    let found = paths.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] });
    found.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// `target`, or `CARGO_TARGET_DIR`.
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

/// Every kind of action, by its name in a journal.
pub fn kinds_of_actions() -> Vec<String> {
    variants("host/src/action/mod.rs", "Action, kind, Kind,")
}

/// The variants of an enum in a file of the repository, as serde writes them (`create-veth`). The list starts after the
/// text `start`.
pub fn variants(file: &str, start: &str) -> Vec<String> {
    let text = std::fs::read_to_string(repository().join(file)).unwrap();
    let body = text.split(start).nth(1).unwrap().split("\n}").next().unwrap();
    let lines = body.lines().filter_map(|line| line.strip_prefix("    "));
    let variants = lines.filter(|line| line.starts_with(char::is_uppercase));
    let word = |line: &str| line.chars().take_while(|c| c.is_alphanumeric()).collect::<String>();
    variants.map(|line| kebab(&word(line))).collect()
}

fn kebab(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push('-');
        }
        text.extend(letter.to_lowercase());
    }
    text
}
