//! What `cargo xtask bench` is told.

use super::against::{self, Limit};
use super::{Places, measure, run};
use anyhow::Result;
use std::path::PathBuf;

/// Turns of a row of the page.
const PAIRS: u16 = 40;

/// The options.
#[derive(clap::Args)]
pub struct Arguments {
    /// How many turns each is measured with; by default 40, and 150 with --against.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pairs: Option<u16>,
    /// Only these, with commas between: verbs, start, dual, ports, crowd, growth, memory, size, first.
    #[arg(long)]
    only: Option<String>,
    /// Put what was measured into docs/performance.md.
    #[arg(long, conflicts_with = "only")]
    update: bool,
    /// Compare ADD, CHECK and DEL with another installed tree instead: a copy of target/dist from another commit.
    /// It fails if a verb is slower here.
    #[arg(long, value_name = "DIST", conflicts_with_all = ["only", "update"])]
    against: Option<PathBuf>,
    /// By how many per cent a verb may be slower than with DIST: the most that the upper end of its 95 % confidence
    /// interval may tell.
    #[arg(long, value_name = "PERCENT", default_value_t = against::LIMIT, value_parser = percent,
        allow_negative_numbers = true, requires = "against")]
    limit: f64,
    /// The limit is one of processor time, not of elapsed time: for a machine that does other work.
    #[arg(long, requires = "against")]
    processor_time: bool,
    /// Set by the benchmark itself, once it is in its own namespaces: where ours are.
    #[arg(long, hide = true)]
    inside: Option<PathBuf>,
    /// Likewise: where the programs are that are compared with.
    #[arg(long, hide = true, requires = "inside")]
    programs: Option<PathBuf>,
    /// Likewise: where the results go.
    #[arg(long, hide = true, requires = "inside")]
    out: Option<PathBuf>,
}

impl Arguments {
    /// Does what they say.
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

/// A number, which something can be more than.
fn percent(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if number.is_finite() { Ok(number) } else { Err("not a finite number".to_owned()) }
}
