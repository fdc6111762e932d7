//! Port maps in iptables.

use super::{add, check_without, remove};
use crate::attached::Attached;
use wasm_cni::action::record::{Outcome, Undone};
use wasm_cni::action::rules::port_map::iptables::table;
use wasm_cni::action::{DeletePortMap, MapPorts, Mark, MasqueradePorts, PortMapping};
use wasm_cni::machine::MachineError;
use wasm_cni::value::Backend;
use wasm_cni_fake::FakeMachine;
use wasm_cni_plans::play::{perform, undo};

fn mapping(host_port: u16, protocol: &str) -> PortMapping {
    PortMapping { protocol: protocol.to_owned(), host_port, container_port: 80, host_address: None }
}

fn ports(container: &str, address: &str, mappings: Vec<PortMapping>) -> MapPorts {
    MapPorts {
        backend: Backend::Iptables,
        address: address.parse().unwrap(),
        mappings,
        conditions: Vec::new(),
        masquerade: Some(MasqueradePorts { all: false, mark: Mark::Bit(13) }),
        chain: format!("CNI-DN-{container}"),
        comment: format!("dnat name: \"net\" id: \"{container}\""),
    }
}

#[test]
fn no_text_can_add_a_line_to_the_script() {
    let refused = |change: &dyn Fn(&mut MapPorts)| {
        let mut map = ports("a", "10.1.2.2/24", vec![mapping(80, "tcp")]);
        change(&mut map);
        let outcome = add(map.clone());
        assert!(matches!(outcome, Outcome::Failed(MachineError::Conflict(_))), "{map:?}: {outcome:?}");
    };
    refused(&|map| map.comment = "a\n-A POSTROUTING -j ACCEPT".to_owned());
    refused(&|map| map.chain = "a b".to_owned());
    refused(&|map| map.conditions = vec!["-d".to_owned(), "10.0.0.0/8\n-F".to_owned()]);
    refused(&|map| map.conditions = vec!["-j".to_owned(), "ACCEPT".to_owned()]);
    refused(&|map| map.mappings[0].protocol = "tcp\n".to_owned());
    refused(&|map| {
        map.masquerade = Some(MasqueradePorts { all: false, mark: Mark::Chain("A -F".to_owned()) })
    });
    let map = DeletePortMap::iptables(true, "A -F".to_owned());
    let undone = remove(map);
    assert!(matches!(undone, Undone::Failed(MachineError::Conflict(_))), "{undone:?}");
}

fn attached() -> Attached {
    Attached::new(FakeMachine::new(), [ports("a", "10.1.2.2/24", vec![mapping(8080, "tcp")]).into()])
}

#[test]
fn check_names_a_missing_rule() {
    assert_eq!(
        check_without(&attached(), table(true), "10.1.2.2:80"),
        ["the rule `-A CNI-DN-a -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.1.2.2:80` is gone"]
    );
}

#[test]
fn undo_removes_the_rules_of_mapped_ports() {
    attached().assert_undone();
}

/// Another container gets the port of one that no longer exists.
#[test]
fn the_rules_of_a_stale_container_are_removed() {
    let delete = DeletePortMap::iptables(true, "CNI-DN-a".to_owned());
    let mut machine = attached().machine;
    perform(&mut machine, delete.clone()).unwrap();
    assert!(!machine.snapshot().contains("8080"), "{}", machine.snapshot());
    let mut machine = attached().machine;
    assert!(matches!(undo(&mut machine, delete.clone()), Undone::Done));
    assert!(!machine.snapshot().contains("8080"), "{}", machine.snapshot());
    assert!(matches!(undo(&mut machine, delete), Undone::Gone));
}
