//! The developer commands: `cargo xtask dist`, `test`, `vm`, `demo`, `bench`, `fuzz`, `order`.
#![expect(clippy::print_stdout, reason = "it talks to a developer's terminal")]

mod bench;
mod demo;
mod dependencies;
mod dist;
mod faults;
mod fuzz;
mod machine;
mod netns;
#[cfg(target_arch = "x86_64")]
mod order;
mod package;
mod progress;
mod remap;
mod reproduce;
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

/// The developer commands.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
enum Xtask {
    /// Build target/dist (the binaries, a link per plugin, the components), and target/packages with a tarball and a
    /// .deb of it.
    Dist,
    /// Run every check and every test; install first what is missing on this machine.
    Test {
        /// Only this suite.
        #[command(subcommand)]
        suite: Option<Suite>,
        /// Run everything that is otherwise sampled by the commit; hours.
        #[arg(long)]
        whole: bool,
        /// Run only the tests whose names contain this, without the checks; options of the test harness work too.
        #[arg(last = true)]
        filter: Vec<String>,
    },
    /// Run the tests that need Debian's kernel, or a command, in QEMU.
    Vm {
        /// All tests that depend on the kernel.
        #[arg(long, conflicts_with = "command")]
        all: bool,
        /// Stop the VM after this number of seconds.
        #[arg(long, default_value_t = vm::LIMIT.as_secs(), value_parser = clap::value_parser!(u64).range(1..))]
        limit: u64,
        /// A command for the shell in the VM, in the current directory.
        #[arg(last = true)]
        command: Vec<String>,
    },
    /// Build, then plan, ADD, CHECK and DEL an attachment in namespaces that end with the demo.
    Demo,
    /// Measure everything in docs/performance.md, compared with Debian's plugins and the kernel's floor; or compare
    /// with another tree.
    Bench(bench::Arguments),
    /// Unpack the inputs of the fuzzers into folders for cargo-fuzz, or pack them again.
    Fuzz {
        #[command(subcommand)]
        step: fuzz::Step,
    },
    /// Build again in another folder, with another home, and compare the bytes: the components.
    Reproduce {
        /// The host and the compiler, too: it takes several minutes.
        #[arg(long)]
        programs: bool,
    },
    /// Find the functions of the host that a call executes, and write host/order.txt, by which the linker places them
    /// together.
    #[cfg(target_arch = "x86_64")]
    Order {
        /// Set by the command itself inside its namespaces: the path of our tree.
        #[arg(long, hide = true, requires = "map")]
        inside: Option<PathBuf>,
        /// Likewise: the linker's map of the host.
        #[arg(long, hide = true)]
        map: Option<PathBuf>,
    },
}

/// A suite that can run alone, with more than `cargo xtask test` has time for.
#[derive(clap::Subcommand)]
enum Suite {
    /// Faults, with their table, ours and the reference's.
    Faults {
        /// Every fault, not a sample: it takes hours.
        #[arg(long)]
        whole: bool,
        /// The seed of the sample, as an earlier run printed it; by default it follows from the commit.
        #[arg(long)]
        seed: Option<u64>,
        /// Write the table into docs/faults.md.
        #[arg(long)]
        update: bool,
    },
    /// Real containers, started by podman and by containerd.
    Runtimes {
        /// Run only the scenarios whose names contain this; options of the test harness work too.
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
        Xtask::Fuzz { step } => step.run(),
        Xtask::Reproduce { programs } => reproduce::run(programs),
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
