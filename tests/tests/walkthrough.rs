//! The walkthrough, `examples/mybridge.conf`, with exact results.

use serde_json::{Value, json};
use wasm_cni_tests::{CHAIN, Call, Machine, NOTHING, WALKTHROUGH, walkthrough};

#[test]
fn add_gives_the_result_and_the_state_of_the_reference() {
    let machine = Machine::new();
    machine.netns("1234567890");
    let stdout = Call::bridge("ADD", WALKTHROUGH).ok(&machine);
    let expected = r#"{
    "cniVersion": "0.2.0",
    "ip4": {
        "ip": "10.15.20.2/24",
        "gateway": "10.15.20.1",
        "routes": [
            {
                "dst": "0.0.0.0/0"
            },
            {
                "dst": "1.1.1.1/32",
                "gw": "10.15.20.1"
            }
        ]
    },
    "dns": {}
}"#;
    assert_eq!(stdout, expected);

    let container = |command: &str| machine.sh(&format!("ip netns exec 1234567890 {command}"));
    let link = container("ip address show dev eth12");
    assert!(link.contains("UP") && link.contains("link/ether 0a:58:0a:0f:14:02"), "{link}");
    assert!(link.contains("inet 10.15.20.2/24 brd 10.15.20.255"), "{link}");
    let routes = container("ip route");
    assert!(routes.contains("default via 10.15.20.1 dev eth12"), "{routes}");
    assert!(routes.contains("1.1.1.1 via 10.15.20.1 dev eth12"), "{routes}");

    let bridge = machine.sh("ip -details address show dev cni_bridge0");
    assert!(bridge.contains("UP") && bridge.contains("link/ether 0a:58:0a:0f:14:01"), "{bridge}");
    assert!(bridge.contains("inet 10.15.20.1/24 brd 10.15.20.255"), "{bridge}");
    assert_eq!(machine.sh("ip -o link show master cni_bridge0 | grep -c veth"), "1\n");
    assert_eq!(machine.sh("sysctl -n net.ipv4.ip_forward"), "1\n");

    let rules = machine.sh("iptables -t nat -S");
    let comment = r#"-m comment --comment "name: \"mybridge\" id: \"1234567890\"""#;
    for rule in [
        format!("-N {CHAIN}"),
        format!("-A {CHAIN} -d 10.15.20.0/24 {comment} -j ACCEPT"),
        format!("-A {CHAIN} ! -d 224.0.0.0/4 {comment} -j MASQUERADE"),
        format!("-A POSTROUTING -s 10.15.20.2/32 {comment} -j {CHAIN}"),
    ] {
        assert_eq!(rules.lines().filter(|line| **line == rule).count(), 1, "{rule}\nin\n{rules}");
    }

    let store = "/var/lib/cni/networks/mybridge";
    assert_eq!(machine.sh(&format!("ls {store}")), "10.15.20.2\nlast_reserved_ip.0\nlock\n");
    assert_eq!(machine.sh(&format!("cat {store}/10.15.20.2")), "1234567890\r\neth12");
    assert_eq!(machine.sh(&format!("cat {store}/last_reserved_ip.0")), "10.15.20.2");
    assert_eq!(
        machine.sh(&format!("stat -c %a {store}/10.15.20.2 {store}/last_reserved_ip.0")),
        "600\n600\n"
    );
}

#[test]
fn the_container_reaches_its_gateway_and_the_outside_through_nat() {
    let machine = Machine::new();
    machine.netns("1234567890");
    // An outside without a route to the container's network.
    machine.sh("ip netns add outside; ip link add out0 type veth peer name out1 netns outside; \
         ip address add 192.0.2.1/24 dev out0; ip link set out0 up; \
         ip -n outside address add 192.0.2.2/24 dev out1; ip -n outside link set out1 up");
    Call::bridge("ADD", WALKTHROUGH).ok(&machine);
    machine.sh("ip netns exec 1234567890 ping -c 1 -W 3 10.15.20.1");
    machine.sh("ip netns exec 1234567890 ping -c 1 -W 3 192.0.2.2");
    // Without the rule there is no answer, so the NAT did it.
    machine.sh("iptables -t nat -F");
    assert!(!machine.try_sh("ip netns exec 1234567890 ping -c 1 -W 1 192.0.2.2").status.success());
}

#[test]
fn three_containers_get_the_next_addresses_and_reach_each_other() {
    let machine = Machine::new();
    for (container, address) in
        [("1234567890", "10.15.20.2"), ("second", "10.15.20.3"), ("third", "10.15.20.4")]
    {
        machine.netns(container);
        let stdout = Call::bridge("ADD", WALKTHROUGH).container(container).ok(&machine);
        assert!(stdout.contains(&format!("{address}/24")), "{stdout}");
    }
    machine.sh("ip netns exec third ping -c 1 -W 3 10.15.20.2");
    machine.sh("ip netns exec 1234567890 ping -c 1 -W 3 10.15.20.3");
}

