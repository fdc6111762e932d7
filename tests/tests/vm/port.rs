//! The VLANs of a container's port.

use crate::network::{add, call, filters, machine, network, pings, port, vlans, with_address, with_previous};
use serde_json::{Value, json};

#[test]
fn a_port_is_in_exactly_the_vlans_that_the_network_names() {
    let trunk = json!([{"id": 101}, {"minID": 200, "maxID": 210}, {"id": 205}]);
    let cases: [(Value, &str); 10] = [
        (json!({}), "1 PVID Egress Untagged"),
        (json!({"vlan": 0}), "1 PVID Egress Untagged"),
        (json!({"vlan": 100}), "100 PVID Egress Untagged"),
        (json!({"vlan": 1}), "1 PVID Egress Untagged"),
        (json!({"vlan": 4094, "preserveDefaultVlan": true}), "1 Egress Untagged, 4094 PVID Egress Untagged"),
        (json!({"vlanTrunk": []}), "1 PVID Egress Untagged"),
        (json!({"vlanTrunk": trunk.clone()}), "1 PVID Egress Untagged, 101, 200-210"),
        (json!({"vlanTrunk": [{"minID": 1, "maxID": 4094}]}), "1 PVID Egress Untagged, 2-4094"),
        (
            json!({"vlan": 100, "vlanTrunk": trunk, "preserveDefaultVlan": true}),
            "1 Egress Untagged, 100 PVID Egress Untagged, 101, 200-210",
        ),
        // As with the reference, a tag in the trunk has priority.
        (json!({"vlan": 100, "vlanTrunk": [{"minID": 99, "maxID": 101}]}), "99-101"),
    ];
    let machine = machine(&["c"]);
    for (keys, expected) in cases {
        let config = network(keys.clone());
        let result = add(&machine, &config, "c");
        assert_eq!(vlans(&machine, port(&result)), expected, "{keys}");
        let wanted = keys.get("vlan").is_some_and(|vid| *vid != 0) || keys.get("vlanTrunk").is_some();
        assert_eq!(filters(&machine), wanted, "{keys}");
        call("CHECK", &with_previous(&config, &result), "c").ok(&machine);
        call("DEL", &config, "c").ok(&machine);
        machine.sh("ip link delete br0");
    }
}

#[test]
fn containers_of_one_vlan_reach_each_other_and_those_of_no_other() {
    let machine = machine(&["a", "b", "c", "d"]);
    for (container, keys) in [
        ("a", json!({"vlan": 100})),
        ("b", json!({"vlan": 100, "name": "other"})),
        ("c", json!({"vlan": 200})),
        ("d", json!({})),
    ] {
        let last = container.as_bytes()[0] - b'a' + 2;
        add(&machine, &with_address(&format!("10.1.2.{last}/24"), keys), container);
    }
    assert!(pings(&machine, "a", "10.1.2.3"), "b is in the same VLAN");
    assert!(pings(&machine, "b", "10.1.2.2"), "a is in the same VLAN");
    assert!(!pings(&machine, "a", "10.1.2.4"), "c is in another one");
    assert!(!pings(&machine, "a", "10.1.2.5"), "d is in the default one");
    assert!(!pings(&machine, "d", "10.1.2.4"), "c is not in the default one");
}

