//! `cargo xtask order`: finds the functions of the host that a call executes, and writes `host/order.txt`, by which the
//! linker places them together (docs/adr/0016-order.md).

mod map;
mod tracer;

use crate::bench::world::{Call, World, sides};
use crate::workspace::{Workspace, host_target};
use crate::{dist, machine, netns, sh};
use anyhow::{Context, Result, ensure};
use map::Function;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use tracer::Hit;

/// The input of the host's build script.
const ORDER: &str = "host/order.txt";
/// The linker's map, in the build script's own directory.
const MAP: &str = "wasm-cni.map";
/// The share of its lines that must name a function. With 80 of 100, an ADD took 4 % more processor time.
const FOUND_PERCENT: usize = 90;
/// The verbs whose functions are listed; the first one is the one that users wait for.
const VERBS: [&str; 3] = ["ADD", "CHECK", "DEL"];

/// Builds, executes the walkthrough in namespaces of its own, and writes the order. It takes effect at the next build.
pub fn run() -> Result<()> {
    machine::ensure_packages(&[machine::IPTABLES, machine::IP, machine::UNSHARE])?;
    let workspace = Workspace::read()?;
    let dist = dist::build(&workspace)?;
    let map = newest_map(&workspace)?;
    let mut process = netns::process(&dist, &std::env::current_exe()?)?;
    process.arg("order").arg("--inside").arg(&dist).arg("--map").arg(map);
    let order = sh::stdout(&mut process)?;
    let file = workspace.root.join(ORDER);
    fs::write(&file, &order).with_context(|| format!("failed to write {}", file.display()))?;
    eprintln!("{} functions in {ORDER}", order.lines().count());
    Ok(())
}

/// An error unless most of the order names functions of the host as it was built last: a part of the names ends in a hash,
/// which changes with versions of crates and flags of the compiler.
pub fn check(workspace: &Workspace) -> Result<()> {
    let map = newest_map(workspace)?;
    let text = fs::read_to_string(&map).with_context(|| format!("failed to read {}", map.display()))?;
    let order = fs::read_to_string(workspace.root.join(ORDER))?;
    let (found, all) = found(&order, &map::functions(&text)?);
    ensure!(
        found * 100 >= all * FOUND_PERCENT,
        "{found} of {all} lines of {ORDER} name a function: run `cargo xtask order`"
    );
    Ok(())
}

/// How many lines of an order name a function, of how many.
fn found(order: &str, functions: &[Function]) -> (usize, usize) {
    let names: BTreeSet<String> =
        functions.iter().flat_map(|function| [function.name.clone(), function.pattern()]).collect();
    (order.lines().filter(|line| names.contains(*line)).count(), order.lines().count())
}

/// The map of the binary that was linked last.
fn newest_map(workspace: &Workspace) -> Result<PathBuf> {
    let built = workspace.target_dir.join(host_target()).join(dist::INSTALLED).join("build");
    let mut maps = Vec::new();
    for entry in fs::read_dir(&built).with_context(|| format!("failed to list {}", built.display()))? {
        let map = entry?.path().join("out").join(MAP);
        if let Ok(metadata) = fs::metadata(&map) {
            maps.push((metadata.modified()?, map));
        }
    }
    maps.sort();
    maps.pop().map(|(_, map)| map).with_context(|| format!("no {MAP} below {}", built.display()))
}

/// Executes the walkthrough, in its own namespaces; returns the order.
pub fn trace(dist: &Path, map: &Path) -> Result<String> {
    let text = fs::read_to_string(map).with_context(|| format!("failed to read {}", map.display()))?;
    let functions = map::functions(&text)?;
    let [ours, _] = sides(dist);
    let world = World::new(1)?;
    let mut config = crate::bench::walkthrough();
    let call = |config: &str, verb: &str| {
        let call = Call { side: &ours, plugin: "bridge", config, container: 0 };
        call.process(verb)
    };
    // This turn compiles the components, and makes the bridge.
    for verb in ["ADD", "DEL"] {
        sh::stdout(&mut call(&config.to_string(), verb)?)?;
    }
    let mut hits = Vec::new();
    for verb in VERBS {
        let (result, executed) = tracer::executed(&mut call(&config.to_string(), verb)?, &functions)?;
        if verb == "ADD" {
            config["prevResult"] = serde_json::from_str(&result).context("ADD gave no result")?;
        }
        hits.push(executed);
    }
    world.end()?;
    ensure!(hits.iter().flatten().any(|hit| hit.in_planner), "no planner was seen");
    Ok(order(&functions, &hits))
}

/// The functions of ADD until it has a planner, those of the planner, the rest of ADD, then the additional functions of
/// the other verbs. A line is a name, with `*` for the hash at its end; without `*` if most functions of that name are
/// not executed.
fn order(functions: &[Function], verbs: &[Vec<Hit>]) -> String {
    let mut bytes: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let executed: BTreeSet<usize> = verbs.iter().flatten().map(|hit| hit.function).collect();
    for (number, function) in functions.iter().enumerate() {
        let (all, hot) = bytes.entry(function.pattern()).or_default();
        *all += function.size;
        *hot += if executed.contains(&number) { function.size } else { 0 };
    }
    let mut parts: [Vec<String>; 4] = Default::default();
    let mut seen = BTreeSet::new();
    for (verb, hits) in verbs.iter().enumerate() {
        let mut has_planner = false;
        for hit in hits {
            let Some(function) = functions.get(hit.function) else { continue };
            has_planner |= hit.in_planner;
            let part = match (verb, hit.in_planner, has_planner) {
                (0, false, false) => 0,
                (0, true, _) => 1,
                (0, false, true) => 2,
                _ => 3,
            };
            let pattern = function.pattern();
            let (all, hot) = bytes.get(&pattern).copied().unwrap_or_default();
            let line = if hot * 2 >= all { pattern } else { function.name.clone() };
            if seen.insert(line.clone()) {
                parts[part].push(line);
            }
        }
    }
    parts.concat().join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_by_its_hash_or_without_one() {
        let function = |name: &str| Function { name: name.to_owned(), address: 0, size: 1 };
        let functions = [function("_ZN1a4main17h0123456789abcdefE"), function("memcpy")];
        let order =
            "_ZN1a4main17h*\n_ZN1a4main17h0123456789abcdefE\n_ZN1a4main17hfedcba9876543210E\nmemcpy\n";
        assert_eq!(found(order, &functions), (3, 4));
    }

    #[test]
    fn what_a_planner_executes_stands_together_and_a_name_is_exact_where_most_of_it_is_cold() {
        let function = |name: &str, size| Function { name: name.to_owned(), address: 0, size };
        let functions = [
            function("_ZN1a4main17h0123456789abcdefE", 10),
            function("_ZN1b3run17h0123456789abcdefE", 10),
            function("_ZN1c4drop17h0123456789abcdefE", 10),
            function("_ZN1c4drop17hfedcba9876543210E", 30),
            function("memcpy", 5),
        ];
        let hit = |function, in_planner| Hit { function, in_planner };
        let add = vec![hit(0, false), hit(1, true), hit(4, false), hit(2, true)];
        let order = order(&functions, &[add, vec![hit(0, false)]]);
        assert_eq!(order, "_ZN1a4main17h*\n_ZN1b3run17h*\n_ZN1c4drop17h0123456789abcdefE\nmemcpy\n");
    }
}
