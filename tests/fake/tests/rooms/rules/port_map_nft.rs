//! Port maps in nftables.

use super::add;
use wasm_cni::action::record::Outcome;
use wasm_cni::action::rules::port_map::nft::{self, table};
use wasm_cni::action::{MapPorts, Mark, MasqueradePorts, PortMapping};
use wasm_cni::machine::MachineError;
use wasm_cni::machine::rules::Listing;
use wasm_cni::value::Backend;

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
