//! The environment variables of the process: those of the CNI specification, and our own `WASM_CNI_*`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use tracing::Level;
use wasm_cni::apply::StateDir;
use wasm_cni::cni::Environment;
use wasm_cni::node::Node;
use wasm_cni::planning::CEILINGS;
use wasm_cni::policy::{self, Policy, PolicyError};
use wasm_cni::sandbox::cache::Cache;

/// The level of the log: `WASM_CNI_LOG`, or warnings.
pub fn log_level() -> Level {
    match variable("WASM_CNI_LOG").as_str() {
        "debug" => Level::DEBUG,
        "info" => Level::INFO,
        "error" => Level::ERROR,
        _ => Level::WARN,
    }
}

/// Whether the phases of the call are printed on stderr.
pub fn wants_timings() -> bool {
    switch("WASM_CNI_TIMINGS")
}

/// The environment of a plugin call (SPEC, section 2), and whether it is a dry run.
pub fn read() -> Environment {
    Environment {
        command: variable("CNI_COMMAND"),
        container_id: variable("CNI_CONTAINERID"),
        netns: variable("CNI_NETNS"),
        interface: variable("CNI_IFNAME"),
        args: variable("CNI_ARGS"),
        path: variable("CNI_PATH"),
        netns_override: switch("CNI_NETNS_OVERRIDE"),
        dry_run: switch("WASM_CNI_DRY_RUN"),
    }
}

/// The value of an environment variable, or the empty string. Invalid UTF-8 is replaced, and the validation of the
/// value then refuses it.
fn variable(name: &str) -> String {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()).unwrap_or_default()
}

fn switch(name: &str) -> bool {
    let value = variable(name);
    value == "1" || value.eq_ignore_ascii_case("true")
}

/// The directories of this node: `/run` and `/var/cache` for root, the user's cache for an ordinary user, or what
/// `WASM_CNI_*` names.
pub fn node(dry: bool, netns_override: bool) -> Node {
    let state = match variable("WASM_CNI_STATE_DIR").as_str() {
        "" => PathBuf::from("/run/wasm-cni"),
        dir => PathBuf::from(dir),
    };
    let own = std::fs::read_link("/proc/self/exe").unwrap_or_default();
    let policy = policy();
    if let Err(error) = &policy {
        tracing::warn!("the policy cannot be used: {error}");
    }
    Node {
        state: StateDir::new(state),
        cache: Cache::new(&cache_dirs(), own.with_file_name("wasm-cni-compile"), dry),
        netns_override,
        policy: policy.map(Arc::new),
        traceparent: variable("TRACEPARENT"),
    }
}

/// Loads the administrator's policy.
///
/// `WASM_CNI_POLICY` may name another file, which must exist. This gives nobody new rights: a process that can set
/// our environment already runs with our privileges.
fn policy() -> Result<Policy, PolicyError> {
    match variable("WASM_CNI_POLICY").as_str() {
        "" => Policy::load(Path::new(policy::DEFAULT_PATH), false, &CEILINGS),
        path => Policy::load(Path::new(path), true, &CEILINGS),
    }
}

/// The directories for compiled components, in order of preference. The cache uses the first one that works.
fn cache_dirs() -> Vec<PathBuf> {
    let (given, xdg, home) = (variable("WASM_CNI_CACHE_DIR"), variable("XDG_CACHE_HOME"), variable("HOME"));
    if !given.is_empty() {
        vec![PathBuf::from(given)]
    } else if nix::unistd::Uid::effective().is_root() {
        vec![PathBuf::from("/var/cache/wasm-cni"), PathBuf::from("/run/wasm-cni/cache")]
    } else if !xdg.is_empty() {
        vec![Path::new(&xdg).join("wasm-cni")]
    } else {
        vec![Path::new(&home).join(".cache/wasm-cni")]
    }
}
