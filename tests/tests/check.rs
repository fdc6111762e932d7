//! CHECK names every difference at once, and succeeds right after ADD in every chain.

use serde_json::{Value, json};
use std::path::Path;
use wasm_cni_tests::{Call, Machine, dist};

const REFERENCE: &str = "/usr/lib/cni";

fn network(keys: Value) -> Value {
    let mut config = json!({
        "cniVersion": "1.0.0", "name": "mynet", "type": "bridge", "bridge": "br0", "isDefaultGateway": true, "ipMasq": true,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.7.7.0/24"}], [{"subnet": "fd00:77::/64"}]],
                 "routes": [{"dst": "10.99.0.0/16", "mtu": 1300, "priority": 7}]}
    });
    config.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    config
}

fn with_result(config: &Value, result: &Value) -> String {
    let mut config = config.clone();
    config["prevResult"] = result.clone();
    config.to_string()
}

#[test]
fn each_difference_is_named_alone_and_all_of_them_at_once() {
    let machine = Machine::new();
    machine.netns("1234567890");
    let config = network(json!({"macspoofchk": true}));
    let result: Value = serde_json::from_str(&Call::bridge("ADD", &config.to_string()).ok(&machine)).unwrap();
    let check = Call::bridge("CHECK", &with_result(&config, &result));
    assert_eq!(check.ok(&machine), "");
    let veth = result["interfaces"][1]["name"].as_str().unwrap();
    let inside = "ip -n 1234567890";
    let route = format!("{inside} route");
    let differences = [
        // The damage, the reported name, and the command that repairs it.
        (format!("{inside} link set eth12 mtu 1400"), "MTU of eth12 (container) is 1400, not 1500"),
        (format!("ip link set {veth} mtu 1400"), "MTU of VETH is 1400, not 1500"),
        (format!("ip link set {veth} address 02:00:00:00:00:02"), "MAC of VETH is 02:00:00:00:00:02"),
        (
            format!("{inside} link set eth12 address 02:00:00:00:00:01"),
            "MAC of eth12 (container) is 02:00:00:00:00:01",
        ),
        (format!("ip link set {veth} alias x"), "VETH is not ours: it has another alias"),
        (format!("ip link set {veth} type bridge_slave hairpin on"), "hairpin mode of VETH is on, not off"),
        (format!("ip link set {veth} type bridge_slave isolated on"), "isolation of VETH is on, not off"),
        (format!("ip link set {veth} down"), "link VETH is down"),
        ("ip link set br0 down".into(), "link br0 is down"),
        ("ip address delete 10.7.7.1/24 dev br0".into(), "address 10.7.7.1/24 is missing on br0"),
        ("sysctl -qw net.ipv4.ip_forward=0".into(), "sysctl net/ipv4/ip_forward is \"0\", not \"1\""),
        (format!("sysctl -qw net.ipv6.conf.{veth}.accept_ra=1"), "accept_ra is \"1\", not \"0\""),
        (
            format!("{route} change 10.99.0.0/16 via 10.7.7.1 metric 7 mtu 1200"),
            "route 10.99.0.0/16 via 10.7.7.1 dev eth12 metric 7 mtu 1300 is missing",
        ),
        (format!("{route} delete default"), "route 0.0.0.0/0 via 10.7.7.1 dev eth12 is missing"),
        (format!("{inside} -6 route delete default"), "route ::/0 via fd00:77::1 dev eth12 is missing"),
        (
            format!("{inside} address delete fd00:77::2/64 dev eth12"),
            "address fd00:77::2/64 is missing on eth12 (container)",
        ),
        ("rm /var/lib/cni/networks/mynet/10.7.7.2".into(), "lease 10.7.7.2 of network mynet is missing"),
        (
            "printf 'other\\r\\neth0' > /var/lib/cni/networks/mynet/fd00:77::2".into(),
            "lease fd00:77::2 of network mynet belongs to another container",
        ),
        ("iptables -t nat -F POSTROUTING".into(), "-s 10.7.7.2/32 -j CNI-"),
        ("ip6tables -t nat -F POSTROUTING".into(), "-s fd00:77::2/128 -j CNI-"),
        (
            "nft flush chain bridge nat cni-br-iface-1234567890-eth12".into(),
            "jump cni-br-iface-1234567890-eth12-mac",
        ),
        (format!("ip link set {veth} nomaster"), "link VETH is not a port of br0"),
    ];
    for (harm, difference) in &differences {
        let difference = difference.replace("VETH", veth);
        machine.sh(harm);
        let (code, _, details) = check.error(&machine);
        assert!(code == 106 && details.contains(&difference), "{harm}: {difference:?} is not in:\n{details}");
        let lines: Vec<&str> = details.lines().collect();
        assert!(
            lines.iter().all(|line| lines.iter().filter(|l| l == &line).count() == 1),
            "told twice:\n{details}"
        );
        // A lease of somebody else cannot be repaired: the attachment ends.
        machine.sh("grep -q other /var/lib/cni/networks/mynet/fd00:77::2 && rm /var/lib/cni/networks/mynet/fd00:77::2 || true");
        machine.sh(&format!("{} repair", dist().join("wasm-cni").display()));
        // The other route stays behind the one that was made again.
        machine.sh(&format!(
            "if [ $({route} show 10.99.0.0/16 | wc -l) = 2 ]; then {route} delete 10.99.0.0/16; {route} delete 10.99.0.0/16; {} repair; fi",
            dist().join("wasm-cni").display()
        ));
        assert_eq!(check.ok(&machine), "", "{harm}");
    }
    // A deleted bridge loses its addresses, so this damage is not combined with the others.
    for (harm, _) in &differences {
        machine.sh(&format!("{harm} || true"));
    }
    let (code, _, details) = check.error(&machine);
    assert_eq!(code, 106);
    for (harm, difference) in &differences {
        // A link that is no port any more has no port settings.
        if !difference.starts_with("hairpin") && !difference.starts_with("isolation") {
            assert!(
                details.contains(&difference.replace("VETH", veth)),
                "{harm}: {difference:?} is not in:\n{details}"
            );
        }
    }
    machine.sh("ip link delete br0");
    assert!(check.error(&machine).2.contains("bridge br0 is missing"));
}

