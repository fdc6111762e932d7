//! Every step of the plans of the differential corpus: the step fails, its undo fails too, the process dies before or
//! after it.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use wasm_cni_sample::Draw;
use wasm_cni_tests::differential::{Case, Implementation, Step};
use wasm_cni_tests::faults::steps::{At, Found, Outcome, Point, Target};
use wasm_cni_tests::faults::{Row, table};
use wasm_cni_tests::{kinds_of_actions, workers};

/// These cases are in every sample, as are those of `tests/plans/corpus.json`. Together they have every kind of action
/// that this kernel supports.
const SHAPES: [&str; 19] = [
    "walkthrough",
    "bridge-dual",
    "bridge-force-several",
    "bridge-nft-dual",
    "bridge-macspoofchk",
    "bridge-promisc-existing",
    "bridge-of-operator-down",
    "bridge-masq-two-interfaces",
    "bridge-l2",
    "bridge-enabledad",
    "bridge-static",
    "host-local-two-sets",
    "loopback-1.0.0",
    "tuning-args",
    "portmap-dual",
    "portmap-two-containers",
    "portmap-nft",
    "firewall-same-bridge",
    "bandwidth",
];

/// The number of other cases, drawn by the seed.
const OTHERS: usize = 10;

/// The number of faults of a kind in a sample.
const SAMPLE: usize = 36;

/// Actions that no ADD here has. VLANs and dummy links need another kernel: `cargo xtask vm`. A dead link of our own,
/// which is not restored when the ADD fails, is in `tests/privileged/tests/apply`. Ports of a dead container are in
/// `tests/tests/portmap.rs`.
const ELSEWHERE: [&str; 4] = ["ensure-vlan-gateway", "create-dummy", "delete-stale-link", "delete-port-map"];

#[test]
fn at_any_step_of_any_plan_a_fault_leaves_nothing() {
    let mut draw = Draw::new(wasm_cni_sample::seed());
    let mut cases = Case::all();
    cases.retain(|case| !case.needs_vm);
    draw.shuffle(&mut cases);
    let lines = recorded_lines();
    let is_shape = |case: &Case| SHAPES.contains(&case.name.as_str());
    assert_eq!(cases.iter().filter(|case| is_shape(case)).count(), SHAPES.len(), "a case was renamed");
    let is_recorded_case = |case: &Case| lines.iter().any(|line| line["case"] == *case.name);
    let (always, mut others): (Vec<Case>, Vec<Case>) =
        cases.into_iter().partition(|case| is_shape(case) || is_recorded_case(case));
    let is_blessing = std::env::var_os("BLESS").is_some();
    if !wasm_cni_sample::is_whole() && !is_blessing {
        others.truncate(OTHERS);
    }
    let cases: Vec<Case> = always.into_iter().chain(others).chain([with_native_ipam()]).collect();
    let targets: Vec<Target<'_>> = cases.iter().flat_map(Target::of).collect();
    let mut found = workers::map(&targets, Target::find);
    let shapes = found.iter().flat_map(|found| &found.shape);
    let kinds: BTreeSet<&str> = shapes.filter_map(|action| action.split(' ').next()).collect();
    let all = kinds_of_actions();
    let unseen: Vec<&str> = all.iter().map(String::as_str).filter(|kind| !kinds.contains(kind)).collect();
    assert!(unseen.iter().all(|kind| ELSEWHERE.contains(kind)), "{unseen:?} of {kinds:?}");
    if is_blessing {
        record(&found);
    }
    let is_recorded = is_recorded(&lines, &found);
    if is_blessing {
        return;
    }
    keep_one_of_each_shape(&mut found);
    let plans = found.iter().filter(|found| !found.points.is_empty()).count();
    let mut rows: BTreeMap<At, Row> = BTreeMap::new();
    let mut points: Vec<(usize, Point)> = Vec::new();
    for at in At::ALL {
        let of_kind = found.iter().enumerate().flat_map(|(target, found)| {
            found.points.iter().filter(|point| point.at == at).map(move |point| (target, point.clone()))
        });
        let all: Vec<(usize, Point)> = of_kind.collect();
        let what = format!("{}, ADD of {plans} different plans", at.name());
        // Prints progress, because the run takes minutes.
        eprintln!("{what}: {} points", all.len());
        rows.insert(at, Row { who: "wasm-cni".to_owned(), what, possible: all.len(), ..Row::default() });
        points.extend(draw.sample(all, SAMPLE, |(target, _)| *target));
    }
    let outcomes = workers::map(&points, |(target, point)| targets[*target].outcome(point));
    for ((target, point), outcome) in points.iter().zip(outcomes) {
        count(rows.entry(point.at).or_default(), &targets[*target].case.name, point, &outcome);
    }
    for at in [At::KilledBefore, At::KilledAfter] {
        let row = &rows[&at];
        assert!(row.survived * 4 <= row.tried, "{} of {} were not killed", row.survived, row.tried);
    }
    let rows: Vec<Row> = rows.into_values().collect();
    table::publish(1, &rows);
    let wrong: Vec<&String> = rows.iter().flat_map(|row| &row.examples).collect();
    assert!(wrong.is_empty(), "seed {}:\n{wrong:#?}", wasm_cni_sample::seed());
    assert!(is_recorded.is_ok(), "{is_recorded:?}");
}

