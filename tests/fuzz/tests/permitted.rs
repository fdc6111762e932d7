//! The target `permitted` with a generator of its own: a run without a fuzzer.

use std::collections::BTreeMap;
use std::io::Write;
use std::panic::catch_unwind;
use std::time::Instant;
use wasm_cni_fuzz_targets::permitted::{self, Outcome, mutation};

/// The number of plans, and the first seed. `PERMITTED=COUNT:SEED` sets others. With `PERMITTED_KEEP=DIRECTORY`, each
/// input whose plan is applied becomes a file there.
const RUNS: (u64, u64) = (400, 1);

#[test]
fn what_policy_lets_through_leaves_others_alone() {
    let given = std::env::var("PERMITTED").ok();
    let given = given.as_deref().and_then(|text| text.split_once(':'));
    let (count, first) = given.map_or(RUNS, |(count, seed)| (count.parse().unwrap(), seed.parse().unwrap()));
    let keep = std::env::var_os("PERMITTED_KEEP").map(std::path::PathBuf::from);
    let (mut outcomes, mut failed) = (BTreeMap::<Outcome, u64>::new(), Vec::new());
    let start = Instant::now();
    for seed in first..first + count {
        let input = mutation::generated(seed);
        match catch_unwind(|| permitted::outcome(input.as_bytes())) {
            Ok(outcome) => {
                *outcomes.entry(outcome).or_default() += 1;
                if let Some(keep) = keep.as_ref().filter(|_| outcome == Outcome::Applied) {
                    std::fs::write(keep.join(seed.to_string()), &input).unwrap();
                }
            }
            Err(_) => {
                let found = format!("plan {} of the run:\n{input}", seed - first + 1);
                failed.push(found);
            }
        }
    }
    // Writes to stderr directly, because the test harness captures the output of a test that passes.
    let figures = format!("{count} plans from seed {first} in {:?}: {outcomes:?}", start.elapsed());
    writeln!(std::io::stderr(), "{figures}").unwrap();
    assert!(failed.is_empty(), "{} of {count}: {}", failed.len(), failed.join("\n\n"));
    // A run of plans that are all refused would show nothing.
    let applied = outcomes.get(&Outcome::Applied).copied().unwrap_or_default();
    assert!(applied * 10 > count, "{outcomes:?}");
}

#[test]
fn each_honest_plan_is_let_through_and_applied() {
    let run = |name: &String| catch_unwind(|| permitted::outcome(format!("plan {name}").as_bytes())).ok();
    let names = permitted::names();
    let other: Vec<_> = names
        .iter()
        .map(|name| (name, run(name)))
        .filter(|(_, got)| *got != Some(Outcome::Applied))
        .collect();
    assert!(other.is_empty(), "{other:#?}");
}
