//! System calls that fail, during an ADD and a DEL of the walkthrough, ours and the reference's.

use wasm_cni_sample::Draw;
use wasm_cni_tests::differential::Implementation;
use wasm_cni_tests::faults::{Fault, Row, Trial, points, table};
use wasm_cni_tests::workers;

/// The number of faults of a kind in a sample.
const SAMPLE: usize = 110;
const SAMPLE_OF_REFERENCE: usize = 36;

fn tried(implementation: Implementation, verb: &'static str) -> Vec<Row> {
    let (trial, trace) = Trial::new(implementation, verb);
    let (kills, errors): (Vec<Fault>, Vec<Fault>) = points::all(&trace).into_iter().partition(Fault::kills);
    let is_ours = implementation == Implementation::Ours;
    let count = if is_ours { SAMPLE } else { SAMPLE_OF_REFERENCE };
    let rows = [("a system call of", errors), ("killed in", kills)].map(|(what, faults)| {
        let who = if is_ours { "wasm-cni" } else { "reference" };
        let mut row = Row {
            who: who.to_owned(),
            what: format!("{what} {verb}"),
            possible: faults.len(),
            ..Row::default()
        };
        let kind = |fault: &Fault| (fault.syscall.clone(), fault.who);
        let faults = Draw::new(wasm_cni_sample::seed()).sample(faults, count, kind);
        let verdicts = workers::map(&faults, |fault| {
            let verdict = trial.of(fault);
            let mut alone = Row { what: format!("{who}: {what} {verb}"), ..Row::default() };
            alone.add(&verdict);
            // Prints progress, because the run takes minutes.
            alone.examples.iter().for_each(|text| eprintln!("{text}"));
            verdict
        });
        verdicts.iter().for_each(|verdict| row.add(verdict));
        row
    });
    rows.to_vec()
}

#[test]
fn a_failed_system_call_or_a_kill_leaves_nothing_and_every_exit_code_is_right() {
    let ours = [tried(Implementation::Ours, "ADD"), tried(Implementation::Ours, "DEL")].concat();
    let theirs = [tried(Implementation::Reference, "ADD"), tried(Implementation::Reference, "DEL")].concat();
    table::publish(0, &[ours.clone(), theirs].concat());
    let wrong: Vec<&String> = ours.iter().flat_map(|row| &row.examples).collect();
    assert!(wrong.is_empty(), "seed {}:\n{wrong:#?}", wasm_cni_sample::seed());
}
