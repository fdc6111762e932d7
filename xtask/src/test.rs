//! `cargo xtask test`: every check and every test, and one line that sums them up.

use crate::progress::Progress;
use crate::sample;
use crate::tally::Tally;
use crate::workspace::{GUEST_TARGET, Guest, Workspace, host_target};
use crate::{demo, dependencies, dist, machine, package, sh, vm};
use anyhow::Result;
use std::process::Command;

/// The crates for our own machine that have tests.
const TESTED_PACKAGES: [&str; 10] = [
    "wasm-cni",
    "wasm-cni-fake",
    "wasm-cni-fuzz-targets",
    "wasm-cni-native-guests",
    "wasm-cni-permit",
    "wasm-cni-privileged",
    RUNTIMES,
    "wasm-cni-sample",
    "wasm-cni-tests",
    "xtask",
];
/// Those without tests of their own: others execute them, and a test harness for the compiler would build Cranelift a second time.
const UNTESTED_PACKAGES: [&str; 2] = ["wasm-cni-benches", "wasm-cni-compile"];
/// The tests that start containers.
const RUNTIMES: &str = "wasm-cni-runtimes";
/// What every plugin is written with.
const SDK: &str = "wasm-cni-sdk";

/// Runs everything, or with a filter the tests that match; what is sampled as a whole, if `whole`. The last line on stdout is `N passed, N failed`.
pub fn run(filter: &[String], whole: bool) -> Result<()> {
    let mut tally = Tally::default();
    // Also when we stop halfway, the last line tells the truth.
    let outcome = run_all(filter, whole, &mut tally);
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
    let mut process = cargo_test(&workspace)?;
    for test in ["containerd", "kubernetes", "libcni", "podman"] {
        process.args(["--test", test]);
    }
    tally.tests(process.arg("--").args(filter), &mut Progress::open(&workspace.target_dir)?)?;
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

fn run_all(filter: &[String], whole: bool, tally: &mut Tally) -> Result<()> {
    ensure_packages()?;
    let workspace = Workspace::read()?;
    machine::ensure_targets(&[&host_target(), GUEST_TARGET])?;
    let (plugins, examples) = (workspace.plugins()?, workspace.example_plugins()?);
    let sampled = sample::environment(&workspace, whole, None)?;
    let mut progress = Progress::open(&workspace.target_dir)?;
    if filter.is_empty() {
        check_all(&workspace, &plugins, &examples, tally, &mut progress);
    }
    progress.begin("build of what is installed");
    let dist = dist::build(&workspace)?;
    package::build(&workspace, &dist)?;
    if filter.is_empty() {
        progress.begin("demo");
        tally.check(|| demo::play(&dist));
    }
    progress.begin("build of the tests");
    let mut tests = cargo_test(&workspace)?;
    sample::set(&mut tests, &sampled);
    tally.tests(tests.arg("--").args(filter), &mut progress)?;
    progress.begin("tests of the VM");
    vm::tests(&workspace, filter, &sampled, tally)?;
    progress.end(filter.is_empty())
}

/// What needs no test harness.
fn check_all(
    workspace: &Workspace,
    plugins: &[Guest],
    examples: &[Guest],
    tally: &mut Tally,
    progress: &mut Progress,
) {
    progress.begin("formatting and clippy");
    tally.check(|| sh::run(&mut workspace.cargo(&["fmt", "--all", "--check"])));
    // Not all of them are among all targets.
    for what in [&["--all-targets"][..], &["--test", "vm"]] {
        // The release profile, as the build that follows shares its build scripts and macros.
        let mut host = workspace.cargo(&["clippy", "--release", "--target", &host_target()]);
        for package in TESTED_PACKAGES.into_iter().chain(UNTESTED_PACKAGES) {
            host.args(["--package", package]);
        }
        tally.check(|| sh::run(host.args(what).args(["--", "--deny", "warnings"])));
    }
    let mut guests = workspace.cargo(&["clippy", "--release", "--target", GUEST_TARGET, "--package", SDK]);
    for guest in plugins.iter().chain(examples) {
        guests.args(["--package", &guest.package]);
    }
    tally.check(|| sh::run(guests.args(["--", "--deny", "warnings"])));
    progress.begin("dependencies");
    tally.check(|| dependencies::check(workspace));
    if dependencies::fetch_advisories(workspace) {
        tally.check(|| dependencies::check_advisories(workspace));
    }
}

/// All packages with tests, as options of cargo: built in one call, so that each is built once, and in every call, so that none changes another's
/// features. The guests' own tests run here too, not in a sandbox. What is shipped is built apart from them (`dist`), with no features but its own.
pub fn packages(workspace: &Workspace) -> Result<Vec<String>> {
    let plugins = workspace.plugins()?.into_iter().map(|plugin| plugin.package);
    let all = TESTED_PACKAGES.into_iter().chain([SDK]).map(str::to_owned).chain(plugins);
    Ok(all.map(|package| format!("--package={package}")).collect())
}

/// `cargo test` of all packages, as root.
pub fn cargo_test(workspace: &Workspace) -> Result<Command> {
    let mut process = workspace.cargo(&["test", "--release", "--no-fail-fast", "--target", &host_target()]);
    process.args(packages(workspace)?);
    if !machine::is_root()? {
        // Tests change owners and enter namespaces: as root, in namespaces of their own.
        let variable = host_target().to_uppercase().replace('-', "_");
        process.env(format!("CARGO_TARGET_{variable}_RUNNER"), "sudo --preserve-env");
    }
    // An ordinary user's PATH may lack the administrator's programs.
    process.env("PATH", sh::search_path());
    Ok(process)
}
