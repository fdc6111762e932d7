//! Everything that a developer runs: `cargo xtask dist`, `test`, `demo`, `bench`.
#![expect(clippy::print_stdout, reason = "it talks to a developer's terminal")]

mod bench;
mod bench_leases;
mod demo;
mod dependencies;
mod dist;
mod machine;
mod netns;
mod sh;
mod tally;
mod test;
mod workspace;

use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;

/// Everything that a developer runs.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
enum Xtask {
    /// Build target/dist: the binaries, a link per plugin, the components.
    Dist,
    /// Run every check and every test; what is missing on this machine is installed first.
    Test {
        /// Only the tests whose names contain this, without the checks; options of the test harness work too.
        #[arg(last = true)]
        filter: Vec<String>,
    },
    /// Build, then plan, ADD, CHECK and DEL an attachment in namespaces that end with the demo.
    Demo,
    /// Time ADD and DEL beside Debian's bridge plugin.
    Bench {
        /// How many pairs of ADD and DEL each plugin is measured with.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
        pairs: u16,
        /// Time host-local and the bridge with 10 to 60 000 leases held instead.
        #[arg(long)]
        leases: bool,
        /// Set by the benchmark itself, once it is in its own namespaces: where ours are.
        #[arg(long, hide = true)]
        inside: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    let outcome = match Xtask::parse() {
        Xtask::Dist => dist::run(),
        Xtask::Test { filter } => test::run(&filter),
        Xtask::Demo => demo::run(),
        Xtask::Bench { pairs, leases, inside: None } => bench::run(pairs, leases),
        Xtask::Bench { pairs, leases: false, inside: Some(dist) } => bench::measure(pairs, &dist),
        Xtask::Bench { pairs, leases: true, inside: Some(dist) } => bench_leases::measure(pairs, &dist),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