#[test]
fn a_trunk_carries_tagged_frames_of_its_vlans_alone() {
    let machine = machine(&["trunk", "a", "b", "c", "d"]);
    add(&machine, &network(json!({"vlanTrunk": [{"id": 100}, {"minID": 200, "maxID": 201}]})), "trunk");
    for (container, address, keys) in [
        ("a", "10.1.100.2/24", json!({"vlan": 100})),
        ("b", "10.1.201.2/24", json!({"vlan": 201})),
        ("c", "10.1.202.2/24", json!({"vlan": 202})),
        // The trunk's untagged frames belong to VLAN 1.
        ("d", "10.1.1.2/24", json!({})),
    ] {
        add(&machine, &with_address(address, keys), container);
    }
    machine.sh("ip -n trunk address add 10.1.1.9/24 dev eth0");
    for vid in [100, 201, 202] {
        machine.sh(&format!(
            "ip -n trunk link add link eth0 name eth0.{vid} type vlan id {vid}; ip -n trunk link set eth0.{vid} up; \
             ip -n trunk address add 10.1.{vid}.9/24 dev eth0.{vid}"
        ));
    }
    for (address, passes) in
        [("10.1.100.2", true), ("10.1.201.2", true), ("10.1.202.2", false), ("10.1.1.2", true)]
    {
        assert_eq!(pings(&machine, "trunk", address), passes, "{address}");
    }
}

#[test]
fn a_bridge_of_the_operator_filters_only_if_he_wants_it() {
    // As with the reference: the port gets the VLANs, and they have an effect after the operator switches filtering on.
    let machine = machine(&["a", "b"]);
    machine.sh("ip link add br0 type bridge vlan_default_pvid 5; ip link set br0 up");
    let result = add(&machine, &with_address("10.1.2.2/24", json!({"vlan": 100})), "a");
    let kept = json!({"vlan": 200, "preserveDefaultVlan": true});
    let other = add(&machine, &with_address("10.1.2.3/24", kept), "b");
    assert_eq!(vlans(&machine, port(&result)), "100 PVID Egress Untagged");
    assert_eq!(vlans(&machine, port(&other)), "5 Egress Untagged, 200 PVID Egress Untagged");
    assert!(!filters(&machine));
    assert!(pings(&machine, "a", "10.1.2.3"));
    machine.sh("ip link set br0 type bridge vlan_filtering 1");
    assert!(!pings(&machine, "a", "10.1.2.3"));
}

#[test]
fn the_plan_shows_the_vlans_and_changes_nothing() {
    let machine = machine(&["c"]);
    let file = machine.files().join("net.conf");
    let keys = json!({"vlan": 100, "vlanTrunk": [{"id": 7}, {"minID": 200, "maxID": 210}], "isGateway": true,
        "ipam": {"type": "host-local", "subnet": "10.1.2.0/24"}});
    std::fs::write(&file, network(keys)).unwrap();
    let before = machine.snapshot();
    let mut plan = machine.command(wasm_cni_tests::dist().join("wasm-cni"));
    plan.env("WASM_CNI_CACHE_DIR", wasm_cni_tests::target().join("test-cache"));
    plan.arg("plan").arg(&file).args(["--netns", "/run/netns/c", "--container-id", "c", "--ifname", "eth0"]);
    let output = plan.arg("--cni-path").arg(wasm_cni_tests::dist()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let commands: Vec<&str> = text.lines().filter(|line| line.contains("vlan")).map(str::trim).collect();
    let of_port = |command: &str| {
        let (before, after) = command.split_once("dev veth").expect(command);
        format!("{before}dev PORT{}", &after[8..])
    };
    assert!(commands[0].contains("br0") && commands[0].ends_with("type bridge vlan_filtering 1"), "{text}");
    let commands: Vec<String> = commands[1..].iter().map(|command| of_port(command)).collect();
    assert_eq!(
        commands,
        [
            "bridge vlan delete dev PORT vid 1-4094",
            "bridge vlan add dev PORT vid 100 pvid untagged",
            "bridge vlan add dev PORT vid 7",
            "bridge vlan add dev PORT vid 200-210",
            "bridge vlan delete dev PORT vid 1-4094",
            "bridge vlan add dev PORT vid 100 pvid untagged",
        ],
        "{text}"
    );
    assert!(text.contains("ip address add 10.1.2.1/24 broadcast 10.1.2.255 dev br0.100"), "{text}");
    assert!(text.contains("interface br0.100"), "{text}");
    assert_eq!(machine.changes(&before), wasm_cni_tests::NOTHING);
}
