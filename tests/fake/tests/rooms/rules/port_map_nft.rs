//! Port maps in nftables.

use super::{add, check_without};
use crate::attached::Attached;
use wasm_cni::action::record::{Outcome, Undone};
use wasm_cni::action::rules::port_map::nft::{self, table};
use wasm_cni::action::{DeletePortMap, MapPorts, Mark, MasqueradePorts, PortMapping};
use wasm_cni::machine::MachineError;
use wasm_cni::machine::rules::Listing;
use wasm_cni::value::Backend;
use wasm_cni_fake::FakeMachine;
use wasm_cni_plans::play::{perform, undo};

fn mapping(host_port: u16, protocol: &str) -> PortMapping {
    PortMapping { protocol: protocol.to_owned(), host_port, container_port: 80, host_address: None }
}

fn ports(container: &str, address: &str, mappings: Vec<PortMapping>) -> MapPorts {
    MapPorts {
        backend: Backend::Nftables,
        address: address.parse().unwrap(),
        mappings,
        conditions: Vec::new(),
        masquerade: Some(MasqueradePorts { all: false, mark: Mark::Bit(13) }),
        chain: String::new(),
        comment: container.to_owned(),
    }
}

#[test]
fn a_missing_rule_is_named_by_the_words_that_add_it() {
    let map = ports("c1", "10.1.2.2/24", vec![mapping(8080, "tcp")]);
    let texts = nft::missing(&map, &Listing::empty(table(true)));
    assert_eq!(
        texts,
        [
            "the rule `add rule ip cni_hostport hostports_all jump hostip_hostports` is gone",
            "the rule `add rule ip cni_hostport hostports_all jump hostports` is gone",
            "the rule `add rule ip cni_hostport prerouting fib daddr type local jump hostports_all` is gone",
            "the rule `add rule ip cni_hostport output fib daddr type local jump hostports_all` is gone",
            "the rule `add rule ip cni_hostport hostports tcp dport 8080 dnat to 10.1.2.2:80 comment \"c1\"` is gone",
            "the rule `add rule ip cni_hostport masquerading ip saddr 10.1.2.2 ip daddr 10.1.2.2 masquerade comment \"c1\"` is gone",
            "the rule `add rule ip cni_hostport masquerading ip saddr 127.0.0.1 ip daddr 10.1.2.2 masquerade comment \"c1\"` is gone",
        ]
    );
}

#[test]
fn no_text_can_add_a_statement_to_the_script() {
    for word in ["accept", "x; drop", "# rest", "ip saddr 10.0.0.1 jump x"] {
        let map = MapPorts {
            conditions: vec![word.to_owned()],
            ..ports("a", "10.1.2.2/24", vec![mapping(80, "tcp")])
        };
        assert!(matches!(add(map), Outcome::Failed(MachineError::Conflict(_))), "{word}");
    }
    let map = ports("a\" accept \"", "10.1.2.2/24", Vec::new());
    assert!(matches!(add(map), Outcome::Failed(MachineError::Conflict(_))));
}

fn attached() -> Attached {
    Attached::new(FakeMachine::new(), [ports("a", "10.1.2.2/24", vec![mapping(8080, "tcp")]).into()])
}

#[test]
fn check_names_a_missing_rule() {
    assert_eq!(
        check_without(&attached(), table(true), "8080"),
        [
            r#"the rule `add rule ip cni_hostport hostports tcp dport 8080 dnat to 10.1.2.2:80 comment "a"` is gone"#
        ]
    );
}

#[test]
fn undo_removes_the_rules_of_mapped_ports() {
    attached().assert_undone();
}

/// Another container gets the port of one that no longer exists.
#[test]
fn the_rules_of_a_stale_container_are_removed() {
    let delete = DeletePortMap { backend: Backend::Nftables, is_ipv4: true, chain: "a".to_owned() };
    let mut machine = attached().machine;
    perform(&mut machine, delete.clone()).unwrap();
    assert!(!machine.snapshot().contains("8080"), "{}", machine.snapshot());
    let mut machine = attached().machine;
    assert!(matches!(undo(&mut machine, delete.clone()), Undone::Done));
    assert!(!machine.snapshot().contains("8080"), "{}", machine.snapshot());
    assert!(matches!(undo(&mut machine, delete), Undone::Gone));
}