/// The same actions in the same order have the same steps, and a fault at a step strikes the same code. A case that is
/// alone with its plan keeps all its faults.
fn keep_one_of_each_shape(found: &mut [Found]) {
    let mut seen = BTreeSet::new();
    for found in found {
        if !seen.insert(found.shape.clone()) {
            found.points.clear();
        }
    }
}

/// Our bridge with the reference's `static`, which is executed in the middle of the plan.
fn with_native_ipam() -> Case {
    let directory = wasm_cni_tests::target().join("faults-path");
    let mut case = Case::all().into_iter().find(|case| case.name == "bridge-static").expect("the case");
    std::fs::create_dir_all(&directory).expect("target is writable");
    let copied = std::fs::copy(wasm_cni_tests::dist().join("bridge.wasm"), directory.join("bridge.wasm"));
    copied.expect("target is writable");
    case.name += " by the reference's";
    for step in &mut case.steps {
        if let Step::Call(call) = step {
            let path = format!("{}:{}", directory.display(), Implementation::Reference.directory().display());
            call.env.push(("CNI_PATH".to_owned(), path));
        }
    }
    case
}

/// The path of executed programs differs on each machine.
fn is_kept(found: &&Found) -> bool {
    !found.shape.is_empty() && !found.shape.iter().any(|action| action.starts_with("delegate "))
}

fn corpus() -> PathBuf {
    wasm_cni_tests::repository().join("tests/plans/corpus.json")
}

/// With `BLESS=1`: one plan of each shape, for `tests/plans`.
fn record(found: &[Found]) {
    let mut shapes: BTreeMap<&Vec<String>, String> = BTreeMap::new();
    for found in found.iter().filter(is_kept) {
        let line = found.recorded.to_string();
        let least = shapes.entry(&found.shape).or_insert_with(|| line.clone());
        if line < *least {
            *least = line;
        }
    }
    let mut lines: Vec<String> = shapes.into_values().collect();
    lines.sort_unstable();
    std::fs::write(corpus(), lines.join("\n") + "\n").expect("the repository is writable");
}

fn recorded_lines() -> Vec<Value> {
    let text = std::fs::read_to_string(corpus()).expect("the repository has it");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Compares each line of `tests/plans/corpus.json` with the plans of this run. `tests/fuzz/tests/plans.rs` compares the
/// same lines with the plugins as ordinary Rust.
fn is_recorded(lines: &[Value], found: &[Found]) -> Result<(), String> {
    for line in lines {
        let is_of_line = |found: &&Found| ["case", "step"].iter().all(|key| found.recorded[key] == line[key]);
        match found.iter().find(is_of_line) {
            Some(found) if found.recorded == *line => {}
            Some(found) => return Err(format!("{} has changed: BLESS=1 records it", found.recorded)),
            None => {
                return Err(format!(
                    "no plan of {}, step {}: BLESS=1 removes the line",
                    line["case"], line["step"]
                ));
            }
        }
    }
    Ok(())
}

fn count(row: &mut Row, case: &str, point: &Point, outcome: &Outcome) {
    row.tried += 1;
    row.survived += usize::from(outcome.survived);
    let is_error = !outcome.survived && !point.faults.iter().any(|fault| fault.kills());
    row.failed += usize::from(is_error);
    row.as_before += usize::from(is_error && outcome.as_before);
    for (count, what, lines) in [
        (&mut row.wrong_exit, "exit", &outcome.wrong_exit),
        (&mut row.bad_stdout, "stdout", &outcome.bad_stdout),
        (&mut row.left, "left", &outcome.left),
        (
            if point.without_netns { &mut row.left_without_netns } else { &mut row.left_by_next },
            "left after DEL",
            &outcome.left_by_del,
        ),
    ] {
        if !lines.is_empty() {
            *count += 1;
            let fault = point.faults.first().map(ToString::to_string).unwrap_or_default();
            let shown: String = format!("{lines:?}").chars().take(600).collect();
            row.examples.push(format!("{case}, {}, {fault}: {what}: {shown}", point.at.name()));
        }
    }
}
