//! The host does every undo that a journal of version 1 needs.

use wasm_cni_tests::journals::{Scenario, suite};

fn assert_none(wrong: &[String]) {
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_attachment_is_deleted_by_its_journal() {
    assert_none(&suite::deleted(&Scenario::here()));
}

#[test]
fn an_add_that_did_not_end_is_undone_by_its_effects() {
    assert_none(&suite::undone_by_effects(&Scenario::here()));
}

#[test]
fn an_add_that_was_killed_or_failed_is_undone_by_its_intents() {
    assert_none(&suite::undone_by_intents(&Scenario::here()));
}
