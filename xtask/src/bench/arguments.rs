//! The arguments of `cargo xtask bench`.

use super::against::{self, Limit};
use super::{Places, measure, run};
use anyhow::Result;
use std::path::PathBuf;

/// The default number of turns.
const PAIRS: u16 = 40;

/// The options.
#[derive(clap::Args)]
pub struct Arguments {
    /// The number of turns; by default 40, and 150 with --against.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pairs: Option<u16>,
    /// Measure only these, separated by commas: verbs, start, dual, ports, crowd, growth, memory, size, first.
    #[arg(long)]
    only: Option<String>,
    /// Write the results into docs/performance.md.
    #[arg(long, conflicts_with = "only")]
    update: bool,
    /// Compare ADD, CHECK and DEL with another installed tree instead: a copy of target/dist from another commit. The
    /// command fails if a verb is slower here.
    #[arg(long, value_name = "DIST", conflicts_with_all = ["only", "update"])]
    against: Option<PathBuf>,
    /// By how many per cent a verb may be slower than with DIST: the limit for the upper end of its 95 % confidence
    /// interval.
    #[arg(long, value_name = "PERCENT", default_value_t = against::LIMIT, value_parser = percent,
        allow_negative_numbers = true, requires = "against")]
    limit: f64,
    /// Compare processor time instead of elapsed time: for a machine that does other work.
    #[arg(long, requires = "against")]
    processor_time: bool,
    /// Set by the benchmark itself inside its namespaces: the path of our tree.
    #[arg(long, hide = true)]
    inside: Option<PathBuf>,
    /// Likewise: the path of the programs to compare with.
    #[arg(long, hide = true, requires = "inside")]
    programs: Option<PathBuf>,
    /// Likewise: the path for the results.
    #[arg(long, hide = true, requires = "inside")]
    out: Option<PathBuf>,
}

impl Arguments {
    /// Runs the benchmark.
    pub fn run(self) -> Result<()> {
        let Arguments { pairs, only, update, against, limit, processor_time, inside, programs, out } = self;
        if let Some(against) = against {
            let pairs = pairs.unwrap_or(against::PAIRS);
            let limit = Limit { percent: limit, is_processor_time: processor_time };
            return match inside {
                Some(dist) => against::measure(pairs, limit, [dist, against]),
                None => against::run(pairs, limit, &against),
            };
        }
        let pairs = pairs.unwrap_or(PAIRS);
        match (inside, programs, out) {
            (Some(dist), Some(programs), Some(out)) => {
                measure(pairs, only.as_deref(), &Places { dist, programs, out })
            }
            _ => run(pairs, only.as_deref(), update),
        }
    }
}

/// A positive number.
fn percent(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if number.is_finite() { Ok(number) } else { Err("not a finite number".to_owned()) }
}
