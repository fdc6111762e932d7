//! `cargo xtask bench --against DIST`: measures whether ADD, CHECK and DEL are slower than with another installed tree.
//!
//! It measures both trees in the same run, one right after the other, because times of two runs are not comparable.

use super::ratio::{FEWEST, Ratio};
use super::rows::{LIFE, walkthrough, with_previous};
use super::world::{Call, Done, Side, World, median, millis, timed};
use crate::workspace::Workspace;
use crate::{dist, machine, netns, sh};
use anyhow::{Context, Result, bail, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;

/// The default number of pairs. While other programs used both processors, the confidence interval of 150 pairs was 10
/// to 20 % around the median for elapsed time, and 3 % for processor time. Four times the pairs halve it.
pub const PAIRS: u16 = 150;
/// The default limit, in per cent.
pub const LIMIT: f64 = 2.0;
/// The verbs, in the order of an attachment's life.
const VERBS: [&str; 3] = ["ADD", "CHECK", "DEL"];
/// The host's program in a tree.
const PROGRAM: &str = "wasm-cni";
/// Warm-up turns: they compile the components, write the cache, and load kernel modules.
const WARM: u16 = 2;
/// Copies of the trees, which are the executed ones.
const COPIES: [&str; 2] = ["/run/trees/current", "/run/trees/against"];
/// The caches of compiled components. Each tree has its own, so that neither reads the other's files.
const CACHES: [&str; 2] = ["/run/wasm-cni/cache.current", "/run/wasm-cni/cache.against"];

/// The comparison.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// By how many per cent it may be slower: the limit for the upper end of the interval.
    pub percent: f64,
    /// Whether it compares processor time instead of elapsed time.
    pub is_processor_time: bool,
}

/// The times of one verb, in milliseconds.
#[derive(Default)]
struct Times {
    elapsed: Vec<f64>,
    /// Of the process and its children. Other programs on the machine affect it less than the elapsed time. It does not
    /// include the kernel's deferred work.
    processor: Vec<f64>,
}

/// Builds the current tree, and measures both in namespaces of their own.
pub fn run(pairs: u16, limit: Limit, against: &Path) -> Result<()> {
    ensure!(pairs >= FEWEST, "{pairs} pairs are too few for a 95 % interval: take at least {FEWEST}");
    let other = fs::canonicalize(against).with_context(|| format!("failed to find {}", against.display()))?;
    ensure!(other.join(PROGRAM).is_file(), "{} has no {PROGRAM}: it is no installed tree", other.display());
    netns::ensure_visible(&other)?;
    machine::ensure_packages(&[machine::IPTABLES, machine::IP, machine::UNSHARE])?;
    let current = dist::build(&Workspace::read()?)?;
    ensure!(current != other, "{} is the current tree, built anew: give a copy of it", other.display());
    let mut process = netns::process(&current, &std::env::current_exe()?)?;
    process.args(["bench", "--pairs", &pairs.to_string(), "--limit", &limit.percent.to_string()]);
    process.args(limit.is_processor_time.then_some("--processor-time"));
    sh::run(process.arg("--inside").arg(current).arg("--against").arg(other))
}

/// Measures the current tree and the other, in its own namespaces; an error if a verb is slower than the limit allows.
pub fn measure(pairs: u16, limit: Limit, trees: [PathBuf; 2]) -> Result<()> {
    let sides = [copy(&trees[0], COPIES[0])?, copy(&trees[1], COPIES[1])?];
    // By tree, then by verb.
    let mut times: [[Times; 3]; 2] = Default::default();
    for turn in 0..WARM + pairs {
        // The first tree of a pair may affect the second, so each is the first equally often.
        let order = if turn % 2 == 0 { [0, 1] } else { [1, 0] };
        for tree in order {
            let mut dropped = Default::default();
            move_program(&sides[tree])?;
            attach(&sides[tree], CACHES[tree], if turn < WARM { &mut dropped } else { &mut times[tree] })?;
        }
    }
    println!("{pairs} pairs, median times in ms, median of the pairs' ratios");
    println!("| Verb | current | DIST | current / DIST | 95 % interval | limit | met |");
    println!("|---|---|---|---|---|---|---|");
    let mut slower = Vec::new();
    let [current, other] = &times;
    for (place, verb) in VERBS.iter().enumerate() {
        let (ours, theirs) = (&current[place], &other[place]);
        for (of, ours, theirs, is_limited) in [
            ("elapsed", &ours.elapsed, &theirs.elapsed, !limit.is_processor_time),
            ("processor", &ours.processor, &theirs.processor, limit.is_processor_time),
        ] {
            let ratio = Ratio::of(ours, theirs)?;
            let most = 1.0 + limit.percent / 100.0;
            let (most, met) = match (is_limited, ratio.high <= most) {
                (false, _) => ("–".to_owned(), "–"),
                (true, is_met) => (format!("≤ {most:.3}"), if is_met { "yes" } else { "no" }),
            };
            let (ours, theirs, Ratio { median, low, high }) = (median(ours), median(theirs), ratio);
            println!(
                "| {verb}, {of} | {ours:.3} | {theirs:.3} | {median:.3} | {low:.3} to {high:.3} | {most} | {met} |"
            );
            if met == "no" {
                slower.push(format!("{verb} (up to {high:.3} times)"));
            }
        }
    }
    if !slower.is_empty() {
        bail!("the current tree may be slower than the limit allows: {}", slower.join(", "));
    }
    Ok(())
}

/// Copies a tree into memory.
///
/// The place of a file in memory affects the time: with two identical trees on one disk, CHECK took 14 % less time with
/// one of them in every run. Files of a tmpfs are all in single pages.
fn copy(tree: &Path, to: &str) -> Result<Side> {
    fs::create_dir_all(to)?;
    sh::stdout(Command::new("cp").arg("--archive").arg(tree.join(".")).arg(to))?;
    Ok(Side { dir: to.into(), is_reference: false })
}

/// Copies the program into other pages, so that a lucky place affects only one turn and not the whole run.
fn move_program(side: &Side) -> Result<()> {
    let (program, new) = (side.dir.join(PROGRAM), side.dir.join(".new"));
    fs::copy(&program, &new)?;
    Ok(fs::rename(new, program)?)
}

/// One attachment in a world of its own; records the time of each verb.
fn attach(side: &Side, cache: &str, times: &mut [Times; 3]) -> Result<()> {
    let config = walkthrough();
    let mut text = config.to_string();
    let world = World::new(1)?;
    for (verb, times) in VERBS.iter().zip(times) {
        if *verb == "DEL" {
            sleep(LIFE);
        }
        let call = Call { side, plugin: "bridge", config: &text, container: 0 };
        let mut process = call.process(verb)?;
        let before = processor_millis()?;
        let Done { took, stdout, .. } = timed(process.env("WASM_CNI_CACHE_DIR", cache))?;
        times.processor.push(processor_millis()? - before);
        times.elapsed.push(millis(took));
        if *verb == "ADD" {
            text = with_previous(&config, &stdout)?;
        }
    }
    world.end()
}

/// The processor time of all ended children, and of their children.
fn processor_millis() -> Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    Ok((usage.user_time() + usage.system_time()).num_microseconds() as f64 / 1000.0)
}