/// Adds a chain; each plugin is a directory and a configuration. Returns the result.
fn add(machine: &Machine, chain: &[(&Path, Value)]) -> Value {
    let mut result = Value::Null;
    for (dir, config) in chain {
        let mut config = config.clone();
        config["name"] = "mynet".into();
        config["cniVersion"] = "1.0.0".into();
        if !result.is_null() {
            config["prevResult"] = result;
        }
        let name = config["type"].as_str().unwrap().to_owned();
        result =
            serde_json::from_str(&Call::new(dir, &name, "ADD", &config.to_string()).ok(machine)).unwrap();
    }
    result
}

#[test]
fn check_passes_right_after_add_for_every_chain() {
    let (ours, theirs) = (dist(), Path::new(REFERENCE));
    let tuning = |keys: Value| {
        let mut config = json!({"type": "tuning"});
        config.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        (theirs, config)
    };
    let portmap = json!({"type": "portmap", "snat": true, "runtimeConfig": {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}});
    let chains = [
        vec![],
        vec![(theirs, json!({"type": "firewall"}))],
        vec![(theirs, portmap.clone()), (theirs, json!({"type": "firewall"})), tuning(json!({}))],
        vec![tuning(json!({"mac": "02:00:00:00:12:34"}))],
        vec![tuning(json!({"mtu": 1400, "promisc": true, "allmulti": true}))],
        vec![tuning(
            json!({"sysctl": {"net.ipv4.conf.eth12.arp_notify": "0", "net.ipv6.conf.eth12.accept_dad": "1"}}),
        )],
        vec![(theirs, json!({"type": "sbr"}))],
        vec![(theirs, json!({"type": "bandwidth", "ingressRate": 1_000_000, "ingressBurst": 1_000_000}))],
    ];
    for chain in chains {
        for config in [
            network(json!({})),
            network(json!({"mtu": 1450, "hairpinMode": true, "ipMasqBackend": "nftables"})),
        ] {
            let machine = Machine::new();
            machine.netns("1234567890");
            let mut all = vec![(ours.as_path(), config.clone())];
            all.extend(chain.iter().cloned());
            let result = add(&machine, &all);
            let reply = Call::bridge("CHECK", &with_result(&config, &result)).run(&machine);
            assert_eq!((reply.code, reply.stdout.as_str()), (Some(0), ""), "{chain:?}");
            // The rest of the chain needs no repair. The bridge runs duplicate address detection for a second.
            machine.sh(
                "for i in $(seq 100); do ip address | grep -q tentative || exit 0; sleep 0.05; done; exit 1",
            );
            let before = machine.snapshot();
            machine.sh(&format!("{} diff; {0} repair", dist().join("wasm-cni").display()));
            assert_eq!(machine.changes(&before), wasm_cni_tests::NOTHING, "{chain:?}");
        }
    }
}

#[test]
fn an_address_whose_network_begins_with_zero_has_no_route_that_could_be_missing() {
    let machine = Machine::new();
    machine.netns("1234567890");
    let config = json!({
        "cniVersion": "1.0.0", "name": "mynet", "type": "bridge", "bridge": "br0",
        "ipam": {"type": "static", "addresses": [{"address": "10.7.7.9/0"}]}
    });
    let result: Value = serde_json::from_str(&Call::bridge("ADD", &config.to_string()).ok(&machine)).unwrap();
    assert_eq!(machine.sh("ip -n 1234567890 route"), "");
    assert_eq!(Call::bridge("CHECK", &with_result(&config, &result)).ok(&machine), "");
}