#[test]
fn del_leaves_what_the_reference_leaves_and_succeeds_twice() {
    let machine = Machine::new();
    machine.netns("1234567890");
    Call::bridge("ADD", WALKTHROUGH).ok(&machine);
    assert_eq!(Call::bridge("DEL", WALKTHROUGH).ok(&machine), "");
    let after = machine.snapshot();
    assert!(!machine.sh("ip netns exec 1234567890 ip -o link").contains("eth12"), "{after}");
    assert!(!after.contains("veth") && !after.contains("CNI-"), "{after}");
    assert!(machine.sh("ip -o address show dev cni_bridge0").contains("10.15.20.1/24"));
    assert_eq!(machine.sh("sysctl -n net.ipv4.ip_forward"), "1\n");
    assert_eq!(machine.sh("ls /var/lib/cni/networks/mybridge"), "last_reserved_ip.0\nlock\n");
    assert_eq!(machine.sh("find /run/wasm-cni/attachments -mindepth 1"), "");

    assert_eq!(Call::bridge("DEL", WALKTHROUGH).ok(&machine), "");
    assert_eq!(machine.changes(&after), NOTHING);
}

#[test]
fn one_of_three_containers_goes_and_the_others_keep_everything() {
    let machine = Machine::new();
    for container in ["1234567890", "second", "third"] {
        machine.netns(container);
        Call::bridge("ADD", WALKTHROUGH).container(container).ok(&machine);
    }
    Call::bridge("DEL", WALKTHROUGH).container("second").ok(&machine);
    machine.sh("ip netns exec third ping -c 1 -W 3 10.15.20.2");
    let rules = machine.sh("iptables -t nat -S POSTROUTING");
    assert!(rules.contains("10.15.20.2/32") && rules.contains("10.15.20.4/32"), "{rules}");
    assert!(!rules.contains("10.15.20.3/32"), "{rules}");
    // Round robin: a released address is not allocated again at once.
    machine.netns("fourth");
    assert!(Call::bridge("ADD", WALKTHROUGH).container("fourth").ok(&machine).contains("10.15.20.5/24"));
}

#[test]
fn check_succeeds_after_add_and_names_what_is_gone() {
    let machine = Machine::new();
    machine.netns("1234567890");
    let config = walkthrough("1.0.0");
    let result: Value = serde_json::from_str(&Call::bridge("ADD", &config).ok(&machine)).unwrap();
    assert_eq!(result["interfaces"][2]["mac"], "0a:58:0a:0f:14:02");
    assert_eq!(result["interfaces"][2]["sandbox"], "/var/run/netns/1234567890");
    let mut with_result: Value = serde_json::from_str(&config).unwrap();
    with_result["prevResult"] = result;
    let check = Call::bridge("CHECK", &with_result.to_string());
    assert_eq!(check.ok(&machine), "");

    machine.sh("iptables -t nat -F; ip -n 1234567890 address delete 10.15.20.2/24 dev eth12; \
         sysctl -qw net.ipv4.ip_forward=0");
    let (code, _, details) = check.error(&machine);
    assert_eq!(code, 106);
    for difference in ["10.15.20.2/24", "ip_forward", CHAIN] {
        assert!(details.contains(difference), "{difference} is not in:\n{details}");
    }
}

#[test]
fn every_version_gets_its_own_shape() {
    let machine = Machine::new();
    for (number, version) in
        ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"].iter().enumerate()
    {
        let container = format!("c{number}");
        machine.netns(&container);
        let stdout = Call::bridge("ADD", &walkthrough(version)).container(&container).ok(&machine);
        let result: Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(result["cniVersion"], *version);
        let address = format!("10.15.20.{}/24", number + 2);
        match *version {
            "0.1.0" | "0.2.0" => assert_eq!(result["ip4"]["ip"], address),
            "1.0.0" | "1.1.0" => assert_eq!(
                result["ips"][0],
                json!({"address": address, "gateway": "10.15.20.1", "interface": 2})
            ),
            _ => assert_eq!(result["ips"][0]["version"], "4"),
        }
    }
}

#[test]
fn containers_that_come_and_go_at_once_get_addresses_of_their_own() {
    let machine = Machine::new();
    let names: Vec<String> = (0..12).map(|number| format!("c{number}")).collect();
    names.iter().for_each(|name| drop(machine.netns(name)));
    let all = |command: &str| -> Vec<String> {
        std::thread::scope(|scope| {
            let call = |name: &String| {
                let call = Call::bridge(command, WALKTHROUGH).container(name);
                let machine = &machine;
                scope.spawn(move || call.ok(machine))
            };
            let calls: Vec<_> = names.iter().map(call).collect();
            calls.into_iter().map(|call| call.join().unwrap()).collect()
        })
    };
    let address = |result: &String| {
        let result: Value = serde_json::from_str(result).unwrap();
        result["ip4"]["ip"].as_str().unwrap().to_owned()
    };
    let mut addresses: Vec<String> = all("ADD").iter().map(address).collect();
    addresses.sort();
    addresses.dedup();
    assert_eq!(addresses.len(), names.len());
    assert_eq!(machine.sh("ip -o link show master cni_bridge0 | wc -l"), "12\n");
    machine.sh("ip netns exec c0 ping -c 1 -W 3 10.15.20.1");
    all("DEL");
    let after = machine.snapshot();
    assert!(!after.contains("veth") && !after.contains("CNI-"), "{after}");
    assert_eq!(machine.sh("ls /var/lib/cni/networks/mybridge"), "last_reserved_ip.0\nlock\n");
}
