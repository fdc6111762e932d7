//! Journals of version 1 with VLANs: see `tests/tests/journal_v1`.

use wasm_cni_tests::journals::{Scenario, suite};

#[test]
fn vlans_of_a_journal_of_version_1_are_undone() {
    let scenarios = Scenario::in_vm();
    assert!(!scenarios.is_empty());
    let suites = [suite::deleted, suite::undone_by_effects, suite::undone_by_intents];
    let wrong: Vec<String> = suites.iter().flat_map(|suite| suite(&scenarios)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
