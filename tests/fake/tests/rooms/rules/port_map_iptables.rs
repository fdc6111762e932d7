//! Port maps in iptables.

use super::{add, remove};
use wasm_cni::action::record::{Outcome, Undone};
use wasm_cni::action::{DeletePortMap, MapPorts, Mark, MasqueradePorts, PortMapping};
use wasm_cni::machine::MachineError;
use wasm_cni::value::Backend;

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
