//! What changes a machine has a permit, and nobody but the host makes one: all else does not compile.

use std::path::Path;
use tempfile::TempDir;
use wasm_cni::action::{Action, EnsureBridge, Lifetime};
use wasm_cni::apply::{Header, StateDir, journal};
use wasm_cni::plan::{Entry, check_again};
use wasm_cni::value::{Attachment, ContainerId, IfName, Mac, NetworkName, PluginName};
use wasm_cni_fake::FakeMachine;

#[expect(dead_code, reason = "it is a program, as what is refused is: that needs a `main`")]
mod checked_plan;

/// `TRYBUILD=overwrite` writes what the compiler says now.
#[test]
fn what_has_no_permit_does_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/permit/refused/*.rs");
}

/// So it is refused for the plan alone.
#[test]
fn what_is_refused_of_a_draft_is_done_with_a_checked_plan() {
    let read = |file: &str| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/permit");
        std::fs::read_to_string(folder.join(file)).unwrap()
    };
    assert_eq!(read("refused/draft_plan.rs").replace("DraftPlan", "CheckedPlan"), read("checked_plan.rs"));
    let plugin = PluginName::parse("bridge").unwrap();
    let name = IfName::parse("br0").unwrap();
    let bridge = EnsureBridge { name, mac: Mac([2, 0, 0, 0, 0, 1]), mtu: None, vlan_filtering: false };
    let entry =
        Entry { plugin: plugin.clone(), lifetime: Lifetime::Shared, action: Action::EnsureBridge(bridge) };
    let plan = check_again(vec![entry.clone()], &[entry]).unwrap();
    let attachment = Attachment {
        network: NetworkName::parse("net").unwrap(),
        container: ContainerId::parse("c1").unwrap(),
        interface: IfName::parse("eth0").unwrap(),
    };
    let directory = TempDir::new().unwrap();
    let state = StateDir::new(directory.path().to_owned());
    let journal = state.lock(&attachment).unwrap();
    let header = Header {
        version: journal::VERSION,
        attachment,
        plugin,
        ordinal: 0,
        netns: String::new(),
        netns_id: None,
        plugins: Vec::new(),
        created: 1,
    };
    let mut writer = journal.begin(&header).unwrap();
    let mut machine = FakeMachine::new();
    checked_plan::apply(&plan, &mut writer, &state, &mut machine).unwrap();
    assert!(machine.snapshot().contains("br0"), "{}", machine.snapshot());
}
