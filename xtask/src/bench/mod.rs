//! `cargo xtask bench`: measures everything in `docs/performance.md`, in one run.

mod against;
mod arguments;
mod floor;
mod growth;
mod plot;
mod ratio;
mod row;
mod rows;
pub mod world;

use crate::workspace::{Workspace, host_target};
use crate::{dist, machine, netns, sh};
use anyhow::{Context, Result};
pub use arguments::Arguments;
use floor::Floor;
use row::Row;
pub use rows::walkthrough;
use serde_json::json;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// The crate of the programs to compare with.
const BENCHES: &str = "wasm-cni-benches";
/// The files of the measuring process, in `target`.
const RESULTS: &str = "bench.json";
const PLOT: &str = "bench.svg";
const TABLE: &str = "bench.md";
/// The page with the results.
const PAGE: &str = "docs/performance.md";
const PAGE_PLOT: &str = "docs/performance.svg";
/// The table in the page is between these lines.
const MARKS: [&str; 2] = ["<!-- measured -->\n", "<!-- end -->"];

/// Builds, and measures in namespaces of its own; with `update` writes the results into the page.
pub fn run(pairs: u16, only: Option<&str>, update: bool) -> Result<()> {
    machine::ensure_packages(&[
        machine::IPTABLES,
        machine::IP,
        machine::PING,
        machine::STRACE,
        machine::UNSHARE,
        machine::REFERENCE_PLUGINS,
    ])?;
    let workspace = Workspace::read()?;
    let dist = dist::build(&workspace)?;
    let target = host_target();
    let words = ["build", "--profile", dist::INSTALLED, "--target", &target, "--package", BENCHES];
    sh::run(&mut workspace.cargo(&words))?;
    let programs = workspace.target_dir.join(&target).join(dist::INSTALLED);
    let mut process = netns::process(&dist, &std::env::current_exe()?)?;
    process
        .args(["bench", "--pairs", &pairs.to_string(), "--inside"])
        .arg(&dist)
        .arg("--programs")
        .arg(programs);
    process.arg("--out").arg(&workspace.target_dir);
    if let Some(only) = only {
        process.args(["--only", only]);
    }
    sh::run(&mut process)?;
    if update {
        let page = workspace.root.join(PAGE);
        let text = fs::read_to_string(&page)?;
        let (head, rest) =
            text.split_once(MARKS[0]).context("docs/performance.md has no place for the table")?;
        let (_, tail) = rest.split_once(MARKS[1]).context("docs/performance.md has no end of the table")?;
        let table = fs::read_to_string(workspace.target_dir.join(TABLE))?;
        fs::write(&page, format!("{head}{}{table}{}{tail}", MARKS[0], MARKS[1]))?;
        fs::copy(workspace.target_dir.join(PLOT), workspace.root.join(PAGE_PLOT))?;
    }
    Ok(())
}

/// The paths of the measuring process.
pub struct Places {
    /// Our installed tree.
    pub dist: PathBuf,
    /// The programs of `benches`.
    pub programs: PathBuf,
    /// The directory of the results.
    pub out: PathBuf,
}

/// Measures, and writes table, JSON and plot.
pub fn measure(pairs: u16, only: Option<&str>, places: &Places) -> Result<()> {
    let sides = world::sides(&places.dist);
    let (few, floor_program) = (pairs.div_ceil(8), places.programs.join("floor"));
    let wanted = |name: &str| only.is_none_or(|only| only.split(',').any(|word| word == name));
    let (mut rows, mut phases, mut curves): (Vec<Row>, _, _) = (Vec::new(), Vec::new(), Vec::new());
    // This compiles the components; another row measures it.
    let warm = world::World::new(1)?;
    let text = walkthrough().to_string();
    let call = world::Call { side: &sides[0], plugin: "bridge", config: &text, container: 0 };
    call.run("ADD")?;
    call.run("DEL")?;
    warm.end()?;
    if wanted("verbs") {
        let floor = Floor::capture(&sides[0], floor_program.clone())?;
        let (more, of_add) = rows::verbs(&sides, pairs, &places.programs.join("planned"), &floor)?;
        rows.extend(more);
        phases = of_add;
    }
    if wanted("start") {
        rows.push(rows::start(&sides, pairs)?);
    }
    if wanted("dual") {
        rows.push(rows::dual_stack(&sides, few)?);
    }
    if wanted("ports") {
        rows.push(rows::ports(&sides, pairs)?);
    }
    if wanted("crowd") {
        rows.push(rows::crowd(&sides, few)?);
    }
    if wanted("growth") {
        let (more, of_growth) = growth::measure(&sides, pairs)?;
        rows.extend(more);
        curves = of_growth;
    }
    if wanted("memory") {
        rows.push(rows::memory(&sides, &floor_program)?);
    }
    if wanted("size") {
        rows.extend(rows::size(&sides)?);
    }
    if wanted("first") {
        rows.push(rows::first(&sides, few)?);
    }
    let mut table = format!("\n{}", row::table(&rows));
    if !phases.is_empty() {
        table += "\n| Phase of an ADD | µs |\n|---|---|\n";
        table.extend(phases.iter().map(|(phase, us)| format!("| {phase} | {us:.0} |\n")));
    }
    for curve in &curves {
        let points = curve
            .points
            .iter()
            .map(|(level, ours, theirs)| format!("| {level} | {ours:.1} | {theirs:.1} |\n"));
        table += &format!(
            "\n| {} | ADD, ms | Debian's, ms |\n|---|---|---|\n{}",
            curve.of,
            points.collect::<String>()
        );
    }
    println!("median of {pairs}\n{table}");
    let uname = sh::stdout(Command::new("uname").arg("-r"))?;
    let measured: Vec<_> =
        rows.iter().map(|row| json!({ "row": row, "ratio": row.ratio(), "met": row.is_met() })).collect();
    let result = json!({ "pairs": pairs, "kernel": uname.trim(), "rows": measured, "phases_us": phases, "growth": curves });
    let write = |name: &str, text: &str| fs::write(places.out.join(name), text);
    write(RESULTS, &serde_json::to_string_pretty(&result)?)?;
    write(PLOT, &plot::svg(&rows, &phases, &curves))?;
    write(TABLE, &format!("Median of {pairs} pairs, kernel {}.\n{table}\n", uname.trim()))?;
    Ok(())
}
