//! The plans of `tests/privileged/tests/apply`, and their journal, as far as they need no kernel.

use std::collections::BTreeSet;
use wasm_cni::action::Action;
use wasm_cni::apply::journal::VERSION;
use wasm_cni::apply::{Header, StateDir};
use wasm_cni::value::{Dns, Report};
use wasm_cni_plans::scene::{EVERYTHING, WALKTHROUGH};

#[test]
fn a_journal_that_a_crash_cut_off_is_read_up_to_the_last_whole_line() {
    let directory = tempfile::tempdir().unwrap();
    let state = StateDir::new(directory.path().to_owned());
    let request = WALKTHROUGH.request();
    let journal = state.lock(&request.attachment).unwrap();
    let header = Header {
        version: VERSION,
        attachment: request.attachment.clone(),
        plugin: request.plugin.clone(),
        ordinal: 0,
        level: 0,
        netns: "/run/netns/ä".to_owned(),
        netns_id: None,
        plugins: Vec::new(),
        asker: None,
        created: 1,
    };
    let mut writer = journal.begin(&header).unwrap();
    let file = std::fs::read_dir(directory.path().join("attachments")).unwrap().next().unwrap().unwrap();
    let file = file.path().join("bridge.0");
    let header_line = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, header_line + "{\"intent\":[]}\n").unwrap();
    let dns = Dns { domain: Some("ü".to_owned()), ..Default::default() };
    writer.complete(&Report { dns, ..Default::default() }).unwrap();
    let bytes = std::fs::read(&file).unwrap();
    for cut in (0..=bytes.len()).rev() {
        std::fs::write(&file, &bytes[..cut]).unwrap();
        let lines = bytes[..cut].iter().filter(|byte| **byte == b'\n').count();
        let sections = journal.sections().unwrap();
        let read = sections.first().map_or(0, |section| {
            assert_eq!(section.header, header);
            1 + section.steps().len() + usize::from(section.report.is_some())
        });
        assert_eq!(read, lines, "cut at {cut}");
    }
}

#[test]
fn the_everything_plan_has_every_kind_of_action() {
    let kind = |action: &Action| {
        let value = serde_json::to_value(action).unwrap();
        value.as_object().unwrap().keys().next().unwrap().clone()
    };
    let plan = EVERYTHING.checked();
    let kinds: BTreeSet<String> = plan.entries().iter().map(|entry| kind(&entry.action)).collect();
    assert_eq!(kinds.len(), 17, "{kinds:?}");
}
