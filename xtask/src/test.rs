//! `cargo xtask test`: every check and every test, and a line with the total.

use crate::tally::Tally;
use crate::workspace::{GUEST_TARGET, Guest, Workspace, host_target};
use crate::{demo, dependencies, dist, machine, package, reproduce, sh, vm};
use anyhow::Result;
use std::process::Command;

/// The crates for our own target.
const HOST_PACKAGES: [&str; 11] = [
    "wasm-cni",
    MEMORY,
    FAKE,
    "wasm-cni-compile",
    "wasm-cni-benches",
    "wasm-cni-tests",
    RUNTIMES,
    FUZZED,
    CORPUS,
    "wasm-cni-native-guests",
    "xtask",
];
/// The crates with tests. Each runs in a call of its own, so that none changes another's features. The compiler has no
/// tests of its own: others execute it, and its test harness would build Cranelift a second time.
const TESTED_PACKAGES: [&str; 8] =
    ["wasm-cni", MEMORY, FAKE, "wasm-cni-tests", RUNTIMES, FUZZED, CORPUS, "xtask"];
/// The allocator, and the functions that copy and compare memory.
const MEMORY: &str = "wasm-cni-memory";
/// The machine in memory.
const FAKE: &str = "wasm-cni-fake";
/// The tests that start containers.
const RUNTIMES: &str = "wasm-cni-runtimes";
/// The fuzzed code, and the kept inputs.
const FUZZED: &str = "wasm-cni-fuzz-targets";
/// The codec of the kept inputs.
const CORPUS: &str = "wasm-cni-fuzz-corpus";
/// The SDK of all plugins.
const SDK: &str = "wasm-cni-sdk";

/// Runs everything, or with a filter the matching tests. The last line on stdout is `N passed, N failed`.
pub fn run(filter: &[String]) -> Result<()> {
    let mut tally = Tally::default();
    // The last line is correct also if the run stops halfway.
    let outcome = run_all(filter, &mut tally);
    if let Err(error) = outcome {
        tally.fail(&error);
    }
    tally.end()
}

/// Builds, and runs the tests that start containers, with a line for each scenario.
pub fn runtimes(filter: &[String]) -> Result<()> {
    ensure_packages()?;
    let workspace = Workspace::read()?;
    dist::build(&workspace)?;
    let mut tally = Tally::default();
    tally.tests(cargo_test(&workspace, &[RUNTIMES])?.arg("--").args(filter))?;
    tally.end()
}

/// Builds what the tests execute.
pub fn ensure_packages() -> Result<()> {
    machine::ensure_packages(&[
        machine::IPTABLES,
        machine::NFT,
        machine::IP,
        machine::PING,
        machine::STRACE,
        machine::VALGRIND,
        machine::UNSHARE,
        machine::TCPDUMP,
        machine::DHCP_SERVER,
        machine::DBUS,
        machine::REFERENCE_PLUGINS,
        machine::PODMAN,
        machine::CONTAINERD,
        machine::RUNC,
        machine::PROTOC,
        machine::BUSYBOX,
    ])
}

fn run_all(filter: &[String], tally: &mut Tally) -> Result<()> {
    ensure_packages()?;
    let workspace = Workspace::read()?;
    machine::ensure_targets(&[&host_target(), GUEST_TARGET])?;
    let (plugins, examples) = (workspace.plugins()?, workspace.example_plugins()?);
    if filter.is_empty() {
        check_all(&workspace, &plugins, &examples, tally);
    }
    let dist = dist::build(&workspace)?;
    package::build(&workspace, &dist)?;
    if filter.is_empty() {
        #[cfg(target_arch = "x86_64")]
        tally.check(|| crate::order::check(&workspace));
        tally.check(|| reproduce::components(&workspace));
        tally.check(demo::run);
    }
    for package in TESTED_PACKAGES {
        tally.tests(cargo_test(&workspace, &[package])?.arg("--").args(filter))?;
    }
    vm::tests(&workspace, filter, tally)?;
    // The guests' own tests run natively, not in a sandbox; in one call, because they share all dependencies.
    let guests: Vec<&str> =
        [SDK].into_iter().chain(plugins.iter().map(|plugin| plugin.package.as_str())).collect();
    tally.tests(cargo_test(&workspace, &guests)?.arg("--").args(filter))
}

/// Checks without a test harness.
fn check_all(workspace: &Workspace, plugins: &[Guest], examples: &[Guest], tally: &mut Tally) {
    tally.check(|| sh::run(&mut workspace.cargo(&["fmt", "--all", "--check"])));
    let target = host_target();
    // The release profile, because the following build uses the same build scripts and macros.
    let mut host = workspace.cargo(&["clippy", "--release", "--all-targets", "--target", &target]);
    for package in HOST_PACKAGES {
        host.args(["--package", package]);
    }
    tally.check(|| sh::run(host.args(["--", "--deny", "warnings"])));
    // `--all-targets` does not include all of them.
    for (package, test, _) in vm::TESTS {
        let vm = ["clippy", "--release", "--package", package, "--test", test, "--target", &target];
        tally.check(|| sh::run(workspace.cargo(&vm).args(["--", "--deny", "warnings"])));
    }
    let mut guests = workspace.cargo(&["clippy", "--release", "--target", GUEST_TARGET, "--package", SDK]);
    for guest in plugins.iter().chain(examples) {
        guests.args(["--package", &guest.package]);
    }
    tally.check(|| sh::run(guests.args(["--", "--deny", "warnings"])));
    tally.check(|| dependencies::check(workspace));
    if dependencies::fetch_advisories(workspace) {
        tally.check(|| dependencies::check_advisories(workspace));
    }
}

/// `cargo test` of some packages, as root.
pub fn cargo_test(workspace: &Workspace, packages: &[&str]) -> Result<Command> {
    let mut process = workspace.cargo(&["test", "--release", "--no-fail-fast", "--target", &host_target()]);
    for package in packages {
        process.args(["--package", package]);
    }
    if !machine::is_root()? {
        // Tests change owners and enter namespaces, so they run as root, in namespaces of their own.
        let variable = host_target().to_uppercase().replace('-', "_");
        process.env(format!("CARGO_TARGET_{variable}_RUNNER"), "sudo --preserve-env");
    }
    // An ordinary user's PATH may lack the administrator's directories.
    process.env("PATH", sh::search_path());
    Ok(process)
}
