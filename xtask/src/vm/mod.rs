//! `cargo xtask vm`: what takes a kernel that this machine may not have, under Debian's in QEMU (docs/adr/0006-vm.md).

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

/// The tests that need the VM: their package, the target in it, and what tells them from others of the target.
pub const TESTS: [Target; 2] =
    [("wasm-cni-tests", "vm", &[]), ("wasm-cni-privileged", "machines", &["--ignored"])];

/// See [`TESTS`].
pub type Target = (&'static str, &'static str, &'static [&'static str]);

/// Of the library's tests, those that depend on the kernel; of the executed binary all do.
const OF_LIBRARY: [&str; 6] = ["apply", "iptables", "leases", "linux", "machines", "rooms"];

/// So many tests in a run that is not whole: one takes the VM about four seconds.
const MOST: usize = 60;

/// The limit for the tests that need the VM: many times what they take.
pub const LIMIT: Duration = Duration::from_secs(2400);

/// What to do in the VM.
#[derive(Debug)]
pub enum Session {
    /// A command, as words for the shell there.
    Command(Vec<String>),
    /// The tests that need it.
    Tests,
    /// All tests that depend on the kernel: does another one than this machine's keep the promises?
    AllTests,
}

/// Boots once, and does it; an error unless all of it succeeds within the limit.
pub fn run(session: &Session, limit: Duration) -> Result<()> {
    qemu::ensure_packages()?;
    let workspace = Workspace::read()?;
    let found = match session {
        Session::Command(words) => {
            // One line, as ssh makes it.
            let mut vm = Vm::boot(&workspace, &words.join(" "), limit)?;
            io::copy(&mut vm.output()?, &mut io::stdout())?;
            return vm.end();
        }
        Session::Tests => targets(&workspace)?,
        Session::AllTests => {
            let mut found = Binary::of_package(&workspace, "wasm-cni-tests")?;
            for target in OF_LIBRARY {
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

/// Runs those of its tests that match, as a part of `cargo xtask test`, or a sample of them; boots nothing when none does.
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
        binary.only(sample::choose(&format!("tests of the VM in {}", binary.name()), names, MOST, sampled));
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

/// Compiles the components where the tests look for them: there it would take longer than the host waits.
fn compile(workspace: &Workspace) -> Result<()> {
    for plugin in workspace.plugins()? {
        let mut version = Command::new(workspace.dist_dir().join(&plugin.name));
        version.env("CNI_COMMAND", "VERSION").env("CNI_PATH", workspace.dist_dir());
        version.env("WASM_CNI_CACHE_DIR", workspace.target_dir.join("test-cache"));
        ensure!(sh::succeeds(&mut version), "{} does not compile", plugin.name);
    }
    Ok(())
}

/// Executes test binaries there, one after the other, whatever became of the ones before.
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
    // Read for the first time, from a busy machine, they would take longer than the host waits for a plan.
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
