//! `cargo xtask vm`: runs what needs a kernel that this machine may not have, under Debian's kernel in QEMU
//! (docs/adr/0006-vm.md).

mod binary;
mod initramfs;
mod kernel;
mod qemu;

use crate::sample::{self, Environment};
use crate::tally::Tally;
use crate::workspace::Workspace;
use crate::{dist, sh};
use anyhow::{Result, ensure};
use binary::Binary;
use qemu::Vm;
use std::io;
use std::process::Command;
use std::time::Duration;

/// The tests that need the VM: their package, the target in it, and the filter for the tests of the target.
pub const TESTS: [Target; 2] =
    [("wasm-cni-tests", "vm", &[]), ("wasm-cni-privileged", "machines", &["--ignored"])];

/// See [`TESTS`].
pub type Target = (&'static str, &'static str, &'static [&'static str]);

/// The packages whose tests depend on the kernel.
const PACKAGES: [&str; 2] = ["wasm-cni", "wasm-cni-tests"];

/// The targets of `tests/privileged` that depend on the kernel: all but the count of instructions.
const PRIVILEGED: [&str; 7] = ["apply", "iptables", "leases", "linux", "machines", "rooms", "sandbox"];

/// The number of tests of a target in a sample. A test takes about four seconds in the VM.
const MOST: usize = 60;

/// The time limit for the tests that need the VM: many times their duration.
pub const LIMIT: Duration = Duration::from_secs(2400);

/// What to run in the VM.
#[derive(Debug)]
pub enum Session {
    /// A command, as words for the shell there.
    Command(Vec<String>),
    /// The tests that need it.
    Tests,
    /// All tests that depend on the kernel, to check them under another kernel than this machine's.
    AllTests,
}

/// Boots once, and runs it; an error unless everything succeeds within the limit.
pub fn run(session: &Session, limit: Duration) -> Result<()> {
    qemu::ensure_packages()?;
    let workspace = Workspace::read()?;
    let found = match session {
        Session::Command(words) => {
            // Joins the words to one line, as ssh does.
            let mut vm = Vm::boot(&workspace, &words.join(" "), limit)?;
            io::copy(&mut vm.output()?, &mut io::stdout())?;
            return vm.end();
        }
        Session::Tests => targets(&workspace)?,
        Session::AllTests => {
            let mut found = Vec::new();
            for package in PACKAGES {
                found.extend(Binary::of_package(&workspace, package)?);
            }
            for target in PRIVILEGED {
                found.push(Binary::of_target(&workspace, ("wasm-cni-privileged", target, &[]))?);
            }
            found.extend(targets(&workspace)?);
            found
        }
    };
    dist::build(&workspace)?;
    let mut tally = Tally::default();
    execute(&workspace, &found, &[], &Environment::new(), limit, &mut tally)?;
    tally.end()
}

/// Runs the matching tests, or a sample of them, as a part of `cargo xtask test`; does not boot if none matches.
pub fn tests(
    workspace: &Workspace,
    filter: &[String],
    sampled: &Environment,
    tally: &mut Tally,
) -> Result<()> {
    let mut found = Vec::new();
    for mut binary in targets(workspace)? {
        let names = binary.names(filter)?;
        if names.is_empty() {
            continue;
        }
        let what = format!("tests of the VM in {}", binary.name());
        let chosen = sample::choose(&what, names.clone(), MOST, sampled);
        let left_out: Vec<String> = names.into_iter().filter(|name| !chosen.contains(name)).collect();
        if !left_out.is_empty() {
            tally.leave_out(&left_out);
            binary.only(chosen);
        }
        found.push(binary);
    }
    if found.is_empty() {
        return Ok(());
    }
    qemu::ensure_packages()?;
    execute(workspace, &found, filter, sampled, LIMIT, tally)
}

fn targets(workspace: &Workspace) -> Result<Vec<Binary>> {
    TESTS.into_iter().map(|target| Binary::of_target(workspace, target)).collect()
}

/// Compiles the components into the tests' cache; in the VM, compiling would exceed the host's time limit.
fn compile(workspace: &Workspace) -> Result<()> {
    for plugin in workspace.plugins()? {
        let mut version = Command::new(workspace.dist_dir().join(&plugin.name));
        version.env("CNI_COMMAND", "VERSION").env("CNI_PATH", workspace.dist_dir());
        version.env("WASM_CNI_CACHE_DIR", workspace.target_dir.join("test-cache"));
        ensure!(sh::succeeds(&mut version), "{} does not compile", plugin.name);
    }
    Ok(())
}

/// Executes test binaries there, one after the other, also if earlier ones fail.
fn execute(
    workspace: &Workspace,
    binaries: &[Binary],
    filter: &[String],
    sampled: &Environment,
    limit: Duration,
    tally: &mut Tally,
) -> Result<()> {
    compile(workspace)?;
    let target_dir = sh::quoted(&workspace.target_dir.to_string_lossy());
    let mut script = format!("export CARGO_TARGET_DIR={target_dir}; failed=0\n");
    // Reads the files once before the tests. Read for the first time during a call, from a busy machine, they would
    // make the call exceed the host's time limit for a plan.
    script += &format!("cat {target_dir}/dist/* {target_dir}/test-cache/* >/dev/null 2>&1\n");
    if let Ok(case) = std::env::var("CASE") {
        script += &format!("export CASE={}\n", sh::quoted(&case));
    }
    for (name, value) in sampled {
        script += &format!("export {name}={}\n", sh::quoted(value));
    }
    for binary in binaries {
        script += &format!("{} || failed=1\n", binary.command(filter));
    }
    let mut vm = Vm::boot(workspace, &format!("{script}exit $failed"), limit)?;
    let output = vm.output()?;
    tally.run(output, || vm.end())
}
