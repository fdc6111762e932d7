//! Plans of entries that a journal holds: the one way to apply what no policy is asked about.

use serde_json::json;
use std::fs::OpenOptions;
use std::io::Write;
use tempfile::TempDir;
use wasm_cni::apply::{Header, StateDir, journal};
use wasm_cni::plan::{self, CheckedPlan, Entry};
use wasm_cni::value::{Attachment, derive};

/// Writes a section with these entries, as the host of an earlier ADD has left it, and checks them again.
pub fn checked(entries: &[Entry]) -> CheckedPlan {
    let attachment = json!({"network": "net", "container": "again", "interface": "eth0"});
    let attachment: Attachment = serde_json::from_value(attachment).unwrap();
    let directory = TempDir::new().unwrap();
    let state = StateDir::new(directory.path().to_owned());
    let journal = state.lock(&attachment).unwrap();
    let header = json!({
        "version": journal::VERSION, "attachment": attachment, "plugin": "bridge", "ordinal": 0,
        "netns": "", "netns_id": null, "plugins": [], "created": 1,
    });
    drop(journal.begin(&serde_json::from_value::<Header>(header).unwrap()).unwrap());
    let path = directory.path().join("attachments").join(derive::key(&attachment)).join("bridge.0");
    let intent: Vec<_> = entries.iter().map(|entry| (entry, "absent")).collect();
    let mut section = OpenOptions::new().append(true).open(path).unwrap();
    writeln!(section, "{}", json!({"intent": intent})).unwrap();
    plan::check_again(entries.to_vec(), &journal.sections().unwrap()).unwrap()
}
