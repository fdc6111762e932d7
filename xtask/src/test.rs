//! `cargo xtask test`: every check and every test, and one line that sums them up.

use crate::tally::Tally;
use crate::workspace::{GUEST_TARGET, Guest, Workspace, host_target};
use crate::{demo, dependencies, dist, machine, package, reproduce, sh, vm};
use anyhow::Result;
use std::process::Command;

/// The crates for our own machine.
const HOST_PACKAGES: [&str; 10] = [
    "wasm-cni",
    MEMORY,
    FAKE,
    "wasm-cni-compile",
    "wasm-cni-benches",
    "wasm-cni-tests",
    RUNTIMES,
    FUZZED,
    "wasm-cni-native-guests",
    "xtask",
];
/// Those with tests, each run in a call of its own so that none changes another's features. The compiler has none of its own:
/// others execute it, and a test harness for it would build Cranelift a second time.
const TESTED_PACKAGES: [&str; 7] = ["wasm-cni", MEMORY, FAKE, "wasm-cni-tests", RUNTIMES, FUZZED, "xtask"];
/// The allocator, and how memory is copied.
const MEMORY: &str = "wasm-cni-memory";
/// The machine in memory.
const FAKE: &str = "wasm-cni-fake";
/// The tests that start containers.
const RUNTIMES: &str = "wasm-cni-runtimes";
/// What is fuzzed, and the inputs that were kept.
const FUZZED: &str = "wasm-cni-fuzz-targets";
/// What every plugin is written with.
const SDK: &str = "wasm-cni-sdk";

/// Runs everything, or with a filter the tests that match. The last line on stdout is `N passed, N failed`.
pub fn run(filter: &[String]) -> Result<()> {
    let mut tally = Tally::default();
    // Also when we stop halfway, the last line tells the truth.
    let outcome = run_all(filter, &mut tally);
    if let Err(error) = outcome {
        tally.fail(&error);
    }
    tally.end()
}

/// Builds, and runs what starts containers, a line for each scenario.
pub fn runtimes(filter: &[String]) -> Result<()> {
    ensure_packages()?;
    let workspace = Workspace::read()?;
    dist::build(&workspace)?;
    let mut tally = Tally::default();
    tally.tests(cargo_test(&workspace, &[RUNTIMES])?.arg("--").args(filter))?;
    tally.end()
}

/// What tests execute.
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
    // The guests' own tests run here, not in a sandbox; one call, as they share everything.
    let guests: Vec<&str> =
        [SDK].into_iter().chain(plugins.iter().map(|plugin| plugin.package.as_str())).collect();
    tally.tests(cargo_test(&workspace, &guests)?.arg("--").args(filter))
}

/// What needs no test harness.
fn check_all(workspace: &Workspace, plugins: &[Guest], examples: &[Guest], tally: &mut Tally) {
    tally.check(|| sh::run(&mut workspace.cargo(&["fmt", "--all", "--check"])));
    let target = host_target();
    // The release profile, as the build that follows shares its build scripts and macros.
    let mut host = workspace.cargo(&["clippy", "--release", "--all-targets", "--target", &target]);
    for package in HOST_PACKAGES {
        host.args(["--package", package]);
    }
    tally.check(|| sh::run(host.args(["--", "--deny", "warnings"])));
    // Not all of them are among all targets.
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
        // Tests change owners and enter namespaces: as root, in namespaces of their own.
        let variable = host_target().to_uppercase().replace('-', "_");
        process.env(format!("CARGO_TARGET_{variable}_RUNNER"), "sudo --preserve-env");
    }
    // An ordinary user's PATH may lack the administrator's programs.
    process.env("PATH", sh::search_path());
    Ok(process)
}
