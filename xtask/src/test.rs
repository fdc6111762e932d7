//! `cargo xtask test`: every check and every test, and a line with the total.

use crate::progress::Progress;
use crate::sample;
use crate::tally::Tally;
use crate::workspace::{GUEST_TARGET, Guest, Workspace, host_target};
use crate::{demo, dependencies, dist, machine, package, reproduce, sh, vm};
use anyhow::Result;
use std::process::Command;

/// The crates for our own target that have tests.
const TESTED_PACKAGES: [&str; 12] = [
    "wasm-cni",
    "wasm-cni-fake",
    "wasm-cni-fuzz-corpus",
    "wasm-cni-fuzz-targets",
    "wasm-cni-memory",
    "wasm-cni-native-guests",
    "wasm-cni-permit",
    "wasm-cni-privileged",
    RUNTIMES,
    "wasm-cni-sample",
    "wasm-cni-tests",
    "xtask",
];
/// The crates for our own target without tests. Other tests execute the compiler; a test harness of its own would build
/// Cranelift a second time.
const UNTESTED_PACKAGES: [&str; 3] = ["wasm-cni-benches", "wasm-cni-compile", "wasm-cni-plans"];
/// The tests that start containers.
const RUNTIMES: &str = "wasm-cni-runtimes";
/// The SDK of all plugins.
const SDK: &str = "wasm-cni-sdk";

/// Runs everything, or with a filter the matching tests; without samples if `whole`. The last line on stdout is
/// `N passed, N failed`.
pub fn run(filter: &[String], whole: bool) -> Result<()> {
    let mut tally = Tally::default();
    // The last line is correct also if the run stops halfway.
    let outcome = run_all(filter, whole, &mut tally);
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
    let mut process = cargo_test(&workspace)?;
    for test in ["containerd", "kubernetes", "libcni", "podman"] {
        process.args(["--test", test]);
    }
    tally.tests(process.arg("--").args(filter), &mut Progress::default())?;
    tally.end()
}

/// Installs what the tests execute.
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
    let mut progress = match filter.is_empty() {
        true => Progress::open(&workspace.target_dir, whole),
        false => Progress::default(),
    };
    if filter.is_empty() {
        check_all(&workspace, &plugins, &examples, tally, &mut progress);
    }
    progress.begin("build of the installed files");
    let dist = dist::build(&workspace)?;
    package::build(&workspace, &dist)?;
    if filter.is_empty() {
        progress.begin("order of the host's functions, and a second build of the components");
        #[cfg(target_arch = "x86_64")]
        tally.check(|| crate::order::check(&workspace));
        tally.check(|| reproduce::components(&workspace));
        progress.begin("demo");
        tally.check(|| demo::play(&dist));
    }
    progress.begin("build of the tests");
    let mut tests = cargo_test(&workspace)?;
    sample::set(&mut tests, &sampled);
    tally.tests(tests.arg("--").args(filter), &mut progress)?;
    progress.begin("tests of the VM");
    vm::tests(&workspace, filter, &sampled, tally)?;
    progress.end()
}

/// Checks without a test harness.
fn check_all(
    workspace: &Workspace,
    plugins: &[Guest],
    examples: &[Guest],
    tally: &mut Tally,
    progress: &mut Progress,
) {
    progress.begin("formatting and clippy");
    tally.check(|| sh::run(&mut workspace.cargo(&["fmt", "--all", "--check"])));
    // `--all-targets` does not include the tests of the VM.
    for what in [&["--all-targets"][..], &["--test", "vm"]] {
        // The release profile, because the following build uses the same build scripts and macros.
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

/// All packages with tests, as options of cargo. One call builds them all, so each is built once. Every call names all
/// of them, so the features are always the same. The guests' own tests run natively, not in a sandbox. `dist` builds the
/// installed files separately, with no features but their own.
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
        // Tests change owners and enter namespaces, so they run as root, in namespaces of their own.
        let variable = host_target().to_uppercase().replace('-', "_");
        process.env(format!("CARGO_TARGET_{variable}_RUNNER"), "sudo --preserve-env");
    }
    // An ordinary user's PATH may lack the administrator's directories.
    process.env("PATH", sh::search_path());
    Ok(process)
}
