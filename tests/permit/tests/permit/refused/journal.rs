//! Entries in the place of a journal that holds them, and a section that is given more than was done.

use wasm_cni::action::record::Before;
use wasm_cni::apply::Section;
use wasm_cni::apply::journal::{Step, Writer};
use wasm_cni::plan::{CheckedPlan, Entry, check_again};

fn again(entries: Vec<Entry>) -> CheckedPlan {
    check_again(entries.clone(), &entries).unwrap()
}

fn more(section: &mut Section, step: Step) {
    section.steps.push(step);
}

fn intent(writer: &mut Writer, step: &[(Entry, Before)]) {
    writer.intent(step).unwrap();
}

fn main() {}
