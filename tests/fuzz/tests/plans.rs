//! Golden plans: our plugins, as ordinary Rust, plan the same as their components.
//!
//! Each line of `tests/plans/corpus.json` is a plan, one of each shape among the cases of `tests/differential`.
//! `cargo xtask test` compares the same lines with the components, on the kernel (`tests/tests/faults/steps.rs`).
//! `BLESS=1 cargo xtask test -- at_any_step` writes the file again.

use wasm_cni_fuzz_targets::case::Case;
use wasm_cni_fuzz_targets::world::{Shared, World};
use wasm_cni_plans::Plan;

/// State from earlier steps of a case that no plan of the attachment makes, in the format of `tests/fuzz/src/case.rs`.
const BEFORE: [(&str, usize, &[&str]); 3] = [
    ("bridge-force", 1, &["bridge br0 10.9.9.1/24"]),
    ("bridge-force-several", 1, &["bridge br0 10.9.9.1/24 10.8.8.1/16"]),
    ("bridge-force-v6", 5, &["bridge br0 fd00:9::1/64 fd00:2::9/32"]),
];

#[test]
fn every_plugin_plans_the_same_as_its_component() {
    let (mut wrong, mut known) = (Vec::new(), Vec::new());
    for plan in Plan::all() {
        let Some(recorded) = plan.recorded() else { continue };
        let (name, request) = (format!("{}, step {}", plan.name, recorded.step), recorded.request());
        let mut case = Case { request, config: recorded.config(), before: plan.before(), fails: None };
        let is_of_it = |(case, step, _): &&(&str, usize, _)| *case == plan.name && *step == recorded.step;
        if let Some(before) = BEFORE.iter().find(is_of_it) {
            known.push(before);
            before.2.iter().for_each(|line| case.say(line));
        }
        let shared = Shared::new(World::new(case.before.clone(), recorded.grants()));
        let planned = wasm_cni_native_guests::run(&case.request, Box::new(shared.clone()));
        let is_same = planned
            .as_ref()
            .is_ok_and(|draft| (&draft.entries, &draft.report) == (&plan.entries, &recorded.report));
        if !is_same {
            let entries = plan.entries.iter().map(|entry| format!("{entry:?}")).collect::<Vec<_>>();
            let found = match &planned {
                Ok(draft) => draft.entries.iter().map(|entry| format!("{entry:?}")).collect(),
                Err(error) => vec![format!("{error:?}")],
            };
            let missing: Vec<_> = entries.iter().filter(|line| !found.contains(line)).collect();
            let added: Vec<_> = found.iter().filter(|line| !entries.contains(line)).collect();
            let reports = planned.as_ref().ok().map(|draft| (&draft.report, &recorded.report));
            let reports = reports.filter(|(ours, theirs)| ours != theirs);
            wrong.push(format!("{name}:\nmissing {missing:#?}\nbesides {added:#?}\nreports {reports:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} plans differ:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(known.len(), BEFORE.len(), "a line of BEFORE belongs to no plan");
}
