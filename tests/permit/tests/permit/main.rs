//! Changes of a machine need a permit, and only the host can construct one: code without a permit does not compile.

use std::path::Path;
use tempfile::TempDir;
use wasm_cni::action::{Action, EnsureBridge, Lifetime};
use wasm_cni::apply::{Header, StateDir, journal};
use wasm_cni::plan::Entry;
use wasm_cni::value::{Attachment, ContainerId, IfName, Mac, NetworkName, PluginName};
use wasm_cni_fake::FakeMachine;
use wasm_cni_plans::again;

#[expect(dead_code, reason = "it is a program like the refused ones, which need a `main`")]
mod checked_plan;

/// `TRYBUILD=overwrite` writes the compiler's current messages to the `.stderr` files.
#[test]
fn code_without_a_permit_does_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/permit/refused/*.rs");
}

/// The refused program differs from the accepted one only in the type of the plan. So the type is the reason.
#[test]
fn a_checked_plan_is_accepted_where_a_draft_is_refused() {
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
    let plan = again::checked(&[entry]);
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
        level: 0,
        netns: String::new(),
        netns_id: None,
        plugins: Vec::new(),
        asker: None,
        created: 1,
    };
    let mut writer = journal.begin(&header).unwrap();
    let mut machine = FakeMachine::new();
    checked_plan::apply(&plan, &mut writer, &state, &mut machine).unwrap();
    assert!(machine.snapshot().contains("br0"), "{}", machine.snapshot());
}
