//! Networks in VLANs, and machines for them.

use serde_json::{Value, json};
use wasm_cni_tests::{Call, Machine};

/// A machine with containers, on a kernel with VLANs.
pub fn machine(containers: &[&str]) -> Machine {
    let machine = Machine::new();
    let probe = "ip link add probe type bridge vlan_filtering 1 && bridge vlan show dev probe \
                 && ip link add link probe name probe.1 type vlan id 1 && ip link delete probe";
    assert!(
        machine.try_sh(probe).status.success(),
        "this kernel has no VLANs: `cargo xtask vm` runs these tests under one that has"
    );
    for container in containers {
        machine.netns(container);
    }
    machine
}

/// A network on `br0` without addresses, with additional `keys`.
pub fn network(keys: Value) -> String {
    let mut config = json!({"cniVersion": "1.1.0", "name": "net", "type": "bridge", "bridge": "br0"});
    for (key, value) in keys.as_object().unwrap() {
        config[key] = value.clone();
    }
    config.to_string()
}

/// A network whose container gets this address, with its prefix.
pub fn with_address(address: &str, keys: Value) -> String {
    let mut config: Value = serde_json::from_str(&network(keys)).unwrap();
    config["ipam"] = json!({"type": "static", "addresses": [{"address": address}]});
    config.to_string()
}

/// Keys for VLAN 100, with a gateway and masquerading: 10.1.2.0/24.
pub fn with_gateway(keys: Value) -> String {
    let mut config: Value = serde_json::from_str(&network(json!({
        "vlan": 100, "isDefaultGateway": true, "ipMasq": true,
        "ipam": {"type": "host-local", "subnet": "10.1.2.0/24"},
    })))
    .unwrap();
    for (key, value) in keys.as_object().unwrap() {
        config[key] = value.clone();
    }
    config.to_string()
}

/// A configuration with the result of its ADD, as for CHECK.
pub fn with_previous(config: &str, result: &Value) -> String {
    let mut config: Value = serde_json::from_str(config).unwrap();
    config["prevResult"] = result.clone();
    config.to_string()
}

/// A call for `eth0` of a container.
pub fn call(verb: &str, config: &str, container: &str) -> Call {
    Call::bridge(verb, config).container(container).env("CNI_IFNAME", "eth0")
}

/// An ADD that must succeed.
pub fn add(machine: &Machine, config: &str, container: &str) -> Value {
    serde_json::from_str(&call("ADD", config, container).ok(machine)).unwrap()
}

/// The host's end of the attachment.
pub fn port(result: &Value) -> &str {
    result["interfaces"][1]["name"].as_str().unwrap()
}

/// The port at the other end of VLAN 100's gateway.
pub fn gateway_port(machine: &Machine) -> String {
    link(machine, "br0.100")["link"].as_str().unwrap().to_owned()
}

/// The VLANs of a port as `bridge` prints them: `100 PVID Egress Untagged, 200-210`.
pub fn vlans(machine: &Machine, port: &str) -> String {
    let shown: Value =
        serde_json::from_str(&machine.sh(&format!("bridge -json -compressvlans vlan show dev {port}")))
            .unwrap();
    let vlans = shown[0]["vlans"].as_array().into_iter().flatten().map(|vlan| {
        let last = vlan["vlanEnd"].as_u64().map(|last| format!("-{last}")).unwrap_or_default();
        let flags = vlan["flags"].as_array().into_iter().flatten();
        let flags: String = flags.map(|flag| format!(" {}", flag.as_str().unwrap())).collect();
        format!("{}{last}{flags}", vlan["vlan"])
    });
    vlans.collect::<Vec<_>>().join(", ")
}

/// A link of the host, as `ip` prints it.
pub fn link(machine: &Machine, name: &str) -> Value {
    let mut shown: Value =
        serde_json::from_str(&machine.sh(&format!("ip -json -details link show {name}"))).unwrap();
    shown[0].take()
}

/// Whether a bridge filters VLANs.
pub fn filters(machine: &Machine) -> bool {
    link(machine, "br0")["linkinfo"]["info_data"]["vlan_filtering"] == 1
}

/// Whether an address answers a container, within two tries.
pub fn pings(machine: &Machine, container: &str, address: &str) -> bool {
    machine.try_sh(&format!("ip netns exec {container} ping -c 2 -i 0.2 -W 1 {address}")).status.success()
}
