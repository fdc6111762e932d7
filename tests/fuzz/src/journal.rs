//! The journal's reader: any bytes in the place of a section.

use crate::machine;
use serde_json::json;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use wasm_cni::action::Action;
use wasm_cni::action::context::Notes;
use wasm_cni::action::record::Reason;
use wasm_cni::apply::journal::VERSION;
use wasm_cni::apply::undo::undos;
use wasm_cni::apply::{self, Header, Journal, Section, StateDir};
use wasm_cni::cni::config;
use wasm_cni::value::{Attachment, derive};
use wasm_cni_fake::FakeMachine;

/// Reads a section. What is understood is undone on an empty machine, and written again.
///
/// # Panics
/// If any of that does; if what is written is read otherwise; if one that a crash cut off, at whatever byte, is more or less than
/// its whole lines.
pub fn run(data: &[u8]) {
    machine::with_state(|state| {
        let journal = Place::new(state);
        fs::write(&journal.section, data).expect("a section");
        let read = journal.read();
        drop(journal);
        for section in &read {
            undo(section, state);
        }
        if let [section] = read.as_slice() {
            write_again(section, state, data.len());
        }
    });
}

fn undo(section: &Section, state: &StateDir) {
    for reason in [Reason::Rollback, Reason::Delete] {
        drop(undos(section, reason, std::slice::from_ref(section)));
        drop(apply::revert(section, reason, state, &mut FakeMachine::new()));
    }
    let actions: Vec<&Action> = section.entries().map(|entry| &entry.action).collect();
    drop(apply::verify(&actions, &mut FakeMachine::new(), &mut Notes::default()));
    let _ = (section.container_link(), section.has_shared(), section.done().count());
}

/// Writes a section in the format of today, also one that an earlier version wrote, and reads it again: whole, and cut off at some places, of which `seed` is one.
fn write_again(section: &Section, state: &StateDir, seed: usize) {
    assert!(section.header.version <= VERSION, "a version that is none of ours");
    let header = Header { version: VERSION, ..section.header.clone() };
    let place = Place::new(state);
    drop(place.journal.begin(&header).expect("a section"));
    let steps = section.steps().iter().flat_map(|step| {
        let effects = step.effects.as_ref().map(|effects| json!({"effect": effects}));
        [json!({"intent": step.intent})].into_iter().chain(effects)
    });
    let end = section.report.as_ref().map(|report| json!({"complete": report}));
    let mut file = OpenOptions::new().append(true).open(place.written()).expect("a section");
    steps.chain(end).for_each(|line| writeln!(file, "{line}").expect("a line"));
    let again = place.read();
    assert_eq!(again.len(), 1);
    assert_eq!((&again[0].header, parts(&again[0])), (&header, parts(section)));

    let written = place.written();
    let bytes = fs::read(&written).expect("a section");
    // Within a character, if there is one of several bytes.
    let within = bytes.iter().position(|byte| !byte.is_ascii()).map_or(0, |first| first + 1);
    let places = [seed, seed.wrapping_mul(31), bytes.len() / 2, bytes.len().saturating_sub(3), within];
    for cut in places.map(|place| place % bytes.len()) {
        let whole = bytes[..cut].iter().filter(|byte| **byte == b'\n').count();
        fs::write(&written, &bytes[..cut]).expect("a section");
        let read = place.read();
        assert_eq!(read.len(), usize::from(whole > 0), "cut at {cut}");
        for read in read {
            let lines = 1
                + read.steps().len()
                + read.steps().iter().filter(|step| step.effects.is_some()).count()
                + usize::from(read.report.is_some());
            assert_eq!((&read.header, lines), (&header, whole), "cut at {cut}");
        }
    }
}

/// What is recorded.
fn parts(section: &Section) -> impl PartialEq + std::fmt::Debug + '_ {
    (section.steps(), &section.report)
}

/// The journal of an attachment, with one section; all of it goes with this.
struct Place {
    journal: Journal,
    directory: PathBuf,
    section: PathBuf,
}

impl Place {
    fn new(state: &StateDir) -> Self {
        let attachment = attachment();
        let journal = state.lock(&attachment).expect("the lock is free");
        let directory = state.lease_indexes().with_file_name("attachments").join(derive::key(&attachment));
        let section = directory.join("bridge.0");
        Place { journal, directory, section }
    }

    fn read(&self) -> Vec<Section> {
        self.journal.sections().expect("the journal is read")
    }

    /// The one file in it.
    fn written(&self) -> PathBuf {
        files(&self.directory).remove(0)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for file in files(&self.directory) {
            fs::remove_file(file).expect("a file goes");
        }
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    entries.map(|entry| entry.expect("an entry").path()).collect()
}

fn attachment() -> Attachment {
    let config = config::decode(br#"{"name": "n"}"#).expect("a configuration");
    crate::case::request(&config).expect("a request").attachment
}
