//! The cases of `tests/differential` that need this kernel.

use std::io::Write;
use wasm_cni_tests::differential::{Case, suite};

/// The number of cases in a sample. A case takes about three seconds in the VM.
const MOST: usize = 60;

#[test]
fn every_case_is_as_the_reference_does_it_or_a_listed_difference() {
    let mut cases = Case::all();
    cases.retain(|case| case.needs_vm && case.is_wanted());
    assert!(!cases.is_empty(), "no case needs this kernel");
    let cases = wasm_cni_sample::choose("cases of the VM", cases, MOST);
    // Writes to stderr directly, because the test harness captures the output of a test that passes.
    let outcome = suite::run(&cases, false, |case, unlisted| {
        writeln!(std::io::stderr(), "{}", suite::line(case, unlisted)).unwrap();
    });
    writeln!(std::io::stderr(), "{}", outcome.score).unwrap();
    assert!(outcome.is_good(), "{outcome}");
}
