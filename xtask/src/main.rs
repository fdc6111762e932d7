//! Everything that a developer runs: `cargo xtask dist`, `test`, `vm`, `demo`, `bench`, `order`.
#![expect(clippy::print_stdout, reason = "it talks to a developer's terminal")]

mod bench;
mod demo;
mod dependencies;
mod dist;
mod faults;
mod machine;
mod netns;
#[cfg(target_arch = "x86_64")]
mod order;
mod package;
mod progress;
mod sample;
mod sh;
mod tally;
mod test;
mod vm;
mod workspace;

use clap::Parser;
#[cfg(target_arch = "x86_64")]
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Everything that a developer runs.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
enum Xtask {
    /// Build target/dist (the binaries, a link per plugin, the components), and target/packages with a tarball and a .deb of it.
    Dist,
    /// Run every check and every test; what is missing on this machine is installed first.
    Test {
        /// Only this suite.
        #[command(subcommand)]
        suite: Option<Suite>,
        /// All of what is sampled by the commit otherwise: it takes hours.
        #[arg(long)]
        whole: bool,
        /// Only the tests whose names contain this, without the checks; options of the test harness work too.
        #[arg(last = true)]
        filter: Vec<String>,
    },
    /// Run what needs Debian's kernel, in QEMU: its tests, or a command.
    Vm {
        /// All tests that depend on the kernel.
        #[arg(long, conflicts_with = "command")]
        all: bool,
        /// After so many seconds the VM is stopped.
        #[arg(long, default_value_t = vm::LIMIT.as_secs(), value_parser = clap::value_parser!(u64).range(1..))]
        limit: u64,
        /// A command for the shell there, in the current folder.
        #[arg(last = true)]
        command: Vec<String>,
    },
    /// Build, then plan, ADD, CHECK and DEL an attachment in namespaces that end with the demo.
    Demo,
    /// Measure everything that docs/performance.md tells, beside Debian's plugins and the kernel's floor; or compare with another tree.
    Bench(bench::Arguments),
    /// Find which functions of the host a call executes, for the linker to put them together: host/order.txt.
    #[cfg(target_arch = "x86_64")]
    Order {
        /// Set by itself, once it is in its own namespaces: where ours are.
        #[arg(long, hide = true, requires = "map")]
        inside: Option<PathBuf>,
        /// Likewise: what the linker says of the host.
        #[arg(long, hide = true)]
        map: Option<PathBuf>,
    },
}

/// A suite that can be run by itself, with more than `cargo xtask test` has time for.
#[derive(clap::Subcommand)]
enum Suite {
    /// Faults, with the table of them, ours and the reference's.
    Faults {
        /// Every fault, not a sample: it takes hours.
        #[arg(long)]
        whole: bool,
        /// The seed of the sample, as an earlier run has printed it; by default the commit's.
        #[arg(long)]
        seed: Option<u64>,
        /// Put the table into docs/faults.md.
        #[arg(long)]
        update: bool,
    },
    /// Real containers, started by podman and by containerd.
    Runtimes {
        /// Only the scenarios whose names contain this; options of the test harness work too.
        #[arg(last = true)]
        filter: Vec<String>,
    },
}

fn main() -> ExitCode {
    let outcome = match Xtask::parse() {
        Xtask::Dist => dist::run(),
        Xtask::Test { suite: None, whole, filter } => test::run(&filter, whole),
        Xtask::Test { suite: Some(Suite::Runtimes { filter }), .. } => test::runtimes(&filter),
        Xtask::Test { suite: Some(Suite::Faults { whole: all, seed, update }), whole, .. } => {
            faults::run(whole || all, seed, update)
        }
        Xtask::Vm { all, limit, command } => {
            let session = match (all, command.is_empty()) {
                (_, false) => vm::Session::Command(command),
                (true, true) => vm::Session::AllTests,
                (false, true) => vm::Session::Tests,
            };
            vm::run(&session, Duration::from_secs(limit))
        }
        Xtask::Demo => demo::run(),
        Xtask::Bench(arguments) => arguments.run(),
        #[cfg(target_arch = "x86_64")]
        Xtask::Order { inside: Some(dist), map: Some(map) } => {
            order::trace(&dist, &map).map(|order| print!("{order}"))
        }
        #[cfg(target_arch = "x86_64")]
        Xtask::Order { .. } => order::run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
